// Everything that can be measured here, and what cannot and why.
import { vmPrerequisites } from '../../vm-images/fetch.ts';
import { measureIdle, measureTrickle } from './cost.ts';
import { cyclesPerPacket, whyNoCycles } from './cycles.ts';
import { busyPairPlan, monitoredPairPlan } from './idle-plans.ts';
import { instructionsPerPacket, whyNoInstructions } from './instructions.ts';
import { LATENCIES, type Latency, latencyLabel } from './latencies.ts';
import { LatencyMeter } from './latency.ts';
import { LIMITS, type LimitName, limitLabel, sampleLimit, whyNoCoreToCore } from './limits.ts';
import { type MeasureOptions, measure, type Rates } from './measure.ts';
import { measureMemoryPerPort } from './memory.ts';
import { NetFleet } from './net-fleet.ts';
import { NETS, type NetKey, netLabel } from './net-paths.ts';
import { PEERS } from './peers/list.ts';
import { type Peer, peerLabel } from './peers/peer.ts';
import { measurePingPong } from './ping-pong.ts';
import { planOf } from './plans.ts';
import type { Item } from './rounds.ts';
import type { Sample } from './sample.ts';
import {
  CYCLE_PATHS,
  cyclesLabel,
  IDLE_RINGS,
  INSTRUCTION_BURSTS,
  INSTRUCTION_PATHS,
  idleLabel,
  instructionsLabel,
  labelOf,
  MEMORY_LABEL,
  MONITORS,
  monitorLabel,
  PING_PONGS,
  type PingPong,
  pingPongLabel,
  portsLabel,
  SCENARIOS,
  SIZES,
  SWITCH_PORTS,
  SYSTEM_CALLS,
  systemCallsLabel,
  TAKEOVER_LABEL,
  TRICKLE_POLICIES,
  trickleLabel,
} from './scenarios.ts';
import { countSystemCalls } from './system-calls.ts';
import { measureTakeover } from './takeover.ts';
import { VmFleet } from './vm-fleet.ts';

export interface Program {
  readonly items: readonly Item<Sample>[];
  /** What the items need before the first round. @return by label, why it cannot be had. */
  prepare(labels: ReadonlySet<string>): Promise<Map<string, string>>;
  close(): Promise<void>;
}

function limitItems(names: readonly LimitName[], { seconds }: MeasureOptions): Item<Sample>[] {
  return names.map((name) => ({
    label: limitLabel(name),
    run: async () => ({ value: await sampleLimit(name, seconds) }),
  }));
}

function pathItems(options: MeasureOptions): Item<Sample>[] {
  return SCENARIOS.filter(({ vm }) => !vm).map((scenario) => ({
    label: labelOf(scenario),
    run: async () => sampleOf(await measure(planOf(scenario), options)),
  }));
}

function vmItems(fleet: VmFleet, options: MeasureOptions): Item<Sample>[] {
  return SCENARIOS.filter(({ vm }) => vm).map((scenario) => ({
    label: labelOf(scenario),
    run: async () => sampleOf(await fleet.measure(scenario, options)),
  }));
}

const sampleOf = ({ sent, received, kicks, cpus }: Rates): Sample => ({
  value: received,
  sent,
  kicks,
  ...(cpus && { cpus }),
});

async function whyNoVms(fleet: { start(): Promise<void> }): Promise<string | undefined> {
  const found = await vmPrerequisites();
  if (!found.ok) return `no VM can be had: ${found.why}`;
  try {
    await fleet.start();
    return undefined;
  } catch (error) {
    return `the VMs do not start: ${(error as Error).message}`;
  }
}

function netItems(fleet: NetFleet, nets: readonly NetKey[], { seconds }: MeasureOptions): Item<Sample>[] {
  return nets.map((net) => ({ label: netLabel(net), run: () => fleet.measure(net, seconds) }));
}

const overVhostUser = ({ driver }: NetKey): boolean => driver === 'virtio-net-vhost-user';

function peerItems(peer: Peer, options: MeasureOptions): Item<Sample>[] {
  return peer.sizes(SIZES).map((size) => ({
    label: peerLabel(peer.name, size),
    run: async () => ({ value: await peer.measure(size, options) }),
  }));
}

function costItems(options: MeasureOptions): Item<Sample>[] {
  return [
    ...IDLE_RINGS.map((rings) => ({
      label: idleLabel(rings),
      run: async () => ({ value: await measureIdle(rings, options) }),
    })),
    ...TRICKLE_POLICIES.map((policy) => ({
      label: trickleLabel(policy),
      run: async () => ({ value: await measureTrickle(policy, options) }),
    })),
    ...SWITCH_PORTS.map((ports) => ({
      label: portsLabel(ports),
      run: async () => ({ value: (await measure(busyPairPlan(ports), options)).received }),
    })),
    ...MONITORS.map((monitor) => ({
      label: monitorLabel(monitor),
      run: async () => ({ value: (await measure(monitoredPairPlan(monitor), options)).received }),
    })),
    ...SYSTEM_CALLS.map((busy) => ({
      label: systemCallsLabel(busy),
      run: async () => {
        const { calls, yields } = await countSystemCalls(busy, options);
        return { value: calls, yields };
      },
    })),
    { label: MEMORY_LABEL, run: async () => ({ value: await measureMemoryPerPort() }) },
    { label: TAKEOVER_LABEL, run: async () => ({ value: await measureTakeover() }) },
  ];
}

function pingPongItems(pingPongs: readonly PingPong[]): Item<Sample>[] {
  return pingPongs.map((pingPong) => ({
    label: pingPongLabel(pingPong),
    run: async () => ({ value: await measurePingPong(pingPong) }),
  }));
}

function latencyItems(meter: LatencyMeter, latencies: readonly Latency[]): Item<Sample>[] {
  return latencies.map((latency) => ({
    label: latencyLabel(latency),
    run: (round) => meter.measure(latency, round),
  }));
}

function cycleItems(options: MeasureOptions): Item<Sample>[] {
  return CYCLE_PATHS.map((path) => ({
    label: cyclesLabel(path),
    run: async () => ({ value: await cyclesPerPacket(path, options) }),
  }));
}

function instructionItems(): Item<Sample>[] {
  return INSTRUCTION_PATHS.flatMap((path) =>
    INSTRUCTION_BURSTS.map((burst) => ({
      label: instructionsLabel(path, burst),
      run: async () => ({ value: await instructionsPerPacket(path, burst) }),
    })),
  );
}

export function programOf(options: MeasureOptions, peers: readonly Peer[] = PEERS): Program {
  const fleet = new VmFleet();
  const nets = new NetFleet();
  const meter = new LatencyMeter(options, (...ping) => fleet.ping(...ping));
  const byPeer = peers.map((peer) => ({ peer, items: peerItems(peer, options) }));
  // Each with what only tells at run time whether it can be had.
  const optional = [
    { items: limitItems(['core-to-core'], options), whyNot: async () => whyNoCoreToCore() },
    { items: pingPongItems(PING_PONGS), whyNot: async () => whyNoCoreToCore() },
    {
      items: [
        ...vmItems(fleet, options),
        ...latencyItems(
          meter,
          LATENCIES.filter(({ vm }) => vm),
        ),
      ],
      whyNot: () => whyNoVms(fleet),
    },
    {
      items: netItems(
        nets,
        NETS.filter((net) => !overVhostUser(net)),
        options,
      ),
      whyNot: () => whyNoVms(nets),
    },
    {
      items: netItems(nets, NETS.filter(overVhostUser), options),
      whyNot: async () => (await nets.whyNoVhostUser()) ?? (await whyNoVms(nets)),
    },
    ...byPeer.map(({ peer, items }) => ({ items, whyNot: () => peer.available() })),
    { items: instructionItems(), whyNot: whyNoInstructions },
    { items: cycleItems(options), whyNot: whyNoCycles },
  ];
  return {
    items: [
      ...limitItems(
        LIMITS.map(({ name }) => name).filter((name) => name !== 'core-to-core'),
        options,
      ),
      ...pathItems(options),
      ...latencyItems(
        meter,
        LATENCIES.filter(({ vm }) => !vm),
      ),
      ...costItems(options),
      ...optional.flatMap(({ items }) => items),
    ],
    prepare: async (labels) => {
      const absent = new Map<string, string>();
      for (const { items, whyNot } of optional) {
        const wanted = items.filter(({ label }) => labels.has(label));
        const why = wanted.length === 0 ? undefined : await whyNot();
        if (why !== undefined) for (const { label } of wanted) absent.set(label, why);
      }
      return absent;
    },
    close: async () => {
      for (const { peer } of byPeer) await peer.close?.();
      await fleet.close();
      await nets.close();
    },
  };
}
