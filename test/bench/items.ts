// Everything that can be measured here, and what cannot and why.
import { measureIdle } from './cost.ts';
import { LIMITS, limitLabel, sampleLimit } from './limits.ts';
import { type MeasureOptions, measure } from './measure.ts';
import { PEERS } from './peers/list.ts';
import { type Peer, peerLabel } from './peers/peer.ts';
import { planOf } from './plans.ts';
import type { Item } from './rounds.ts';
import type { Sample } from './sample.ts';
import { IDLE_RINGS, idleLabel, labelOf, SCENARIOS, SIZES } from './scenarios.ts';

export interface Program {
  readonly items: readonly Item<Sample>[];
  /** What the items need before the first round. @return by label, why it cannot be had. */
  prepare(labels: ReadonlySet<string>): Promise<Map<string, string>>;
  close(): Promise<void>;
}

function limitItems({ seconds }: MeasureOptions): Item<Sample>[] {
  return LIMITS.map(({ name }) => ({
    label: limitLabel(name),
    run: async () => ({ value: await sampleLimit(name, seconds) }),
  }));
}

function pathItems(options: MeasureOptions): Item<Sample>[] {
  return SCENARIOS.map((scenario) => ({
    label: labelOf(scenario),
    run: async () => {
      const { sent, received, cpus } = await measure(planOf(scenario), options);
      return { value: received, sent, ...(cpus && { cpus }) };
    },
  }));
}

function peerItems(peer: Peer, options: MeasureOptions): Item<Sample>[] {
  return peer.sizes(SIZES).map((size) => ({
    label: peerLabel(peer.name, size),
    run: async () => ({ value: await peer.measure(size, options) }),
  }));
}

function idleItems(options: MeasureOptions): Item<Sample>[] {
  return IDLE_RINGS.map((rings) => ({
    label: idleLabel(rings),
    run: async () => ({ value: await measureIdle(rings, options) }),
  }));
}

export function programOf(options: MeasureOptions, peers: readonly Peer[] = PEERS): Program {
  const byPeer = peers.map((peer) => ({ peer, items: peerItems(peer, options) }));
  return {
    items: [
      ...limitItems(options),
      ...pathItems(options),
      ...byPeer.flatMap(({ items }) => items),
      ...idleItems(options),
    ],
    prepare: async (labels) => {
      const absent = new Map<string, string>();
      for (const { peer, items } of byPeer) {
        const wanted = items.filter(({ label }) => labels.has(label));
        const why = wanted.length === 0 ? undefined : await peer.available();
        if (why !== undefined) for (const { label } of wanted) absent.set(label, why);
      }
      return absent;
    },
    close: async () => {
      for (const { peer } of byPeer) await peer.close?.();
    },
  };
}
