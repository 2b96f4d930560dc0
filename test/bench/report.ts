// The report: what the samples of all rounds come to, in the form that is written as JSON.
import { type Machine, thisMachine } from '../../backend/report/machine.ts';
import { type CostRow, costRows } from './cost-rows.ts';
import { type LatencyRow, latencyRows } from './latency-rows.ts';
import {
  type LimitRates,
  limitLabel,
  RATE_LIMITS,
  type RateLimitName,
  TIME_LIMITS,
  type TimeLimitName,
} from './limits.ts';
import { type NetRow, netRows } from './net-rows.ts';
import { type PeerRow, peerRows } from './peer-rows.ts';
import type { Peer } from './peers/peer.ts';
import { type ResultRow, resultRows } from './result-rows.ts';
import type { Outcome } from './rounds.ts';
import type { Sample, SamplesOf } from './sample.ts';
import type { Scenario } from './scenarios.ts';
import { type Stat, statOf } from './statistics.ts';
import { type TargetRow, targetRows } from './targets.ts';

export type LimitRow =
  /** Millions per second. */
  | { readonly name: RateLimitName; readonly unit: 'slots' | 'bytes'; readonly mps: Stat }
  /** Of one round trip or one change. */
  | { readonly name: TimeLimitName; readonly unit: 'ns'; readonly ns: Stat };

export interface Report {
  readonly time: string;
  readonly machine: Machine;
  readonly seconds: number;
  readonly rounds: number;
  readonly limits: readonly LimitRow[];
  readonly results: readonly ResultRow[];
  readonly peers: readonly PeerRow[];
  readonly latency: readonly LatencyRow[];
  readonly cost: readonly CostRow[];
  readonly net: readonly NetRow[];
  readonly targets: readonly TargetRow[];
  /** By label: why it has no row. */
  readonly failures: Readonly<Record<string, string>>;
}

export interface Run {
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly Pick<Peer, 'name' | 'sizes' | 'comparesWith'>[];
  readonly seconds: number;
  readonly rounds: number;
}

export function makeReport({ samples, failures }: Outcome<Sample>, run: Run): Report {
  const of: SamplesOf = (label) => samples.get(label) ?? [];
  const measured = {
    limits: limitRows(of),
    results: resultRows(run.scenarios, { of, limits: limitsByRound(of), peers: run.peers }),
    peers: peerRows(run.peers, of),
    latency: latencyRows(of),
    cost: costRows(of),
    net: netRows(of),
    failures: Object.fromEntries(failures),
  };
  return {
    time: new Date().toISOString(),
    machine: thisMachine(),
    seconds: run.seconds,
    rounds: run.rounds,
    ...measured,
    targets: targetRows(measured),
  };
}

function limitRows(of: SamplesOf): LimitRow[] {
  const stat = (name: LimitRow['name'], factor: number) =>
    statOf(of(limitLabel(name)), ({ value }) => value, factor, 3);
  const rates = RATE_LIMITS.flatMap(({ name, unit }): LimitRow[] => {
    const mps = stat(name, 1e-6);
    return mps === undefined ? [] : [{ name, unit, mps }];
  });
  const times = TIME_LIMITS.flatMap(({ name, unit }): LimitRow[] => {
    const ns = stat(name, 1);
    return ns === undefined ? [] : [{ name, unit, ns }];
  });
  return [...rates, ...times];
}

/** The rates as they were in each round that has measured all of them. */
function limitsByRound(of: SamplesOf): LimitRates[] {
  const each = RATE_LIMITS.map(({ name }) => ({ name, samples: of(limitLabel(name)) }));
  const rounds = Math.min(...each.map(({ samples }) => samples.length));
  return Array.from(
    { length: rounds },
    (_, round) =>
      Object.fromEntries(each.map(({ name, samples }) => [name, samples[round]!.value])) as LimitRates,
  );
}
