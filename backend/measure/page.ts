// A measurement as a page with plots, the machine, and the command that made it.
import { shellQuote } from '../hypervisor/qemu.ts';
import { describeMachine } from '../report/machine.ts';
import { pageHtml, type Section, type Table } from '../report/page.ts';
import { escapeHtml, type Plot, type Series } from '../report/svg.ts';
import { LIMIT_MEANING } from './limit.ts';
import type { HighestRow, LatencyRow, Measurement, RateRow } from './results.ts';
import { highestTable, latencyTable, rateTable } from './tables.ts';

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** By one thing that was varied, a line for each path. */
function lines(rows: readonly RateRow[], x: (row: RateRow) => number): Series[] {
  return unique(rows.map(({ path }) => path))
    .map((path) => ({
      name: path,
      points: rows
        .filter((row) => row.path === path)
        .map((row) => ({ x: x(row), y: row.mpps }))
        .sort((a, b) => a.x - b.x),
    }))
    .filter(({ points }) => unique(points.map((point) => point.x)).length > 1);
}

function ratePlots(rates: readonly RateRow[]): Plot[] {
  const [first] = rates;
  if (!first) return [];
  const y = { title: 'Mpps', log: true };
  const of = (same: readonly (keyof RateRow)[]) =>
    rates.filter((row) => same.every((key) => row[key] === first[key]));
  const plots: Plot[] = [
    {
      title: 'Rate by size',
      x: { title: 'bytes of a packet', log: true },
      y,
      series: lines(of(['burst', 'askedPps']), ({ size }) => size),
    },
    {
      title: 'Rate by burst',
      x: { title: 'packets published at once', log: true },
      y,
      series: lines(of(['size', 'askedPps']), ({ burst }) => burst),
    },
    {
      title: 'What arrives of what is sent',
      x: { title: 'packets sent, millions per second' },
      y: { title: 'arrived, Mpps' },
      series: lines(of(['size', 'burst']), ({ sent, seconds }) => sent / seconds / 1e6),
    },
  ];
  return plots.filter(({ series }) => series.length > 0);
}

function highestPlots(rows: readonly HighestRow[]): Plot[] {
  if (rows.length === 0) return [];
  const names = unique(rows.map(({ size }) => `${size} bytes`));
  const paths = unique(rows.map(({ path }) => path));
  const series = paths.map((path) => ({
    name: path,
    points: rows
      .filter((row) => row.path === path)
      .map((row) => ({ x: names.indexOf(`${row.size} bytes`), y: row.mpps })),
  }));
  return [
    {
      title: 'Highest rate without loss',
      bars: true,
      x: { title: 'packets', names },
      y: { title: 'Mpps' },
      series,
    },
  ];
}

function latencyPlots(rows: readonly LatencyRow[]): Plot[] {
  return unique(rows.map(({ path }) => path)).map((path) => {
    const of = rows.filter((row) => row.path === path);
    const names = of.map(({ load }) => load);
    return {
      title: `${of[0]!.what === 'service' ? 'Time until the host has taken a packet' : 'Round trip'}, ${path}`,
      x: { title: 'load', names },
      y: { title: 'µs', log: true },
      series: (['p50', 'p99', 'p999'] as const).map((figure) => ({
        name: figure === 'p999' ? 'p99.9' : figure,
        points: of.map((row, x) => ({ x, y: row[figure] })),
      })),
    };
  });
}

const section = (title: string, plots: readonly Plot[], table: Table): Section => ({
  title,
  plots,
  tables: table.rows.length > 0 ? [table] : [],
});

export function formatPage(measurement: Measurement): string {
  const { machine, version, time, guests, host, limitMpps, command, rates, highest, latency } = measurement;
  return pageHtml({
    title: 'ptnetmap: measurement',
    text: [
      `${describeMachine(machine)}. ptnetmap ${version}, ${guests}, ${host === 'own' ? 'a host of its own' : 'a host that was running'}. ${time}.`,
      `The machine's limit: ${limitMpps.toFixed(0)} million slots a second, by ${LIMIT_MEANING}.`,
    ],
    sections: [
      section('Rates', ratePlots(rates), rateTable(measurement)),
      section('Highest rate without loss', highestPlots(highest), highestTable(measurement)),
      section('Latency', latencyPlots(latency), latencyTable(measurement)),
      {
        title: 'Made by',
        more: command.length === 0 ? '' : `<pre>${escapeHtml(command.map(shellQuote).join(' '))}</pre>\n`,
      },
    ],
  });
}
