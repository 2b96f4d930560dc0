// A host that stands still, as it is told to the process that goes on with it: numbers, names, and the descriptors that are meant.
import { resolve } from 'node:path';
import type { KeptSession } from '../../native/kept.ts';
import { NullPort, PipeMaster, type Port } from '../../native/ports.ts';
import type { LookupConfig } from '../config/host-config.ts';
import { configText } from '../config/write.ts';
import type { PlacedDevice } from '../devices.ts';
import type { Host } from '../host.ts';
import type { Interrupt } from '../vfio-user/irqs.ts';
import type { Session } from '../vfio-user/session.ts';
import { describeCounters } from './counters.ts';
import { describeInterfaces } from './interfaces.ts';
import type { GivenState } from './state.ts';

export interface Description {
  readonly state: GivenState;
  /** They stay whose they are. */
  readonly fds: readonly number[];
}

/** Where descriptors go, each for its number there. */
export interface FdNumbers {
  add(fd: number): number;
}

class Fds implements FdNumbers {
  readonly all: number[] = [];

  add(fd: number): number {
    return this.all.push(fd) - 1;
  }
}

const optional = (fds: FdNumbers, fd: number): number | undefined => (fd < 0 ? undefined : fds.add(fd));

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function runs(values: Uint32Array): [number, number][] {
  const all: [number, number][] = [];
  for (let from = 0, to = 0; from < values.length; from = to) {
    while (to < values.length && values[to] === values[from]) to++;
    all.push([values[from]!, to - from]);
  }
  return all;
}

export interface DescribeOptions {
  /**
   * A draft is of a host that goes on meanwhile: without its sessions, and without its interfaces, whose frames somebody may have in
   * his hands. `as drafted`: its regions are those of the draft. `kept`: for a process that comes later than this one has changed.
   */
  readonly as: 'draft' | 'as drafted' | 'state' | 'kept';
  readonly file?: string | undefined;
  /** What it is kept with, if it is to tell. */
  readonly kept?: KeptWith | undefined;
}

/** What a host is kept with for the case that it dies. */
export interface KeptWith {
  readonly state: number;
  readonly files: readonly (readonly [number, string])[];
  readonly sections: ReadonlyMap<string, number>;
}

/** @param own the sockets of the host's own, by name. */
export function describe(
  host: Host,
  own: ReadonlyMap<string, number>,
  { as, file, kept }: DescribeOptions,
): Description {
  const fds = new Fds();
  const { devices, server } = host.insides;
  const state: GivenState = {
    ...describeHost(host, own, fds, { as, file }),
    devices: [...devices.all].map((device) => describeDevice(host, device, fds, as !== 'draft')),
    ...(kept && {
      kept: {
        blocks: fds.add(server.blocks!.fd),
        state: fds.add(kept.state),
        files: kept.files.map(([number, file]) => [number, file]),
        sections: [...kept.sections],
      },
    }),
  };
  return { state, fds: fds.all };
}

/** All of it but its devices. */
export function describeHost(
  host: Host,
  own: ReadonlyMap<string, number>,
  fds: FdNumbers,
  { as, file }: DescribeOptions,
): Omit<GivenState, 'devices' | 'kept'> {
  const { applications, ports, stats } = host.insides;
  return {
    config: configText(host.config),
    ...(file !== undefined && { file: resolve(file) }),
    stats: fds.add(stats.fd),
    runDir: mutable(host.runDir.state),
    regions: as === 'as drafted' ? as : describeRegions(host, fds),
    ports: [...ports.ports].flatMap(([name, port]) => describePort(name, port)),
    switches: [...ports.switches].map(([name, vale]) => {
      const { patienceUs, macAge, lookup } = ports.settingsOf(name);
      // What was learned is not what was learned last: a packet more is better than one to the wrong port.
      const stations = vale.stations
        .filter((station) => as !== 'kept' || station.static)
        .map(({ mac, ...rest }) => ({ ...rest, mac: base64(mac) }));
      return { name, patienceUs, macAge, ...(lookup && { lookup: describeLookup(lookup) }), stations };
    }),
    interfaces: as === 'draft' ? [] : describeInterfaces(host, (fd) => fds.add(fd), as === 'kept'),
    counters: describeCounters(host),
    ...(applications && { applications: fds.add(applications.listener) }),
    own: [...own].map(([name, fd]) => ({ name, fd: fds.add(fd) })),
  };
}

function describeRegions({ insides: { ports } }: Host, fds: FdNumbers) {
  return [...ports.regions].map(([key, region]) => {
    const { fd, ifs, rings, bufs, lastHolder, owned, extraHolders } = region.state;
    const shape = { ...ports.shapes.get(key)! };
    const objects = { ifs: runs(ifs), rings: runs(rings), bufs: runs(bufs) };
    const holders = { lastHolder, owned: runs(owned), extraHolders: runs(extraHolders) };
    return { key, shape, fd: fds.add(fd), ...objects, ...holders };
  });
}

const mutable = ({ made, sockets, through }: Host['runDir']['state']) => ({
  made: [...made],
  sockets: [...sockets],
  through,
});

type GivenPort = GivenState['ports'][number];

function describePort(name: string, port: Port): GivenPort[] {
  const places = (of: Port): GivenPort['places'] => {
    const { holder, nifpOfs, rings } = of.places;
    const given = rings.map(({ vnetHdrLen, offsetMask, ...rest }) => ({
      ...rest,
      vnetHdrLen: vnetHdrLen as 0,
      offsetMask: String(offsetMask),
    }));
    return { holder, nifpOfs, rings: given };
  };
  // With the first end of its pipe.
  if (port.servedAs !== port) return [];
  return [
    {
      name,
      places: places(port),
      ...(port instanceof PipeMaster && { otherPlaces: places(port.slave) }),
      ...(port instanceof NullPort && { sent: port.sent.map(String) }),
    },
  ];
}

function describeLookup(lookup: LookupConfig): NonNullable<GivenState['switches'][number]['lookup']> {
  switch (lookup.kind) {
    case 'static':
      return { ...lookup, stations: [...lookup.stations] };
    case 'isolated':
      return {
        ...lookup,
        promiscuous: [...lookup.promiscuous],
        communities: [...lookup.communities].map(([name, members]) => [name, [...members]]),
      };
    case 'plugin':
      throw new Error('a plug-in is not handed over');
    default:
      return { kind: lookup.kind };
  }
}

/** @param withSession whether its client is told of. */
export function describeDevice(
  host: Host,
  { vm, name, exported, hosted }: PlacedDevice,
  fds: FdNumbers,
  withSession: boolean,
): GivenState['devices'][number] {
  const { listener, session } = host.insides.server.sockets(exported);
  return {
    vm,
    name,
    path: exported.path,
    listener: fds.add(listener),
    config: base64(exported.device.config.bytes),
    ...(withSession &&
      exported.session &&
      session && {
        session: describeSession(exported.session, session, fds, host.insides.server.keptSession(exported)),
      }),
    ...(hosted && { ptnet: describePtnet(hosted.state) }),
  };
}

type Socket = NonNullable<ReturnType<Host['insides']['server']['sockets']>['session']>;

function describeSession(
  { state, limits, dma, irqs }: Session,
  socket: Socket,
  fds: FdNumbers,
  kept: KeptSession | undefined,
) {
  const interrupt = ({ fd, maskFd, unmaskFd, masked, pending }: Interrupt) => ({
    fd: optional(fds, fd),
    maskFd: optional(fds, maskFd),
    unmaskFd: optional(fds, unmaskFd),
    masked,
    pending,
  });
  return {
    fd: fds.add(socket.fd),
    bytes: base64(socket.bytes),
    fds: socket.fds.map((fd) => fds.add(fd)),
    unsent: socket.unsent.map((answer) => ({
      bytes: base64(answer.bytes),
      fds: answer.fds.map((fd) => fds.add(fd)),
    })),
    ...(kept && {
      kept: {
        block: kept.block,
        pipe: [fds.add(kept.pipe[0]), fds.add(kept.pipe[1])] satisfies [number, number],
      },
    }),
    attached: state === 'attached',
    maxMsgFds: limits.maxMsgFds,
    maxDmaMaps: dma.max,
    dma: dma.maps.map(({ address, size, offset, flags, fd }) => ({
      address: String(address),
      size: String(size),
      offset: String(offset),
      flags,
      fd: optional(fds, fd),
    })),
    msix: irqs.msix.map(interrupt),
    err: interrupt(irqs.err),
    req: interrupt(irqs.req),
  };
}

type HostedState = NonNullable<PlacedDevice['hosted']>['state'];

function describePtnet({ device, features, vnetHdrLen, policy, worker, csb }: HostedState) {
  const { guestToHost, hostToGuest, ...registers } = device.registers;
  const address = (of: typeof guestToHost) => ({ ...of, address: String(of.address) });
  return {
    registers: { ...registers, guestToHost: address(guestToHost), hostToGuest: address(hostToGuest) },
    msix: base64(device.msix),
    features,
    vnetHdrLen,
    policy: policy.policy as 'poll',
    spinUs: policy.spinUs,
    worker,
    csb: csb && { guestToHost: String(csb.guestToHost), hostToGuest: String(csb.hostToGuest) },
  };
}
