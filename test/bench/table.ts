// The report as tables for a terminal.
import { LIMITS } from './limits.ts';
import type { Report } from './report.ts';
import type { Stat } from './statistics.ts';

/** Columns as wide as their widest cell; the first one to the left, the others to the right. */
export function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

const stat = ({ median, min, max }: Stat, digits: number): string[] =>
  [median, min, max].map((value) => value.toFixed(digits));

export function formatReport(report: Report): string {
  const parts: string[] = [];
  if (report.limits.length > 0) {
    const rows = report.limits.map(({ name, unit, mps }) => [
      LIMITS.find((limit) => limit.name === name)!.meaning,
      ...stat(mps, 1),
      `M${unit}/s`,
    ]);
    parts.push(align([['limit of this machine', 'median', 'min', 'max', 'unit'], ...rows]));
  }
  if (report.results.length > 0) {
    const peers = [...new Set(report.results.flatMap(({ vsPeer }) => Object.keys(vsPeer)))];
    const rows = report.results.map(({ name, size, rings, burst, payload, mpps, gbps, ofLimit, vsPeer }) => [
      name,
      `${size}`,
      `${rings}`,
      `${burst}`,
      payload,
      ...stat(mpps, 3),
      gbps.toFixed(2),
      `${(ofLimit * 100).toFixed(1)} %`,
      ...peers.map((peer) => vsPeer[peer]?.toFixed(2) ?? ''),
    ]);
    const head = ['path', 'size', 'rings', 'burst', 'payload', 'Mpps', 'min', 'max', 'Gbit/s', 'of limit'];
    parts.push(align([[...head, ...peers.map((peer) => `x ${peer}`)], ...rows]));
  }
  if (report.cost.length > 0) {
    const rows = report.cost.map(({ rings, cpuPercent }) => [`${rings} rings`, ...stat(cpuPercent, 2)]);
    parts.push(align([['idle, attached', '% of a CPU', 'min', 'max'], ...rows]));
  }
  for (const [label, why] of Object.entries(report.failures)) parts.push(`failed: ${label}: ${why}\n`);
  return parts.join('\n');
}
