// The report as tables for a terminal.
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

/** Cells under a heading of as many. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
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

function resultTable({ results }: Report): Table {
  const peers = [...new Set(results.flatMap(({ vsPeer }) => Object.keys(vsPeer)))];
  const duplex = results.some(({ vsOneWay }) => vsOneWay !== undefined);
  const headers = results.some(({ vsPlain }) => vsPlain !== undefined);
  const policies = results.some(({ kicks }) => kicks !== undefined);
  const head = ['path', 'size', 'rings', 'burst', 'payload', 'Mpps', 'min', 'max', 'Gbit/s', 'of limit'];
  return {
    head: [
      ...head,
      'host ns/p',
      'guests ns/p',
      ...(duplex ? ['x one way'] : []),
      ...(headers ? ['x no header'] : []),
      ...(policies ? ['x poll', 'kicks/s'] : []),
      ...peers.map((peer) => `x ${peer}`),
    ],
    rows: results.map((row) => [
      titleOf(row),
      `${row.size}`,
      `${row.rings}`,
      `${row.burst}`,
      row.payload,
      ...stat(row.mpps, 3),
      row.gbps.toFixed(2),
      `${(row.ofLimit * 100).toFixed(1)} %`,
      row.cpuNs?.host.median.toFixed(0) ?? '',
      row.cpuNs?.guests.median.toFixed(0) ?? '',
      ...(duplex ? [row.vsOneWay?.toFixed(2) ?? ''] : []),
      ...(headers ? [row.vsPlain?.toFixed(2) ?? ''] : []),
      ...(policies ? [row.vsPoll?.toFixed(2) ?? '', row.kicks?.median.toFixed(0) ?? ''] : []),
      ...peers.map((peer) => row.vsPeer[peer]?.toFixed(2) ?? ''),
    ]),
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
    case 'memory-per-port':
      return ['host memory of one more port', ...stat(row.kib, 0), 'KiB'];
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

const NET_UNITS = { tcp: 'Gbit/s', udp: 'kpps', ping: 'µs' } as const;

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
      ...stat(netStat(row), row.kind === 'tcp' ? 3 : 1),
      NET_UNITS[row.kind],
      row.kicks.median.toFixed(1),
      row.interrupts.median.toFixed(1),
      row.vsVirtio?.toFixed(2) ?? '',
    ]),
  };
}

function targetCells({ name, wanted, measured, unit, of, met, why }: TargetRow): string[] {
  if (measured === null) return [name, wanted ?? '', 'not measured', '', why!.split('\n')[0]!];
  const verdict = met === null ? '' : met ? 'yes' : 'no';
  return [name, wanted ?? '', `${measured.toFixed(2)} ${unit}`, verdict, of ?? ''];
}

/** Of what was selected: --only for one thing does not ask for all the others. */
export function targetTable({ targets }: Report): Table {
  return {
    head: ['target', 'wanted', 'measured', 'met', 'by, or why not'],
    rows: targets.filter(({ selected }) => selected).map(targetCells),
  };
}

/** Those that have rows; the targets come by themselves. */
export function tablesOf(report: Report): Table[] {
  const tables = [limitTable, resultTable, peerTable, latencyTable, costTable, netTable];
  return tables.map((table) => table(report)).filter(({ rows }) => rows.length > 0);
}

/** Many things may fail for one reason: it is said once. */
export function reasonsOf({ failures }: Pick<Report, 'failures'>): { why: string; labels: string[] }[] {
  const byReason = new Map<string, string[]>();
  for (const [label, why] of Object.entries(failures))
    byReason.set(why, [...(byReason.get(why) ?? []), label]);
  return [...byReason].map(([why, labels]) => ({ why, labels }));
}

export function formatReport(report: Report): string {
  const parts = tablesOf(report).map(({ head, rows }) => align([head, ...rows]));
  for (const { why, labels } of reasonsOf(report)) {
    const more = labels.length > 1 ? ` and ${labels.length - 1} more` : '';
    parts.push(`not measured: ${labels[0]}${more}: ${why}\n`);
  }
  const targets = targetTable(report);
  if (targets.rows.length > 0) parts.push(align([targets.head, ...targets.rows]));
  return parts.join('\n');
}
