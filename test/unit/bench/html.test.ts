// The page: plots with units, all figures in tables, nothing from elsewhere, and nothing that a text could break.
import { expect, test } from 'vitest';
import { label, linearTicks, logTicks, svgOf } from '../../../backend/report/svg.ts';
import { formatHtml } from '../../bench/html.ts';
import { sampleReport } from './reports.ts';

test('the page has the plots and the figures, and needs nothing else', () => {
  const page = formatHtml(sampleReport(1, [['vm x', 'no <QEMU> & "so on"']]));
  for (const title of [
    'Guest to guest, over a switch, stamped packets<',
    'Real VM: a guest sends to its host, stamped packets<',
    'Half of the round trips, pipe<',
    '99 of 100 round trips, pipe, one-thread<',
    'Idle host<',
    'One busy pair on a switch, 60 bytes<',
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

/** The SVG with that title. */
const plotIn = (page: string, title: string): string =>
  page
    .split('<figure>')
    .find((part) => part.includes(`${title}</text>`))!
    .split('</svg>')[0]!;

test('who is compared with stands in the same plot, and so does the limit', () => {
  const page = formatHtml(sampleReport());
  const plot = plotIn(page, 'Guest to guest, over a switch, stamped packets');
  for (const name of ['ptnetmap, guest-to-guest-vale', 'other', 'limit: two threads that pass slots'])
    expect(plot).toContain(`>${name}</text>`);
  expect(plotIn(page, 'Real VM: a guest sends to its host, stamped packets')).toContain('>other</text>');
});

test('a plot has few lines', () => {
  for (const plot of formatHtml(sampleReport()).split('<figure>').slice(1))
    expect(plot.match(/<polyline/g)?.length ?? 0).toBeLessThanOrEqual(5);
});

test('what nobody touches is a section of its own, without bits, limit and peers', () => {
  const page = formatHtml(sampleReport());
  const at = page.indexOf('<h2>Packets that nobody touches</h2>');
  const [before, own] = [page.slice(0, at), page.slice(at)];
  expect(own).toContain('neither side writes or reads a packet');
  expect(own).not.toMatch(/Gbit|of limit|fastest peer/);
  expect(before).not.toContain('<td>vale-duplex</td>');
});

test('no share is above the limit', () => {
  const page = formatHtml(sampleReport(100));
  expect(page).not.toMatch(/<td>[1-9]\d\d+\.\d %<\/td>/);
  expect(page).toContain('100 % or more');
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
