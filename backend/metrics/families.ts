// The metrics for Prometheus, as a table: a name, what it counts, its labels, and where its values come from.
import type { HostState } from '../host-state.ts';
import type { HostStats, RingStats } from '../host-stats.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
  samples(host: Snapshot): Iterable<Sample>;
}

export interface Snapshot {
  readonly stats: HostStats;
  readonly state: HostState;
  readonly version: string;
  readonly startedMs: number;
  /** CPU time of each worker in which packets moved. */
  readonly busySeconds: readonly number[];
}

type AnyRing = Pick<RingStats, 'dir' | 'ring' | 'packets' | 'bytes' | 'drops' | 'syncs'> & Partial<RingStats>;

interface PlacedRing {
  readonly labels: { vm: string; port: string; ring: string };
  readonly ring: AnyRing;
}

/** Of ports and of members, which have no VM. */
function* ringsOf({ ports, members }: HostStats, dir?: 'tx' | 'rx'): Iterable<PlacedRing> {
  for (const { name, vm = '', rings } of ports)
    for (const ring of rings)
      if (dir === undefined || ring.dir === dir)
        yield { labels: { vm, port: name, ring: String(ring.ring) }, ring };
  for (const { name, rings } of members)
    for (const ring of rings)
      if (dir === undefined || ring.dir === dir)
        yield { labels: { vm: '', port: name, ring: String(ring.ring) }, ring };
}

const RING = ['vm', 'port', 'ring'] as const;
const DIRECTED = [...RING, 'direction'] as const;
const direction = (dir: 'tx' | 'rx'): string => (dir === 'tx' ? 'transmit' : 'receive');

/** A counter of the rings of one direction, as the guest sees it. */
const ofDirection = (name: string, dir: 'tx' | 'rx', help: string, key: 'packets' | 'bytes'): Family => ({
  name,
  type: 'counter',
  help,
  labels: RING,
  *samples({ stats }) {
    for (const { labels, ring } of ringsOf(stats, dir)) yield { labels, value: ring[key] };
  },
});

/** A counter of all rings that have it. */
const ofRings = (
  name: string,
  help: string,
  key: 'kicks' | 'interrupts' | 'syncs' | 'badIndex' | 'reraised',
): Family => ({
  name,
  type: 'counter',
  help,
  labels: DIRECTED,
  *samples({ stats }) {
    for (const { labels, ring } of ringsOf(stats)) {
      const value = ring[key];
      if (value !== undefined) yield { labels: { ...labels, direction: direction(ring.dir) }, value };
    }
  },
});

type WorkerKey =
  | 'rounds'
  | 'busyRounds'
  | 'parks'
  | 'wakeups'
  | 'idleWakeups'
  | 'sleeps'
  | 'servedInKick'
  | 'cpuSeconds';

const ofWorkers = (name: string, help: string, key: WorkerKey): Family => ({
  name,
  type: 'counter',
  help,
  labels: ['worker'],
  *samples({ stats }) {
    for (const [worker, counters] of stats.workers.entries())
      yield { labels: { worker: String(worker) }, value: counters[key] };
  },
});

const DEVICE = ['vm', 'device'] as const;

const ofDevices = (name: string, help: string, value: (device: DeviceOf) => number | undefined): Family => ({
  name,
  type: 'gauge',
  help,
  labels: DEVICE,
  *samples({ state }) {
    for (const vm of state.vms)
      for (const device of vm.devices) {
        const sample = value(device);
        if (sample !== undefined) yield { labels: { vm: vm.name, device: device.name }, value: sample };
      }
  },
});
type DeviceOf = HostState['vms'][number]['devices'][number];

export const FAMILIES: readonly Family[] = [
  {
    name: 'ptnet_info',
    type: 'gauge',
    help: 'Always 1: the version of this host.',
    labels: ['version'],
    *samples({ version }) {
      yield { labels: { version }, value: 1 };
    },
  },
  {
    name: 'ptnet_start_time_seconds',
    type: 'gauge',
    help: 'When the host was started, in seconds since 1970.',
    labels: [],
    *samples({ startedMs }) {
      yield { labels: {}, value: startedMs / 1000 };
    },
  },
  ofDirection(
    'ptnet_port_transmit_packets_total',
    'tx',
    'Packets that the port has taken from its client.',
    'packets',
  ),
  ofDirection(
    'ptnet_port_transmit_bytes_total',
    'tx',
    'Bytes that the port has taken from its client.',
    'bytes',
  ),
  ofDirection(
    'ptnet_port_receive_packets_total',
    'rx',
    'Packets that the port has given to its client.',
    'packets',
  ),
  ofDirection(
    'ptnet_port_receive_bytes_total',
    'rx',
    'Bytes that the port has given to its client.',
    'bytes',
  ),
  {
    name: 'ptnet_port_drops_total',
    type: 'counter',
    help: 'Packets that were dropped, by reason; those that are 0 are left out, but for full.',
    labels: [...DIRECTED, 'reason'],
    *samples({ stats }) {
      for (const { labels, ring } of ringsOf(stats))
        for (const [reason, value] of Object.entries(ring.drops))
          if (value > 0 || reason === 'full')
            yield { labels: { ...labels, direction: direction(ring.dir), reason }, value };
    },
  },
  ofRings('ptnet_port_kicks_total', 'Doorbells that the client has rung.', 'kicks'),
  ofRings('ptnet_port_interrupts_total', 'Interrupts that were raised.', 'interrupts'),
  ofRings('ptnet_port_syncs_total', 'Batches that were moved.', 'syncs'),
  ofRings(
    'ptnet_port_bad_index_total',
    'Times that head or cur was outside what the client owns.',
    'badIndex',
  ),
  ofRings(
    'ptnet_port_reraised_interrupts_total',
    'Interrupts that were raised again, as overlooked.',
    'reraised',
  ),
  ofDevices('ptnet_device_connected', '1 while a hypervisor is connected.', ({ connected }) =>
    Number(connected),
  ),
  ofDevices('ptnet_device_started', "1 while the guest's driver is served.", ({ started }) =>
    started === undefined ? undefined : Number(started),
  ),
  {
    name: 'ptnet_device_complaints_total',
    type: 'counter',
    help: "What the device's guest and clients did wrong, by cause.",
    labels: [...DEVICE, 'cause'],
    *samples({ state }) {
      for (const vm of state.vms)
        for (const { name, complaints } of vm.devices)
          for (const [cause, value] of Object.entries(complaints))
            yield { labels: { vm: vm.name, device: name, cause }, value };
    },
  },
  {
    name: 'ptnet_interface_up',
    type: 'gauge',
    help: '1 while an interface of the host is up and has a carrier.',
    labels: ['port', 'interface'],
    *samples({ stats }) {
      for (const { name, interface: link } of [...stats.ports, ...stats.members])
        if (link)
          yield {
            labels: { port: name, interface: link.name },
            value: Number(link.up && link.carrier && !link.gone),
          };
    },
  },
  {
    name: 'ptnet_region_free_buffers',
    type: 'gauge',
    help: 'Buffers of a region that no ring has.',
    labels: ['region'],
    *samples({ state }) {
      for (const { name, pools } of state.regions) yield { labels: { region: name }, value: pools.buf.free };
    },
  },
  {
    name: 'ptnet_worker_busy_seconds_total',
    type: 'counter',
    help: 'CPU time of the worker in which packets moved: its share of rounds that did.',
    labels: ['worker'],
    *samples({ busySeconds }) {
      for (const [worker, value] of busySeconds.entries())
        yield { labels: { worker: String(worker) }, value };
    },
  },
  ofWorkers('ptnet_worker_cpu_seconds_total', 'CPU time of the worker.', 'cpuSeconds'),
  ofWorkers('ptnet_worker_rounds_total', 'Passes of the worker over its busy rings.', 'rounds'),
  ofWorkers('ptnet_worker_busy_rounds_total', 'Of these, passes that moved something.', 'busyRounds'),
  ofWorkers('ptnet_worker_parks_total', 'Rings that went idle.', 'parks'),
  ofWorkers('ptnet_worker_wakeups_total', 'Rings that a kick brought back.', 'wakeups'),
  ofWorkers('ptnet_worker_idle_wakeups_total', 'Of these, rings that had nothing to do.', 'idleWakeups'),
  ofWorkers('ptnet_worker_sleeps_total', 'Times that the worker slept.', 'sleeps'),
  ofWorkers('ptnet_worker_served_in_kick_total', 'Kicks served while the worker slept on.', 'servedInKick'),
];
