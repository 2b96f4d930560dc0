// The report: what the samples of all rounds come to, in the form that is written as JSON.
import { cpus, release } from 'node:os';
import { bound, LIMITS, type LimitName, type LimitRates, limitLabel } from './limits.ts';
import { peerLabel } from './peers/peer.ts';
import type { Outcome } from './rounds.ts';
import { IDLE_RINGS, idleLabel, labelOf, type PathName, type Scenario } from './scenarios.ts';
import { median, type Stat, scale, summarize } from './statistics.ts';

/** One measurement: packets, slots or bytes per second, or a share of a CPU. */
export interface Sample {
  readonly value: number;
  /** Paths: packets that left the sender per second. */
  readonly sent?: number;
}

export interface LimitRow {
  readonly name: LimitName;
  readonly unit: 'slots' | 'bytes';
  /** Millions per second. */
  readonly mps: Stat;
}

export interface ResultRow {
  readonly name: PathName;
  readonly size: number;
  readonly rings: number;
  readonly burst: number;
  readonly payload: Scenario['payload'];
  /** Packets that arrived. */
  readonly mpps: Stat;
  /** Packets that left the sender in the same time. */
  readonly sentMpps: Stat;
  /** Of packets that arrived, without framing. */
  readonly gbps: number;
  /** Share of what the machine's limits allow one pair of threads; the median of the rounds' own shares. */
  readonly ofLimit: number;
  /** By peer, how many times as fast at this size; the median of the rounds' own ratios. */
  readonly vsPeer: Readonly<Record<string, number>>;
}

export interface CostRow {
  readonly name: 'idle';
  /** Attached. */
  readonly rings: number;
  /** Percent of one CPU. */
  readonly cpuPercent: Stat;
}

export interface Report {
  readonly time: string;
  readonly machine: {
    readonly cpu: string;
    readonly cpus: number;
    readonly kernel: string;
    readonly node: string;
  };
  readonly seconds: number;
  readonly rounds: number;
  readonly limits: readonly LimitRow[];
  readonly results: readonly ResultRow[];
  readonly latency: readonly never[];
  readonly cost: readonly CostRow[];
  readonly failures: Readonly<Record<string, string>>;
}

const values = (samples: readonly Sample[]): number[] => samples.map(({ value }) => value);

export interface Run {
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly string[];
  readonly seconds: number;
  readonly rounds: number;
}

type SamplesOf = (label: string) => readonly Sample[];

export function makeReport(
  { samples, failures }: Outcome<Sample>,
  { scenarios, peers, seconds, rounds }: Run,
): Report {
  const of: SamplesOf = (label) => samples.get(label) ?? [];
  const limits = LIMITS.flatMap(({ name, unit }): LimitRow[] => {
    const found = of(limitLabel(name));
    return found.length === 0 ? [] : [{ name, unit, mps: scale(summarize(values(found)), 1e-6, 3) }];
  });
  const rates = limitsByRound(of);
  const results = scenarios.flatMap((scenario): ResultRow[] => {
    const found = of(labelOf(scenario));
    return found.length === 0 ? [] : [resultRow(scenario, found, rates, vsPeer(scenario, peers, of))];
  });
  const cost = IDLE_RINGS.flatMap((rings): CostRow[] => {
    const found = of(idleLabel(rings));
    if (found.length === 0) return [];
    return [{ name: 'idle', rings, cpuPercent: scale(summarize(values(found)), 100, 3) }];
  });
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    kernel: release(),
    node: process.version,
  };
  const time = new Date().toISOString();
  return {
    time,
    machine,
    seconds,
    rounds,
    limits,
    results,
    latency: [],
    cost,
    failures: Object.fromEntries(failures),
  };
}

/** The limits as they were in each round that has measured all of them. */
function limitsByRound(of: SamplesOf): LimitRates[] {
  const each = LIMITS.map(({ name }) => ({ name, samples: of(limitLabel(name)) }));
  const rounds = Math.min(...each.map(({ samples }) => samples.length));
  return Array.from(
    { length: rounds },
    (_, round) =>
      Object.fromEntries(each.map(({ name, samples }) => [name, samples[round]!.value])) as LimitRates,
  );
}

/** Ours and the peer's of the same round have seen the same machine. */
function vsPeer(scenario: Scenario, peers: readonly string[], of: SamplesOf): ResultRow['vsPeer'] {
  const ours = of(labelOf(scenario));
  return Object.fromEntries(
    peers.flatMap((peer): [string, number][] => {
      const ratio = medianRatio(ours, of(peerLabel(peer, scenario.size)));
      return ratio === undefined ? [] : [[peer, ratio]];
    }),
  );
}

/** @return undefined when the two have no round in common, or the other one never did anything. */
function medianRatio(ours: readonly Sample[], theirs: readonly Sample[]): number | undefined {
  const ratios = ours.flatMap(({ value }, round) => {
    const other = theirs[round]?.value ?? 0;
    return other > 0 ? [value / other] : [];
  });
  return ratios.length === 0 ? undefined : Number(median(ratios).toFixed(4));
}

function resultRow(
  { path, size, rings, burst, payload }: Scenario,
  samples: readonly Sample[],
  limits: readonly LimitRates[],
  vsPeer: ResultRow['vsPeer'],
): ResultRow {
  const scenario = { path, size, rings, burst, payload };
  const mpps = scale(summarize(values(samples)), 1e-6, 3);
  // Sample and limit of the same round have seen the same machine.
  const shares = samples
    .slice(0, limits.length)
    .map(({ value }, round) => value / bound(scenario, limits[round]!));
  return {
    name: path,
    size,
    rings,
    burst,
    payload,
    mpps,
    sentMpps: scale(summarize(samples.map(({ sent, value }) => sent ?? value)), 1e-6, 3),
    gbps: Number(((mpps.median * size * 8) / 1000).toFixed(3)),
    ofLimit: shares.length === 0 ? 0 : Number(median(shares).toFixed(4)),
    vsPeer,
  };
}
