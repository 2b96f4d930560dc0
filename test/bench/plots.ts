// Which plots a report is shown as.
import type { LatencyRow } from './latency-rows.ts';
import { bound, type LimitRates, RATE_LIMITS } from './limits.ts';
import type { Report } from './report.ts';
import type { ResultRow } from './result-rows.ts';
import { type PathName, SIZES } from './scenarios.ts';
import type { Stat } from './statistics.ts';
import type { Plot, Point, Series } from './svg.ts';

const point = (x: number, { median, min, max }: Stat): Point => ({ x, y: median, low: min, high: max });

const groupBy = <T>(items: readonly T[], key: (item: T) => string): [string, T[]][] => {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return [...groups];
};

/** One ring, the usual burst, no payload, unless it is what is varied. */
const isBase = (row: ResultRow, varied: 'size' | 'rings' | 'burst'): boolean =>
  row.rhythm === undefined &&
  row.payload === 'none' &&
  (varied === 'size' || row.size === SIZES[0]) &&
  (varied === 'rings' || row.rings === 1) &&
  (varied === 'burst' || row.burst === 256);

/** One thing varied, a line for each path. */
function variation(rows: readonly ResultRow[], varied: 'size' | 'rings' | 'burst'): Series[] {
  const groups = groupBy(
    rows.filter((row) => isBase(row, varied)),
    ({ name }) => name,
  );
  return groups
    .map(([name, of]) => ({
      name,
      points: of.map((row) => point(row[varied], row.mpps)).sort((a, b) => a.x - b.x),
    }))
    .filter(({ points }) => points.length > 1);
}

/** What the machine's limits allow one pair of threads, with and without a copy. */
function limitSeries({ limits }: Report): Series[] {
  const found = limits.flatMap((row) => (row.unit === 'ns' ? [] : [[row.name, row.mps.median] as const]));
  if (found.length < RATE_LIMITS.length) return [];
  const rates = Object.fromEntries(found) as LimitRates;
  const line = (name: string, path: PathName): Series => ({
    name,
    dashed: true,
    points: SIZES.map((size) => ({
      x: size,
      y: bound({ path, vm: false, size, rings: 1, burst: 256, payload: 'none' }, rates),
    })),
  });
  return [line('limit: slots', 'guest-to-host'), line('limit: slots and a copy', 'guest-to-guest-vale')];
}

function ratePlots(report: Report): Plot[] {
  const groups = [
    { title: 'driver models', rows: report.results.filter(({ name }) => !/^(vm |vale-)/.test(name)) },
    {
      title: 'driver models on a switch',
      rows: report.results.filter(({ name }) => /vale/.test(name) && !name.startsWith('vm ')),
    },
    { title: 'real VMs', rows: report.results.filter(({ name }) => name.startsWith('vm ')) },
  ];
  const y = { title: 'Mpps', log: true };
  return groups.flatMap(({ title, rows }): Plot[] => {
    const sizes = variation(rows, 'size');
    return [
      {
        title: `Rate by size, ${title}`,
        x: { title: 'bytes of a packet', log: true },
        y,
        series: sizes.length === 0 ? [] : [...sizes, ...limitSeries(report)],
      },
      {
        title: `Rate by burst, ${title}, 60 bytes`,
        x: { title: 'packets between two publications', log: true },
        y,
        series: variation(rows, 'burst'),
      },
    ];
  });
}

function latencyPlots({ latency }: Report): Plot[] {
  const trips = groupBy(
    latency.filter(({ name }) => name.includes('round-trip')),
    ({ name, guests }) => (guests === undefined ? name : `${name}, ${guests}`),
  );
  const lines = (rows: readonly LatencyRow[], names: readonly string[]): Series[] =>
    groupBy(rows, ({ policy }) => policy).flatMap(([policy, of]) =>
      (['p50', 'p99', 'p999'] as const).map((figure) => ({
        name: `${policy} ${figure === 'p999' ? 'p99.9' : figure}`,
        points: of.map((row) => point(names.indexOf(row.load), row[figure])),
      })),
    );
  return trips.map(([name, rows]) => {
    const names = [...new Set(rows.map(({ load }) => load))];
    return {
      title: `Latency, ${name}`,
      x: { title: 'load, of the highest rate', names },
      y: { title: 'µs', log: true },
      series: lines(rows, names),
    };
  });
}

function costPlots({ cost }: Report): Plot[] {
  const idle = cost.flatMap((row) => (row.name === 'idle' ? [point(row.rings, row.cpuPercent)] : []));
  const ports = cost.flatMap((row) => (row.name === 'vale-ports' ? [point(row.ports, row.mpps)] : []));
  return [
    {
      title: 'Idle host',
      x: { title: 'rings attached' },
      y: { title: '% of a CPU' },
      series: idle.length === 0 ? [] : [{ name: 'host', points: idle }],
    },
    {
      title: 'One busy pair on a switch, 60 bytes',
      x: { title: 'ports on the switch', log: true },
      y: { title: 'Mpps' },
      series: ports.length === 0 ? [] : [{ name: 'rate of the pair', points: ports }],
    },
  ];
}

/** Those that have something to show. */
export function plotsOf(report: Report): Plot[] {
  const all = [...ratePlots(report), ...latencyPlots(report), ...costPlots(report)];
  return all.filter(({ series }) => series.length > 0);
}
