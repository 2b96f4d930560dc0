// Interfaces of the host, taps and those that are there, behind ports and as members of switches.
import {
  type AttachOptions,
  addon,
  type Handle,
  type InterfaceInfo,
  type NetmapOptions,
  type OverlayLink,
  type TapOptions,
} from './addon.ts';
import type { Engine } from './engine.ts';
import { handover, type InterfaceState } from './handover.ts';
import type { Region } from './memory.ts';
import { Port, type PortLimits, type PortShape, type ValeSwitch } from './ports.ts';
import type { RingCounters, StatsArea } from './stats.ts';

export type { InterfaceInfo, NetmapOptions, OverlayLink, TapOptions } from './addon.ts';

/** All interfaces of a network namespace, by a name that `ip netns` shows, or a path; empty: of this process's. */
export const overlayLinks = (netns: string): OverlayLink[] => addon.overlayLinks(netns);

/** An interface of the host, whoever uses it. */
export class HostInterface {
  readonly #handle: Handle<'interface'>;
  #closed = false;

  constructor(handle: Handle<'interface'>) {
    this.#handle = handle;
  }
  /** Nothing else may be asked of it then. */
  get closed(): boolean {
    return this.#closed;
  }
  get info(): InterfaceInfo {
    return addon.interfaceInfo(this.#handle);
  }
  /** What has become of the interface since: a line for each change. `info.newsFd` is readable when there is any. */
  takeNews(): string[] {
    return addon.interfaceTakeNews(this.#handle);
  }
  /** Opens an interface that is gone anew. @throws Error while it cannot be had; `info.newsFd` is another one then. */
  reopen(engine: Engine): void {
    addon.interfaceReopen(engine.handle, this.#handle);
  }
  /** Without one nothing is sent, and nothing comes. */
  setCarrier(on: boolean): void {
    addon.interfaceSetCarrier(this.#handle, on);
  }
  /** For another process, while nobody serves it; undefined: it is not handed over. */
  get state(): InterfaceState | undefined {
    return handover.interfaceState(this.#handle);
  }
  /** One that another process has had is this one's from now on: until then nothing of it is changed. */
  goOn(): void {
    handover.interfaceGoOn(this.#handle);
  }
  /** Gives the interface back, for ever: one that was made here is gone. Its descriptors go with whoever has packets for it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    addon.interfaceClose(this.#handle);
    addon.drop(this.#handle);
  }
}

/** A port whose rings lead to an interface; ring pair i has queue i. */
export class InterfacePort extends Port {
  readonly interface: HostInterface;

  constructor(
    made: { port: Handle<'port'>; interface: Handle<'interface'> },
    region: Region,
    stats: StatsArea,
  ) {
    super(made.port, region, stats);
    this.interface = new HostInterface(made.interface);
  }
}

/** An interface that stands on a switch without a VM behind it. */
export class InterfaceMember {
  readonly handle: Handle<'member'>;
  readonly interface: HostInterface;
  readonly queues: number;
  readonly #stats: StatsArea;
  readonly #blocks: readonly number[];

  constructor(
    made: { member: Handle<'member'>; interface: Handle<'interface'> },
    queues: number,
    stats: StatsArea,
  ) {
    this.handle = made.member;
    this.interface = new HostInterface(made.interface);
    this.queues = queues;
    this.#stats = stats;
    this.#blocks = addon.memberCounters(made.member);
  }
  /** A worker serves it from now on. @throws Error with `code` EINVAL for policy inline. */
  start(options: AttachOptions): void {
    addon.memberStart(this.handle, options);
  }
  /** While it is served. @throws as start() does. */
  setPolicy(options: AttachOptions): void {
    addon.memberSetPolicy(this.handle, options);
  }
  /** Nobody serves it for a while; what it was sending gets there before. */
  suspend(): void {
    handover.memberSuspend(this.handle);
  }
  resume(): void {
    handover.memberResume(this.handle);
  }
  /** For another process, in the order of `counters` there. */
  get blocks(): readonly number[] {
    return this.#blocks;
  }
  /** From now on, instead of the limits that it has. */
  limit(limits: PortLimits): void {
    addon.memberLimit(this.handle, limits);
  }
  /** As a port's. */
  get limitsMissing(): number[] {
    return handover.memberLimitsMissing(this.handle);
  }
  limitOn(missing: readonly number[]): void {
    handover.memberLimitsGoOn(this.handle, missing);
  }
  /** Leaves the switch, for ever, and gives its interface back. */
  close(): void {
    addon.memberStop(this.handle);
    this.interface.close();
    addon.drop(this.handle);
  }
  /** Of a queue: what it sends into the switch (tx), or what it gets from there (rx). */
  counters(dir: 'tx' | 'rx', queue: number): RingCounters {
    return this.#stats.read(this.#blocks[dir === 'tx' ? queue : this.queues + queue]!);
  }
}

/** A port whose rings lead to a tap. @throws Error with `code`: EINVAL, EBUSY, EPERM, ENOENT, ENODEV. */
export function createTapPort(
  region: Region,
  stats: StatsArea,
  shape: PortShape,
  options: TapOptions,
): InterfacePort {
  return new InterfacePort(addon.tapPortCreate(region.handle, stats.handle, shape, options), region, stats);
}

/** A tap that stands on a switch without a VM behind it. @throws as createTapPort does, or with ENOSPC when the switch is full. */
export function joinTap(
  engine: Engine,
  stats: StatsArea,
  vale: ValeSwitch,
  options: TapOptions,
): InterfaceMember {
  const made = addon.tapMemberCreate(engine.handle, stats.handle, vale.handle, options);
  return new InterfaceMember(made, options.queues, stats);
}

/**
 * A port whose rings lead to an interface that is there.
 * @throws Error with `code`: ENODEV (there is none of that name), EINVAL (it cannot be one), EPERM, ENOENT (a namespace, libxdp), EBUSY, EMSGSIZE, EOPNOTSUPP (AF_XDP).
 */
export function createNetmapPort(
  region: Region,
  stats: StatsArea,
  shape: PortShape,
  options: NetmapOptions,
): InterfacePort {
  return new InterfacePort(
    addon.netmapPortCreate(region.handle, stats.handle, shape, options),
    region,
    stats,
  );
}

/** One that stands on a switch without a VM behind it. @throws as createNetmapPort does, or with ENOSPC when the switch is full. */
export function joinNetmap(
  engine: Engine,
  stats: StatsArea,
  vale: ValeSwitch,
  options: NetmapOptions,
): InterfaceMember {
  const made = addon.netmapMemberCreate(engine.handle, stats.handle, vale.handle, options);
  return new InterfaceMember(made, options.queues, stats);
}
