// The rows of the report about latency.
import { LATENCIES, type LatencyKey, latencyLabel, latencyName } from './latencies.ts';
import type { SamplesOf } from './sample.ts';
import { type Stat, statOf } from './statistics.ts';

/** Named by what is timed and between which ends; `load` is `idle` or a share of the highest rate. */
export interface LatencyRow extends LatencyKey {
  /** Packets sent per second, millions. */
  readonly mpps: Stat;
  /** How many were timed in a round. */
  readonly samples: Stat;
  /** µs */
  readonly p50: Stat;
  readonly p99: Stat;
  readonly p999: Stat;
}

export function latencyRows(of: SamplesOf): LatencyRow[] {
  return LATENCIES.flatMap((latency) => {
    const samples = of(latencyLabel(latency)).filter(({ percentiles }) => percentiles !== undefined);
    if (samples.length === 0) return [];
    const stat = (figure: 'p50' | 'p99' | 'p999') =>
      statOf(samples, ({ percentiles }) => percentiles?.[figure], 1e-3, 3)!;
    return [
      {
        name: latencyName(latency),
        policy: latency.policy,
        load: latency.load,
        ...(latency.guests && { guests: latency.guests }),
        mpps: statOf(samples, ({ value }) => value, 1e-6, 4)!,
        samples: statOf(samples, ({ percentiles }) => percentiles?.count, 1, 0)!,
        p50: stat('p50'),
        p99: stat('p99'),
        p999: stat('p999'),
      },
    ];
  });
}
