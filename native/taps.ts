// Taps: ports and members of switches whose other side is the network stack of the host's kernel.
import { type AttachOptions, addon, type Handle, type TapInfo, type TapOptions } from './addon.ts';
import type { Engine } from './engine.ts';
import type { Region } from './memory.ts';
import { Port, type PortLimits, type PortShape, type ValeSwitch } from './ports.ts';
import type { RingCounters, StatsArea } from './stats.ts';

export type { TapInfo, TapOptions } from './addon.ts';

/** The interface of a tap, whoever uses it. */
export class Tap {
  readonly #handle: Handle<'tap'>;

  constructor(handle: Handle<'tap'>) {
    this.#handle = handle;
  }
  get info(): TapInfo {
    return addon.tapInfo(this.#handle);
  }
  /** What has become of the interface since: a line for each change. `info.newsFd` is readable when there is any. */
  takeNews(): string[] {
    return addon.tapTakeNews(this.#handle);
  }
  /** Opens an interface that is gone anew. @throws Error while it cannot be had; `info.newsFd` is another one then. */
  reopen(engine: Engine): void {
    addon.tapReopen(engine.handle, this.#handle);
  }
  /** Without one the kernel sends nothing, and takes nothing into a bridge. */
  setCarrier(on: boolean): void {
    addon.tapSetCarrier(this.#handle, on);
  }
  /** Gives the interface back, for ever: one that was made here is gone. */
  close(): void {
    addon.tapClose(this.#handle);
  }
}

/** A port whose rings lead to a tap; ring pair i has queue i. */
export class TapPort extends Port {
  readonly tap: Tap;

  /** @throws Error with `code`: EINVAL, EBUSY, EPERM, ENOENT, ENODEV. */
  constructor(region: Region, stats: StatsArea, shape: PortShape, options: TapOptions) {
    const made = addon.tapPortCreate(region.handle, stats.handle, shape, options);
    super(made.port, region, stats);
    this.tap = new Tap(made.tap);
  }
}

/** A tap that stands on a switch without a VM behind it. */
export class TapMember {
  readonly tap: Tap;
  readonly queues: number;
  readonly #handle: Handle<'member'>;
  readonly #stats: StatsArea;
  readonly #blocks: readonly number[];

  /** @throws as TapPort does, or with ENOSPC when the switch is full. */
  constructor(engine: Engine, stats: StatsArea, vale: ValeSwitch, options: TapOptions) {
    const made = addon.tapMemberCreate(engine.handle, stats.handle, vale.handle, options);
    this.#handle = made.member;
    this.tap = new Tap(made.tap);
    this.queues = options.queues;
    this.#stats = stats;
    this.#blocks = addon.memberCounters(made.member);
  }
  /** A worker serves it from now on. @throws Error with `code` EINVAL for policy inline. */
  start(options: AttachOptions): void {
    addon.memberStart(this.#handle, options);
  }
  /** Once, before it is started. */
  limit(limits: PortLimits): void {
    addon.memberLimit(this.#handle, limits);
  }
  /** Leaves the switch. */
  stop(): void {
    addon.memberStop(this.#handle);
  }
  /** Of a queue: what it sends into the switch (tx), or what it gets from there (rx). */
  counters(dir: 'tx' | 'rx', queue: number): RingCounters {
    return this.#stats.read(this.#blocks[dir === 'tx' ? queue : this.queues + queue]!);
  }
}
