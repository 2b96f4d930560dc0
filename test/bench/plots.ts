// Which plots a report is shown as: one message each, and whoever is compared with in the same one.
import type { Plot, Point, Series } from '../../backend/report/svg.ts';
import type { LatencyRow } from './latency-rows.ts';
import { RATE_LIMITS } from './limits.ts';
import { slotsOf } from './plans.ts';
import type { Report } from './report.ts';
import type { ResultRow } from './result-rows.ts';
import { KERNEL_PATHS, nameOf, PAIR_PATHS, type Payload, SIZES, STAMPED_SIZES } from './scenarios.ts';
import type { Stat } from './statistics.ts';

const point = (x: number, { median, min, max }: Stat): Point => ({ x, y: median, low: min, high: max });

const groupBy = <T>(items: readonly T[], key: (item: T) => string): [string, T[]][] => {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return [...groups];
};

const shown = (plots: readonly Plot[]): Plot[] => plots.filter(({ series }) => series.length > 0);

/** One ring, the usual burst, a driver of ours. */
const isPlain = (row: ResultRow, payload: Payload): boolean =>
  row.rhythm === undefined && row.payload === payload && row.rings === 1 && row.burst === 256;

/** A path by size, and beside it everybody who does the like. */
function besidePeers(
  { results, peers }: Report,
  name: string,
  payload: Payload,
  x: (size: number) => number,
): Series[] {
  const rows = results.filter((row) => row.name === name && isPlain(row, payload));
  if (rows.length === 0) return [];
  const alike = new Set(rows.flatMap(({ vsPeer }) => Object.keys(vsPeer)));
  const sizes = new Set<number>(rows.map(({ size }) => size));
  const ours = {
    name: `ptnetmap, ${name.replace(/^vm /, '')}`,
    points: rows.map((row) => point(x(row.size), row.mpps)),
  };
  const theirs = [...alike].map((peer) => ({
    name: peer,
    points: peers
      .filter((row) => row.name === peer && sizes.has(row.size))
      .map((row) => point(x(row.size), row.mpps)),
  }));
  return [ours, ...theirs];
}

/** Two threads that pass slots and copy 60 bytes do less for each than anything that is measured. */
function slotLimit({ limits }: Report): Series[] {
  const found = limits.find((row) => row.name === RATE_LIMITS[1]!.name);
  if (found === undefined || found.unit === 'ns') return [];
  return [
    {
      name: 'limit: two threads that pass slots',
      dashed: true,
      points: SIZES.map((size) => ({ x: size, y: found.mps.median / slotsOf(size) })),
    },
  ];
}

const PAIR_TITLES: Readonly<Record<(typeof PAIR_PATHS)[number], string>> = {
  'guest-to-host': 'A guest sends to its host',
  'host-to-guest': 'A host sends to its guest',
  'guest-to-guest-pipe': 'Guest to guest, over a pipe',
  'guest-to-guest-vale': 'Guest to guest, over a switch',
};

/** Driver models, packets whose first cache line is written and read. */
export function modelPlots(report: Report): Plot[] {
  return shown(
    PAIR_PATHS.map((path): Plot => {
      const series = besidePeers(report, path, 'stamp', (size) => size);
      return {
        title: `${PAIR_TITLES[path]}, stamped packets`,
        x: { title: 'bytes of a packet', log: true },
        y: { title: 'Mpps', log: true },
        series: series.length === 0 ? [] : [...series, ...slotLimit(report)],
      };
    }),
  );
}

const BAR_SIZES = STAMPED_SIZES.map((size) => `${size} bytes`);
const barOf = (size: number): number => (STAMPED_SIZES as readonly number[]).indexOf(size);

function bars(report: Report, name: string, payload: Payload, title: string): Plot {
  const series = besidePeers(report, name, payload, barOf);
  return {
    title,
    bars: true,
    x: { title: 'packets', names: BAR_SIZES },
    y: { title: 'Mpps' },
    series: series.map((each) => ({ ...each, points: each.points.filter(({ x }) => x >= 0) })),
  };
}

/** Real VMs, under software emulation where there is no KVM. */
export const vmPlots = (report: Report): Plot[] =>
  shown(
    PAIR_PATHS.map((path) =>
      bars(
        report,
        nameOf({ path, vm: true }),
        'stamp',
        `Real VM: ${PAIR_TITLES[path].toLowerCase()}, stamped packets`,
      ),
    ),
  );

/** Every byte is copied by the kernel, whatever guests do with it. */
export function kernelPlots(report: Report): Plot[] {
  const payload = report.results.some(
    (row) => isPlain(row, 'stamp') && KERNEL_PATHS.some((path) => path === row.name),
  )
    ? 'stamp'
    : 'none';
  return shown(
    KERNEL_PATHS.map((path) =>
      bars(report, path, payload, `By way of the kernel: ${path.replace('guest-to-guest-', '')}`),
    ),
  );
}

const LATENCY_FIGURES = [
  ['p50', 'Half of the round trips'],
  ['p99', '99 of 100 round trips'],
] as const;

export function latencyPlots({ latency }: Report): Plot[] {
  const trips = groupBy(
    latency.filter(({ name }) => name.includes('round-trip')),
    ({ name, guests }) => (guests === undefined ? name : `${name}, ${guests}`),
  );
  const lines = (rows: readonly LatencyRow[], names: readonly string[], figure: 'p50' | 'p99'): Series[] =>
    groupBy(rows, ({ policy }) => policy).map(([policy, of]) => ({
      name: policy,
      points: of.map((row) => point(names.indexOf(row.load), row[figure])),
    }));
  return trips.flatMap(([name, rows]) => {
    const names = [...new Set(rows.map(({ load }) => load))];
    return LATENCY_FIGURES.map(
      ([figure, what]): Plot => ({
        title: `${what}, ${name.replace('round-trip ', '')}`,
        x: { title: 'load, of the highest rate', names },
        y: { title: 'µs', log: true },
        series: lines(rows, names, figure),
      }),
    );
  });
}

export function costPlots({ cost }: Report): Plot[] {
  const idle = cost.flatMap((row) => (row.name === 'idle' ? [point(row.rings, row.cpuPercent)] : []));
  const ports = cost.flatMap((row) => (row.name === 'vale-ports' ? [point(row.ports, row.mpps)] : []));
  return shown([
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
  ]);
}

/** Packets that neither side writes or reads, by what a guest publishes at once. */
export function untouchedPlots({ results }: Report): Plot[] {
  const rows = results.filter(
    (row) => row.payload === 'none' && row.rhythm === undefined && row.rings === 1 && row.size === SIZES[0],
  );
  const lines = (of: readonly ResultRow[]): Series[] =>
    groupBy(of, ({ name }) => name)
      .map(([name, each]) => ({
        name,
        points: each.map((row) => point(row.burst, row.mpps)).sort((a, b) => a.x - b.x),
      }))
      .filter(({ points }) => points.length > 1);
  const plot = (title: string, of: readonly ResultRow[]): Plot => ({
    title,
    x: { title: 'packets between two publications', log: true },
    y: { title: 'Mpps', log: true },
    series: lines(of),
  });
  const isPair = ({ name }: ResultRow): boolean => PAIR_PATHS.some((path) => name.endsWith(path));
  return shown([
    plot(
      'Untouched packets, by burst, driver models',
      rows.filter((row) => isPair(row) && !row.name.startsWith('vm ')),
    ),
    plot(
      'Untouched packets, by burst, real VMs',
      rows.filter((row) => isPair(row) && row.name.startsWith('vm ')),
    ),
  ]);
}
