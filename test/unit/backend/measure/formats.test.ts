// A measurement as JSON's neighbours: CSV, tables and a page.
import { expect, test } from 'vitest';
import { formatCsv } from '../../../../backend/measure/csv.ts';
import { formatPage } from '../../../../backend/measure/page.ts';
import type { Measurement } from '../../../../backend/measure/results.ts';
import { formatMeasurement, shownPps } from '../../../../backend/measure/tables.ts';

const rate = (size: number, mpps: number) => ({
  path: 'vm1/net0 -> vm2/net0',
  size,
  burst: 256,
  payload: 'stamp' as const,
  askedPps: null,
  sent: 1_000_100,
  received: 1_000_000,
  lost: 100,
  corrupt: 0,
  foreign: 0,
  seconds: 1,
  mpps,
  gbps: Number(((mpps * size * 8) / 1000).toFixed(6)),
  kicks: 12,
  interrupts: 3,
});

const MEASUREMENT: Measurement = {
  time: '2026-11-27T00:00:00.000Z',
  machine: { cpu: 'a "CPU"', cpus: 2, kernel: '6.18', node: 'v20.20.2' },
  version: '0.1.0',
  command: ['ptnet', 'measure', 'a <b>.yaml'],
  guests: 'driver models',
  ends: { 'vm1/net0': 'model', 'vm2/net0': 'model' },
  host: 'own',
  crowded: false,
  limitMpps: 150,
  rates: [rate(60, 30), rate(1514, 1)],
  highest: [
    {
      path: 'vm1/net0 -> vm2/net0',
      size: 60,
      burst: 256,
      payload: 'stamp',
      mpps: 20,
      gbps: 9.6,
      resolution: 0.01,
      tolerance: 0,
      steps: [{ asked: undefined, offered: 40e6, loss: 0.2 }],
    },
  ],
  latency: ['10 %', '50 %'].map((load) => ({
    path: 'vm1/net0 -> vm2/net0',
    what: 'round trip' as const,
    load,
    mpps: 0.1,
    samples: 1000,
    p50: 2.5,
    p99: 7,
    p999: 40,
    max: 100.25,
  })),
};

test('CSV has a line for each row, and the same columns in all of them', () => {
  const [head, ...lines] = formatCsv(MEASUREMENT).trimEnd().split('\r\n');
  const columns = head!.split(',');
  expect(columns.slice(0, 3)).toEqual(['kind', 'path', 'size_bytes']);
  expect(lines.map((line) => line.split(',').length)).toEqual(lines.map(() => columns.length));
  const rows = lines.map((line) =>
    Object.fromEntries(line.split(',').map((value, i) => [columns[i], value])),
  );
  expect(rows[0]).toMatchObject({
    kind: 'rate',
    size_bytes: '60',
    pps: '30000000',
    bits_per_second: '14400000000',
    lost: '100',
    asked_pps: '',
  });
  expect(rows[2]).toMatchObject({ kind: 'highest', pps: '20000000', sent: '' });
  expect(rows[3]).toMatchObject({ kind: 'latency', load: '10 %', p50_us: '2.5', max_us: '100.25' });
});

test('a comma or a quote in a value is quoted', () => {
  const odd = { ...MEASUREMENT, rates: [{ ...rate(60, 1), path: 'a,"b"' }] };
  expect(formatCsv(odd)).toContain('rate,"a,""b""",60,');
});

test('the tables have units, the share of the limit where it is the same work, and where it was', () => {
  const text = formatMeasurement(MEASUREMENT);
  expect(text).toMatch(
    /^vm1\/net0 -> vm2\/net0 +60 +256 +all +30\.000 +14\.400 +20\.0 % +1,000,000 +100 +0 +12 +3$/m,
  );
  expect(text).toMatch(/^vm1\/net0 -> vm2\/net0 +1514 +256 +all +1\.000 +12\.112 +1,000,000/m);
  expect(text).toMatch(/^highest rate without loss +size/m);
  expect(text).toMatch(/round trip +10 % +0\.100 +1,000 +2\.50 +7\.00 +40\.00 +100\.25$/m);
  expect(text).toContain(
    'a "CPU", 2 CPUs, Linux 6.18, Node v20.20.2; ptnetmap 0.1.0; driver models; a host of its own\n',
  );
});

test('that guests took turns on a CPU is said where packets without loss are counted', () => {
  const note = /^without loss: worker and guests have fewer CPUs than threads/m;
  expect(formatMeasurement(MEASUREMENT)).not.toMatch(note);
  expect(formatMeasurement({ ...MEASUREMENT, crowded: true })).toMatch(note);
  expect(formatMeasurement({ ...MEASUREMENT, crowded: true, highest: [] })).not.toMatch(note);
});

test('the page has plots, tables, machine and command, and needs nothing else', () => {
  const page = formatPage(MEASUREMENT);
  for (const text of [
    'Rate by size',
    'Highest rate without loss',
    'Round trip, vm1/net0 -&gt; vm2/net0',
    // As a shell takes it.
    "ptnet measure 'a &lt;b&gt;.yaml'",
    'a &quot;CPU&quot;',
  ])
    expect(page).toContain(text);
  expect(page).not.toMatch(/https?:|<script|<link|NaN|Infinity|undefined/);
  // A table with long cells is as wide as the page, not wider.
  expect(page).not.toContain('nowrap');
  expect(formatPage({ ...MEASUREMENT, rates: [], highest: [], latency: [], command: [] })).not.toMatch(
    /<svg|<table/,
  );
});

test('rates as people say them', () => {
  expect([1, 999, 1000, 1.5e6, 12_345_678].map(shownPps)).toEqual(['1', '999', '1k', '1.5M', '12.3457M']);
});
