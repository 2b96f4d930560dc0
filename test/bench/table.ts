// The report as tables for a terminal.
import type { Table } from '../../backend/report/page.ts';
import type { CostRow } from './cost-rows.ts';
import { LIMITS } from './limits.ts';
import { netStat } from './net-rows.ts';
import type { Report } from './report.ts';
import type { ResultRow } from './result-rows.ts';
import type { Stat } from './statistics.ts';
import type { TargetRow } from './targets.ts';

/** Columns as wide as their widest cell; the first one to the left, the others to the right. */
export function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

const titleOf = ({ name, rhythm, policy }: ResultRow): string =>
  rhythm ? `${name}, ${rhythm}, ${policy}` : name;

const stat = ({ median, min, max }: Stat, digits: number): string[] =>
  [median, min, max].map((value) => value.toFixed(digits));

function limitTable({ limits }: Report): Table {
  return {
    head: ['limit of this machine', 'median', 'min', 'max', 'unit'],
    rows: limits.map((row) => [
      LIMITS.find(({ name }) => name === row.name)!.meaning,
      ...stat(row.unit === 'ns' ? row.ns : row.mps, 1),
      row.unit === 'ns' ? 'ns' : `M${row.unit}/s`,
    ]),
  };
}

/** What the limit of the machine does for each slot: one that is passed, and 60 bytes copied. */
const LIMIT_SIZE = 60;

/** Only of work that is like the limit's: otherwise a share says nothing. */
const shareOf = ({ size, payload, rings, ofLimit }: ResultRow): string =>
  size === LIMIT_SIZE && payload !== 'none' && rings === 1 ? percent(ofLimit * 100, 1) : '';

/** Nobody does more than the limit: what is above it is noise, or work that the limit has and the path has not. */
const percent = (value: number, digits: number): string =>
  value > 100 ? '100 % or more' : `${value.toFixed(digits)} %`;

/** Only where every byte is written and read: of packets whose first line alone is, bits say nothing. */
const bitsOf = ({ payload, gbps }: ResultRow): string => (payload === 'full' ? gbps.toFixed(2) : '');

/** Of those that do the like, the fastest, which says least for us. */
function fastestPeer({ vsPeer }: ResultRow): string {
  const [fastest] = Object.entries(vsPeer).sort(([, a], [, b]) => a - b);
  return fastest === undefined ? '' : `${fastest[1].toFixed(2)} x ${fastest[0]}`;
}

const ofRates = (row: ResultRow): string[] => [titleOf(row), `${row.size}`, `${row.rings}`, `${row.burst}`];

const cpuOf = ({ cpuNs }: ResultRow): string[] => [
  cpuNs?.host.median.toFixed(0) ?? '',
  cpuNs?.guests.median.toFixed(0) ?? '',
];

/** Both directions of what one has, an adaptive host of what a polling one has, and the like. */
function ratios({ vsOneWay, vsPlain, vsGuests, vsPoll, kicks }: ResultRow): string {
  const parts = [
    vsOneWay === undefined ? [] : [`${vsOneWay.toFixed(2)} x one way`],
    vsPlain === undefined ? [] : [`${vsPlain.toFixed(2)} x no header`],
    vsGuests === undefined ? [] : [`${vsGuests.toFixed(2)} x two guests`],
    vsPoll === undefined ? [] : [`${vsPoll.toFixed(2)} x poll`],
    kicks === undefined ? [] : [`${kicks.median.toFixed(0)} kicks/s`],
  ];
  return parts.flat().join(', ');
}

/** Packets that their sender writes and their receiver reads. */
export function resultTable({ results }: Report): Table {
  return {
    head: [
      ...['path', 'size', 'rings', 'burst', 'payload', 'Mpps', 'min', 'max', 'Gbit/s'],
      ...['of limit', 'fastest peer', 'host ns/p', 'guests ns/p', ''],
    ],
    rows: results
      .filter(({ payload }) => payload !== 'none')
      .map((row) => [
        ...ofRates(row),
        row.payload,
        ...stat(row.mpps, 3),
        bitsOf(row),
        shareOf(row),
        fastestPeer(row),
        ...cpuOf(row),
        ratios(row),
      ]),
  };
}

export const UNTOUCHED_MEANING =
  "Here neither side writes or reads a packet: what is moved are indices and, on a switch or by the kernel, copies. It tells what the host's part costs and how it grows with bursts and rings. It is no rate of a network: bits per second, the machine's limit and other programs are left out, for none of them does so little.";

/** Packets that no guest touches. */
export function untouchedTable({ results }: Report): Table {
  return {
    head: [
      'untouched packets',
      'size',
      'rings',
      'burst',
      'Mpps',
      'min',
      'max',
      'host ns/p',
      'guests ns/p',
      '',
    ],
    rows: results
      .filter(({ payload }) => payload === 'none')
      .map((row) => [...ofRates(row), ...stat(row.mpps, 3), ...cpuOf(row), ratios(row)]),
  };
}

function peerTable({ peers }: Report): Table {
  return {
    head: ['peer', 'size', 'Mpps', 'min', 'max'],
    rows: peers.map(({ name, size, mpps }) => [name, `${size}`, ...stat(mpps, 3)]),
  };
}

function latencyTable({ latency }: Report): Table {
  const range = ({ min, max }: Stat) => `${min.toFixed(1)}-${max.toFixed(1)}`;
  const figures = (of: Stat) => [of.median.toFixed(2), range(of)];
  return {
    head: [
      'latency, µs',
      'policy',
      'load',
      'guests',
      'Mpps',
      'p50',
      'range',
      'p99',
      'range',
      'p99.9',
      'range',
    ],
    rows: latency.map(({ name, policy, load, guests, mpps, p50, p99, p999 }) => [
      name,
      policy,
      load,
      guests ?? '',
      mpps.median.toFixed(3),
      ...figures(p50),
      ...figures(p99),
      ...figures(p999),
    ]),
  };
}

const MONITOR_TEXTS: Readonly<Record<string, string>> = {
  none: 'busy pair, no monitor',
  reads: 'busy pair, a monitor that takes everything',
  rests: 'busy pair, a monitor that takes nothing',
};

function costCells(row: CostRow): string[] {
  switch (row.name) {
    case 'idle':
      return [`host, ${row.rings} rings attached and idle`, ...stat(row.cpuPercent, 2), '% of a CPU'];
    case 'trickle':
      return [
        `host, 4000 packets per second, policy ${row.policy}`,
        ...stat(row.cpuPercent, 2),
        '% of a CPU',
      ];
    case 'vale-ports':
      return [`busy pair, ${row.ports} ports on the switch`, ...stat(row.mpps, 3), 'Mpps'];
    case 'vale-monitor':
      return [MONITOR_TEXTS[row.monitor] ?? row.monitor, ...stat(row.mpps, 3), 'Mpps'];
    case 'ping-pong':
      return [
        `round trip of two who wake each other up, ${row.cpus} CPU${row.cpus === 'one' ? '' : 's'}, ${row.policy === undefined ? 'eventfd' : `applications, ${row.policy}`}`,
        ...stat(row.us, 2),
        'µs',
      ];
    case 'system-calls':
      return [
        `system calls of a busy ${row.of}, beside ${row.yields.median.toFixed(1)} that give the CPU away`,
        ...stat(row.calls, 2),
        '/1000 bursts',
      ];
    case 'memory-per-port':
      return ['host memory of one more port', ...stat(row.kib, 0), 'KiB'];
    case 'takeover':
      return ['longest pause of a guest when its host is taken over', ...stat(row.ms, 0), 'ms'];
    case 'instructions':
      return [
        `instructions per packet, ${row.path}, bursts of ${row.burst}`,
        ...stat(row.instructions, 1),
        'instructions',
      ];
    case 'cycles':
      return [`cycles per packet, ${row.path}`, ...stat(row.cycles, 0), 'cycles'];
  }
}

function costTable({ cost }: Report): Table {
  return { head: ['cost', 'median', 'min', 'max', 'unit'], rows: cost.map(costCells) };
}

const NET_UNITS = { tcp: 'Gbit/s', 'tcp-big': 'Gbit/s', udp: 'kpps', ping: 'µs' } as const;

function netTable({ net }: Report): Table {
  return {
    head: [
      'Linux guest',
      'driver',
      'what',
      'median',
      'min',
      'max',
      'unit',
      'kicks/1000',
      'irqs/1000',
      'x virtio',
    ],
    rows: net.map((row) => [
      row.path,
      row.driver,
      row.kind,
      ...stat(netStat(row), row.gbps ? 3 : 1),
      NET_UNITS[row.kind],
      row.kicks.median.toFixed(1),
      row.interrupts.median.toFixed(1),
      row.vsVirtio?.toFixed(2) ?? '',
    ]),
  };
}

const targetValue = (measured: number, unit: TargetRow['unit'], name: string): string =>
  unit === '%' && name.includes('limit') ? percent(measured, 2) : `${measured.toFixed(2)} ${unit}`;

function targetCells({ name, wanted, measured, unit, of, met, why }: TargetRow): string[] {
  if (measured === null) return [name, wanted ?? '', 'not measured', '', why!.split('\n')[0]!];
  const verdict = met === null ? '' : met ? 'yes' : 'no';
  return [name, wanted ?? '', targetValue(measured, unit, name), verdict, of ?? ''];
}

/** Of what was selected: --only for one thing does not ask for all the others. */
export function targetTable({ targets }: Report): Table {
  return {
    head: ['target', 'wanted', 'measured', 'met', 'by, or why not'],
    rows: targets.filter(({ selected }) => selected).map(targetCells),
  };
}

const withRows = (report: Report, tables: readonly ((report: Report) => Table)[]): Table[] =>
  tables.map((table) => table(report)).filter(({ rows }) => rows.length > 0);

/** Beside the rates, where there are any. */
export const backgroundTables = (report: Report): Table[] =>
  withRows(report, [limitTable, peerTable, latencyTable, costTable, netTable]);

/** Many things may fail for one reason: it is said once. */
export function reasonsOf({ failures }: Pick<Report, 'failures'>): { why: string; labels: string[] }[] {
  const byReason = new Map<string, string[]>();
  for (const [label, why] of Object.entries(failures))
    byReason.set(why, [...(byReason.get(why) ?? []), label]);
  return [...byReason].map(([why, labels]) => ({ why, labels }));
}

export function formatReport(report: Report): string {
  const text = ({ head, rows }: Table): string => align([head, ...rows]);
  const parts = [
    ...withRows(report, [limitTable, resultTable, peerTable, latencyTable, costTable, netTable]).map(text),
  ];
  const [untouched] = withRows(report, [untouchedTable]);
  if (untouched) parts.push(`${UNTOUCHED_MEANING}\n\n${text(untouched)}`);
  for (const { why, labels } of reasonsOf(report)) {
    const more = labels.length > 1 ? ` and ${labels.length - 1} more` : '';
    parts.push(`not measured: ${labels[0]}${more}: ${why}\n`);
  }
  const targets = targetTable(report);
  if (targets.rows.length > 0) parts.push(text(targets));
  return parts.join('\n');
}
