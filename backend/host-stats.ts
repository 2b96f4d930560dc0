// The figures of a running host: every ring of every port, and its workers.
import type { WorkerStats } from '../native/engine.ts';
import { type HostInterface, InterfacePort } from '../native/interfaces.ts';
import type { KickCounters, ListenerCounters } from '../native/kick.ts';
import { NullPort, type Port } from '../native/ports.ts';
import type { DropCause } from '../native/stats.ts';
import type { ApplicationServerStats } from './applications/server.ts';
import type { DeviceTable } from './devices.ts';
import type { PlacedMember, PortTable } from './ports/table.ts';

export interface RingStats {
  readonly dir: 'tx' | 'rx';
  readonly ring: number;
  readonly packets: number;
  readonly bytes: number;
  readonly drops: Readonly<Record<DropCause, number>>;
  readonly kicks: number;
  readonly interrupts: number;
  readonly syncs: number;
  /** Times that head or cur was outside what the guest owns. */
  readonly badIndex: number;
  /** Interrupts raised once more, because the guest seems to have overlooked one. */
  readonly reraised: number;
  /** 1 where raising one took so long that the device's are raised on a thread of their own from then on. */
  readonly irqSlow: number;
  /** Of a port's first ring: times that its memory kept others waiting, and was not touched for a while. */
  readonly memSlow: number;
}

/** An interface of the host as it is now. */
export interface InterfaceStats {
  readonly name: string;
  readonly mtu: number;
  /** Whether it was made here, and goes with the host. */
  readonly made: boolean;
  /** Whether the kernel's senders wait while its queue is full, instead of losing packets. */
  readonly backpressure: boolean;
  /** What its frames go through: `tap`, `af_packet`, `af_xdp copy`, `af_xdp zero-copy`. */
  readonly access: string;
  /** It was deleted, and is not there again yet. */
  readonly gone: boolean;
  readonly up: boolean;
  readonly carrier: boolean;
  /** Interfaces that are no taps: frames that nobody took in time, frames that did not fit, and of ours those that the kernel did not take. */
  readonly lost?: { readonly full: number; readonly tooLarge: number; readonly refused: number };
}

export interface PortStats {
  readonly name: string;
  readonly vm?: string;
  readonly device?: string;
  readonly rings: readonly RingStats[];
  /** Ports whose other side is an interface of the host. */
  readonly interface?: InterfaceStats;
  /** Null ports: what the sink found in probe packets, when it verifies. */
  readonly sink?: { readonly lost: number; readonly late: number; readonly corrupt: number };
}

/** Who stands on a switch without a VM; `tx` is what it sends into the switch, a queue each. */
export interface MemberStats {
  readonly name: string;
  readonly switch: string;
  readonly interface: InterfaceStats;
  readonly rings: readonly Pick<RingStats, 'dir' | 'ring' | 'packets' | 'bytes' | 'drops' | 'syncs'>[];
}

/** What came over a device's socket. */
export interface DeviceStats extends ListenerCounters {
  /** `vm1/net0`. */
  readonly name: string;
  /** What its guest and its clients did wrong, by cause. */
  readonly complaints: Readonly<Record<string, number>>;
}

export interface HostStats {
  /** ISO 8601. */
  readonly time: string;
  /** Undefined: none may connect. */
  readonly applications?: ApplicationServerStats;
  readonly ports: readonly PortStats[];
  readonly members: readonly MemberStats[];
  readonly devices: readonly DeviceStats[];
  readonly sockets: KickCounters;
  readonly workers: readonly WorkerStats[];
}

/** What the figures are of. */
export interface CountedParts {
  readonly ports: PortTable;
  readonly devices: DeviceTable;
  readonly applications: ApplicationServerStats | undefined;
}

/** @param names of the ports that are wanted. */
export function hostStats(
  { ports, devices, applications }: CountedParts,
  names: Iterable<string>,
  sockets: KickCounters,
  workers: readonly WorkerStats[],
): HostStats {
  const users = new Map([...devices.all].map((device) => [device.port, device]));
  return {
    time: new Date().toISOString(),
    ...(applications && { applications }),
    ports: [...names].flatMap((name) => {
      const port = ports.ports.get(name);
      const user = users.get(name);
      return port ? [portStats(name, port, user && { vm: user.vm, device: user.name })] : [];
    }),
    members: ports.members.map((member) => memberStats(member)),
    devices: [...devices.all].map(({ exported }) => ({
      name: exported.device.name,
      complaints: exported.counters,
      ...exported.sockets,
    })),
    sockets,
    workers,
  };
}

export function portStats(
  name: string,
  port: Port,
  user: { vm: string; device: string } | undefined,
): PortStats {
  const { txRings } = port.info;
  const all = Array.from({ length: port.rings }, (_, i) => port.counters(i));
  const rings = all.map(
    (
      { packets, bytes, drops, kicks, interrupts, syncs, badIndex, reraised, irqSlow, memSlow },
      i,
    ): RingStats => {
      const place = i < txRings ? { dir: 'tx' as const, ring: i } : { dir: 'rx' as const, ring: i - txRings };
      return {
        ...place,
        packets,
        bytes,
        drops,
        kicks,
        interrupts,
        syncs,
        badIndex,
        reraised,
        irqSlow,
        memSlow,
      };
    },
  );
  const sum = (key: 'lost' | 'late' | 'corrupt') => all.slice(0, txRings).reduce((n, c) => n + c[key], 0);
  const sink = { lost: sum('lost'), late: sum('late'), corrupt: sum('corrupt') };
  return {
    name,
    ...user,
    rings,
    ...(port instanceof InterfacePort ? { interface: interfaceStats(port.interface) } : {}),
    ...(port instanceof NullPort ? { sink } : {}),
  };
}

function memberStats({ name, switch: vale, member }: PlacedMember): MemberStats {
  const rings = (['tx', 'rx'] as const).flatMap((dir) =>
    Array.from({ length: member.queues }, (_, ring) => {
      const { packets, bytes, drops, syncs } = member.counters(dir, ring);
      return { dir, ring, packets, bytes, drops, syncs };
    }),
  );
  return { name, switch: vale, interface: interfaceStats(member.interface), rings };
}

function interfaceStats(opened: HostInterface): InterfaceStats {
  const { interface: name, mtu, made, backpressure, access, gone, up, carrier, ...rest } = opened.info;
  const { lostFull: full, lostTooLarge: tooLarge, refused } = rest;
  const lost = access === 'tap' ? {} : { lost: { full, tooLarge, refused } };
  return { name, mtu, made, backpressure, access, gone, up, carrier, ...lost };
}
