// Regions: netmap memory in a sealed memfd, with its three pools.
import {
  addon,
  type Handle,
  type PortNeeds,
  type PortShape,
  type RegionInfo,
  type RegionShape,
} from './addon.ts';
import { handover, type RegionState } from './handover.ts';

export type { PoolInfo, PortNeeds, RegionInfo, RegionShape } from './addon.ts';

/** Objects that a port of this shape takes; a pipe end's rx rings own no buffers. */
export function portNeeds(shape: PortShape, ownsRxBufs = true): PortNeeds {
  return addon.portNeeds(shape, ownsRxBufs);
}

/** Bytes of a ring object for so many slots. */
export function ringSize(slots: number): number {
  return 256 + 16 * slots;
}

/** Bytes of a netmap_if for so many NIC rings; the places of the host ring pair are counted in. */
export function ifSize(rings: number): number {
  return 56 + 8 * (rings + 2);
}

export class Region {
  readonly handle: Handle<'region'>;
  #view: ArrayBuffer | undefined;

  /**
   * @param state of another process that has had it: nothing in it is written. Its descriptor stays the caller's.
   * @throws Error with `code` EINVAL and the limit that the shape breaks, or the errno of a system call.
   */
  constructor(shape: RegionShape, state?: RegionState) {
    this.handle = state ? handover.regionAdopt(shape, state) : addon.regionCreate(shape);
  }

  /** For another process. */
  get state(): RegionState {
    return handover.regionState(this.handle);
  }

  /** Of one that another process has had, when all ports that go on are there: what others had is free. */
  releaseLost(): void {
    handover.regionReleaseLost(this.handle);
  }

  /** A snapshot: `pools.*.free` changes as ports come and go. The descriptor stays the region's. */
  get info(): RegionInfo {
    return addon.regionInfo(this.handle);
  }

  /** Copies a part of the memory; it may be of any size. @throws RangeError when the part is not inside. */
  read(offset: number, into: Uint8Array): void {
    addon.regionRead(this.handle, offset, into);
  }

  write(offset: number, from: Uint8Array): void {
    addon.regionWrite(this.handle, offset, from);
  }

  /** Gives it up now, not when the garbage collector comes; it goes with the last port in it. */
  drop(): void {
    addon.drop(this.handle);
  }

  /**
   * The memory itself, `info.memsize` bytes; it stays mapped while this view is in use.
   * @throws RangeError when it has more than 4 GiB, which no ArrayBuffer of Node 20 holds.
   */
  get buffer(): ArrayBuffer {
    this.#view ??= addon.regionBuffer(this.handle);
    return this.#view;
  }
}
