// Compares two reports: what differs by more than the rounds of either differ among themselves.
import { costLabel, costStat } from './cost-rows.ts';
import { latencyKeyLabel } from './latencies.ts';
import { limitLabel } from './limits.ts';
import { netLabel } from './net-paths.ts';
import { netStat } from './net-rows.ts';
import type { Report } from './report.ts';
import { rowLabel } from './scenarios.ts';
import type { Stat } from './statistics.ts';
import { align } from './table.ts';

export interface Change {
  readonly label: string;
  readonly before: Stat;
  readonly after: Stat;
  /** Of the medians: 0.1 is ten percent more. */
  readonly ratio: number;
  /** Whether it is outside the noise, and for the worse or the better. */
  readonly verdict: 'regression' | 'improvement' | 'same';
}

interface Figure {
  readonly stat: Stat;
  readonly more: 'better' | 'worse';
}

type Comparable = Pick<Report, 'limits' | 'results' | 'latency' | 'cost'> & Partial<Pick<Report, 'net'>>;

function figures(report: Comparable): Map<string, Figure> {
  const map = new Map<string, Figure>();
  for (const row of report.limits)
    map.set(
      limitLabel(row.name),
      row.unit === 'ns' ? { stat: row.ns, more: 'worse' } : { stat: row.mps, more: 'better' },
    );
  for (const row of report.results) map.set(rowLabel(row), { stat: row.mpps, more: 'better' });
  for (const row of report.latency)
    for (const figure of ['p50', 'p99', 'p999'] as const)
      map.set(`${latencyKeyLabel(row)} ${figure}`, { stat: row[figure], more: 'worse' });
  for (const row of report.cost) map.set(costLabel(row), costStat(row));
  // A report of before there were drivers has none.
  for (const row of report.net ?? [])
    map.set(netLabel(row), { stat: netStat(row), more: row.kind === 'ping' ? 'worse' : 'better' });
  return map;
}

/** The noise is what the rounds measured: two figures differ when no round of one reaches a round of the other. */
function verdict(before: Stat, after: Stat, more: Figure['more']): Change['verdict'] {
  if (after.min > before.max) return more === 'better' ? 'improvement' : 'regression';
  if (after.max < before.min) return more === 'better' ? 'regression' : 'improvement';
  return 'same';
}

/** Everything that both have. */
export function compare(before: Comparable, after: Comparable): Change[] {
  const old = figures(before);
  return [...figures(after)].flatMap(([label, { stat, more }]): Change[] => {
    const was = old.get(label)?.stat;
    if (!was) return [];
    const ratio = was.median === 0 ? 0 : stat.median / was.median - 1;
    return [{ label, before: was, after: stat, ratio, verdict: verdict(was, stat, more) }];
  });
}

/**
 * A regression of the machine itself is not ours, so the limits are shown but do not count.
 * @return whether something of ours got worse.
 */
export function hasRegression(changes: readonly Change[]): boolean {
  return changes.some(({ label, verdict }) => verdict === 'regression' && !label.startsWith('limit '));
}

export function formatChanges(changes: readonly Change[]): string {
  const differing = changes.filter(({ verdict }) => verdict !== 'same');
  if (changes.length === 0) return 'nothing in common with the old report\n';
  if (differing.length === 0) return `${changes.length} figures compared: none differs beyond the noise\n`;
  const rows = differing.map(({ label, before, after, ratio, verdict }) => [
    label,
    before.median.toFixed(3),
    after.median.toFixed(3),
    `${ratio < 0 ? '' : '+'}${(ratio * 100).toFixed(1)} %`,
    verdict,
  ]);
  return align([[`of ${changes.length} figures`, 'before', 'after', 'change', ''], ...rows]);
}
