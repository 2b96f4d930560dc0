// `ptnet ls`: what a running host has, a line for each thing.
import type { ControlClient, PortState, VmState } from '../../control/index.ts';
import type { Io } from '../io.ts';
import { short, table } from './table.ts';

type Rows = readonly (readonly (string | number)[])[];

interface Kind {
  read(client: ControlClient): Promise<readonly unknown[]>;
  head: readonly string[];
  rows(all: readonly never[]): Rows;
}

function kind<T>(row: {
  read(client: ControlClient): Promise<readonly T[]>;
  head: readonly string[];
  rows(all: readonly T[]): Rows;
}): Kind {
  return row as Kind;
}

export const stateOf = ({
  connected,
  started,
}: {
  connected: boolean;
  started?: boolean | undefined;
}): string => {
  if (!connected) return 'no VM';
  return started === undefined || started ? 'running' : 'no driver';
};

const vms = kind<VmState>({
  read: (client) => client.vms(),
  head: ['VM', 'DEVICE', 'STATE', 'PORT', 'MAC', 'POLICY', 'REGION'],
  rows: (all) =>
    all.flatMap((vm) =>
      vm.devices
        .filter((device) => device.kind === 'ptnet')
        .map((device) => [
          vm.name,
          device.name,
          stateOf(device),
          device.port ?? '',
          device.mac ?? '',
          device.policy ?? '',
          vm.region,
        ]),
    ),
});

const sum = ({ rings }: Pick<PortState, 'rings'>, dir: 'tx' | 'rx', key: 'packets' | 'drops'): string => {
  const mine = rings.filter((ring) => ring.dir === dir);
  const of = (ring: (typeof mine)[number]) =>
    key === 'packets' ? ring.packets : Object.values(ring.drops).reduce((a, b) => a + b, 0);
  return short(mine.reduce((total, ring) => total + of(ring), 0));
};

const ports = kind<PortState>({
  read: (client) => client.ports(),
  head: ['PORT', 'VM', 'DEVICE', 'RINGS', 'SLOTS', 'TX', 'TX DROPS', 'RX', 'RX DROPS'],
  rows: (all) =>
    all.map((port) => [
      port.name,
      port.vm ?? '',
      port.device ?? '',
      `${port.txRings}/${port.rxRings}`,
      `${port.txSlots}/${port.rxSlots}`,
      sum(port, 'tx', 'packets'),
      sum(port, 'tx', 'drops'),
      sum(port, 'rx', 'packets'),
      sum(port, 'rx', 'drops'),
    ]),
});

export const KINDS = {
  vms,
  ports,
  switches: kind({
    read: (client) => client.switches(),
    head: ['SWITCH', 'LOOKUP', 'PORTS', 'MEMBERS', 'MAC AGE'],
    rows: (all) =>
      all.map((vale) => [
        vale.name,
        vale.lookup,
        vale.ports.length,
        vale.members.join(' '),
        vale.macAge === 0 ? 'off' : `${vale.macAge} s`,
      ]),
  }),
  members: kind({
    read: (client) => client.members(),
    head: ['MEMBER', 'SWITCH', 'INTERFACE', 'ACCESS', 'STATE'],
    rows: (all) =>
      all.map((member) => [
        member.name,
        member.switch,
        member.interface.name,
        member.interface.access,
        linkState(member.interface),
      ]),
  }),
  regions: kind({
    read: (client) => client.regions(),
    head: ['REGION', 'ID', 'VMS', 'SIZE', 'FREE BUFFERS'],
    rows: (all) =>
      all.map((region) => [
        region.name,
        region.id,
        region.vms.join(' '),
        `${Math.round(region.memsize / 2 ** 20)}M`,
        `${region.pools.buf.free}/${region.pools.buf.count}`,
      ]),
  }),
  workers: kind({
    read: (client) => client.workers(),
    head: ['WORKER', 'CPUS', 'CPU TIME', 'BUSY', 'SLEEPS', 'WAKEUPS'],
    rows: (all) =>
      all.map((worker) => [
        worker.worker,
        worker.cpus.length === 0 ? 'any' : worker.cpus.join(','),
        `${worker.cpuSeconds.toFixed(1)} s`,
        worker.rounds === 0 ? '0 %' : `${Math.round((100 * worker.busyRounds) / worker.rounds)} %`,
        short(worker.sleeps),
        short(worker.wakeups),
      ]),
  }),
} as const;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as KindName[];

export function linkState({ gone, up, carrier }: { gone: boolean; up: boolean; carrier: boolean }): string {
  if (gone) return 'deleted';
  if (!up) return 'down';
  return carrier ? 'up' : 'no carrier';
}

export async function ls(
  client: ControlClient,
  what: KindName,
  { json }: { json: boolean },
  io: Io,
): Promise<void> {
  const { read, head, rows } = KINDS[what];
  const all = await read(client);
  if (json) io.out(`${JSON.stringify(all)}\n`);
  else if (all.length === 0) io.err(`no ${what}\n`);
  else io.out(table(head, rows(all as readonly never[]), io));
}
