// The page: plots with units, all figures in tables, nothing from elsewhere, and nothing that a text could break.
import { expect, test } from 'vitest';
import { formatHtml } from '../../bench/html.ts';
import { label, linearTicks, logTicks, svgOf } from '../../bench/svg.ts';
import { sampleReport } from './reports.ts';

test('the page has the plots and the figures, and needs nothing else', () => {
  const page = formatHtml(sampleReport(1, [['vm x', 'no <QEMU> & "so on"']]));
  for (const title of [
    'Rate by size',
    'Latency, round-trip pipe<',
    'Latency, round-trip pipe, one-thread<',
    'Idle host',
    'One busy pair on a switch',
  ])
    expect(page).toContain(title);
  for (const unit of ['Mpps', 'µs', '% of a CPU', 'bytes of a packet']) expect(page).toContain(unit);
  expect(page).toContain('<td>guest-to-guest-vale</td>');
  expect(page).toContain('<td>a change of one CPU from one thread to another</td><td>55.0</td>');
  expect(page).toContain('<h2>Targets</h2>');
  expect(page).toContain(
    '<td>VALE both ways, 60 bytes, of one way</td><td>&gt;= 80 %</td><td>150.00 %</td><td>yes</td>',
  );
  expect(page).toContain('no &lt;QEMU&gt; &amp; &quot;so on&quot;');
  expect(page).not.toMatch(/https?:|<script|<link|NaN|Infinity|undefined/);
});

test('a report without anything is a page too', () => {
  const empty = { ...sampleReport(), limits: [], results: [], peers: [], latency: [], cost: [], targets: [] };
  expect(formatHtml(empty)).not.toMatch(/<svg|<table|NaN/);
});

test('ticks are round numbers that reach beyond the values', () => {
  expect(linearTicks(23)).toEqual([0, 5, 10, 15, 20, 25]);
  expect(linearTicks(0)).toEqual([0, 1]);
  expect(logTicks(60, 9000)).toEqual([10, 100, 1000, 10000]);
  expect([0, 0.25, 512, 12_500, 2_000_000].map(label)).toEqual(['0', '0.25', '512', '12.5k', '2M']);
});

test('zero has a place on a logarithmic axis', () => {
  const svg = svgOf({
    title: 'zero',
    x: { title: 'x' },
    y: { title: 'y', log: true },
    series: [
      {
        name: 's',
        points: [
          { x: 0, y: 0 },
          { x: 1, y: 10 },
        ],
      },
    ],
  });
  expect(svg).not.toMatch(/NaN|Infinity/);
});
