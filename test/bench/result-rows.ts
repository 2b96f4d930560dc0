// The rows of the report about throughput: rates, and how they compare with the machine's limits and with others.
import { bound, type LimitRates } from './limits.ts';
import { type Peer, peerLabel } from './peers/peer.ts';
import type { Sample, SamplesOf } from './sample.ts';
import { guestsOf, labelOf, nameOf, oneWayOf, plainOf, pollingOf, type Scenario } from './scenarios.ts';
import { medianRatio, type Stat, statOf } from './statistics.ts';

export interface ResultRow
  extends Pick<Scenario, 'size' | 'rings' | 'burst' | 'payload' | 'rhythm' | 'policy'> {
  /** The path; `vm ` comes before it when the guests are real VMs. */
  readonly name: string;
  /** Packets that arrived. */
  readonly mpps: Stat;
  /** Packets that left the sender in the same time. */
  readonly sentMpps: Stat;
  /** Of packets that arrived, without framing. */
  readonly gbps: number;
  /** Share of what the machine's limits allow one pair of threads; the median of the rounds' own shares. */
  readonly ofLimit: number;
  /** By peer that does the like, how many times as fast at this size. */
  readonly vsPeer: Readonly<Record<string, number>>;
  /** Both directions at once, when one direction alone was measured too: how many times as much in total. */
  readonly vsOneWay?: number;
  /** With a virtio-net header on both ends, when the path without was measured too: how many times as fast. */
  readonly vsPlain?: number;
  /** With an application instead of a guest, when two guests were measured too: how many times as fast. */
  readonly vsGuests?: number;
  /** An adaptive host, when one that polls all the time was measured too: how many times as fast. */
  readonly vsPoll?: number;
  /** Where policies are compared: doorbells per second. */
  readonly kicks?: Stat;
  /** Processor time per packet that arrived, ns. */
  readonly cpuNs?: { readonly host: Stat; readonly guests: Stat };
}

export interface Background {
  readonly of: SamplesOf;
  /** By round. */
  readonly limits: readonly LimitRates[];
  readonly peers: readonly Pick<Peer, 'name' | 'comparesWith'>[];
}

export function resultRows(scenarios: readonly Scenario[], background: Background): ResultRow[] {
  return scenarios.flatMap((scenario) => {
    const samples = background.of(labelOf(scenario));
    return samples.length === 0 ? [] : [resultRow(scenario, samples, background)];
  });
}

const values = (samples: readonly Sample[]): number[] => samples.map(({ value }) => value);

function resultRow(
  scenario: Scenario,
  samples: readonly Sample[],
  { of, limits, peers }: Background,
): ResultRow {
  const { size, rings, burst, payload, rhythm, policy } = scenario;
  const ours = values(samples);
  const mpps = statOf(samples, ({ value }) => value, 1e-6, 3)!;
  const bounds = limits.map((rates) => bound(scenario, rates));
  const alike = peers.filter((peer) => peer.comparesWith(scenario));
  const vsPeer = alike.flatMap(({ name }): [string, number][] => {
    const ratio = medianRatio(ours, values(of(peerLabel(name, size))));
    return ratio === undefined ? [] : [[name, ratio]];
  });
  const times = (other: Scenario | undefined) => other && medianRatio(ours, values(of(labelOf(other))));
  const vsOneWay = times(oneWayOf(scenario));
  const vsPlain = times(plainOf(scenario));
  const vsGuests = times(guestsOf(scenario));
  const vsPoll = times(pollingOf(scenario));
  const kicks = rhythm && statOf(samples, (sample) => sample.kicks, 1, 1);
  const cpu = (side: 'host' | 'guests') =>
    statOf(samples, ({ cpus, value }) => (cpus && value > 0 ? cpus[side] / value : undefined), 1e9, 1);
  const [host, guests] = [cpu('host'), cpu('guests')];
  return {
    name: nameOf(scenario),
    size,
    rings,
    burst,
    payload,
    ...(rhythm && { rhythm, policy }),
    mpps,
    sentMpps: statOf(samples, ({ sent, value }) => sent ?? value, 1e-6, 3)!,
    gbps: Number(((mpps.median * size * 8) / 1000).toFixed(3)),
    ofLimit: medianRatio(ours, bounds) ?? 0,
    vsPeer: Object.fromEntries(vsPeer),
    ...(vsOneWay === undefined ? {} : { vsOneWay }),
    ...(vsPlain === undefined ? {} : { vsPlain }),
    ...(vsGuests === undefined ? {} : { vsGuests }),
    ...(vsPoll === undefined ? {} : { vsPoll }),
    ...(kicks && { kicks }),
    ...(host && guests ? { cpuNs: { host, guests } } : {}),
  };
}
