// Views over the region's memory: netmap_if, netmap_ring with its slots, and the buffers, all checked when opened.
import { GuestError } from './errors.ts';
import { NETMAP_API_VERSIONS, NETMAP_IF, NETMAP_RING, NETMAP_SLOT } from './layout.ts';

/** One pool of a region, as the memory device's registers describe it. */
export interface Pool {
  offset: number;
  count: number;
  size: number;
}

/** A mapped region: BAR 1 of the memory device. */
export interface RegionMemory {
  readonly name: string;
  readonly buffer: ArrayBuffer;
  readonly memsize: number;
  readonly ifPool: Pool;
  readonly ringPool: Pool;
  readonly bufPool: Pool;
}

export interface NetmapIf {
  name: string;
  version: number;
  bufsHead: number;
  /** Offsets of the rings from the region's start; 0: the ring is not there. */
  tx: number[];
  hostTx: number[];
  rx: number[];
  hostRx: number[];
}

function inRegion(memory: RegionMemory, offset: number, size: number, what: string): void {
  if (offset < 0 || offset % 8 !== 0 || offset + size > memory.memsize) {
    throw new GuestError(
      `${memory.name}: ${what} at ${offset}, ${size} bytes: want it inside ${memory.memsize} bytes, aligned to 8`,
    );
  }
}

/** Reads the `netmap_if` at `offset`. @throws GuestError when it or its ring offsets leave the region. */
export function readNetmapIf(memory: RegionMemory, offset: number): NetmapIf {
  inRegion(memory, offset, NETMAP_IF.RING_OFS, 'netmap_if');
  const view = new DataView(memory.buffer, offset);
  const version = view.getUint32(NETMAP_IF.VERSION, true);
  if (version < NETMAP_API_VERSIONS.MIN || version > NETMAP_API_VERSIONS.MAX) {
    throw new GuestError(`${memory.name}: netmap_if at ${offset}: version ${version}: want 14 or 15`);
  }
  const counts = [
    NETMAP_IF.TX_RINGS,
    NETMAP_IF.HOST_TX_RINGS,
    NETMAP_IF.RX_RINGS,
    NETMAP_IF.HOST_RX_RINGS,
  ].map((at) => view.getUint32(at, true));
  const total = counts.reduce((sum, count) => sum + count, 0);
  inRegion(memory, offset, NETMAP_IF.RING_OFS + 8 * total, 'netmap_if with its ring_ofs');
  let at = NETMAP_IF.RING_OFS;
  const rings = counts.map((count) =>
    Array.from({ length: count }, () => {
      const relative = Number(view.getBigInt64(at, true));
      at += 8;
      return relative === 0 ? 0 : offset + relative;
    }),
  );
  const raw = new Uint8Array(memory.buffer, offset, NETMAP_IF.NAME_SIZE);
  const end = raw.indexOf(0);
  return {
    name: new TextDecoder('latin1').decode(end < 0 ? raw : raw.subarray(0, end)),
    version,
    bufsHead: view.getUint32(NETMAP_IF.BUFS_HEAD, true),
    tx: rings[0] ?? [],
    hostTx: rings[1] ?? [],
    rx: rings[2] ?? [],
    hostRx: rings[3] ?? [],
  };
}

/** One slot in shared memory; every field readable and writable with any value. */
export class Slot {
  readonly #view: DataView;
  readonly #at: number;

  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
  }

  get bufIdx(): number {
    return this.#view.getUint32(this.#at + NETMAP_SLOT.BUF_IDX, true);
  }
  set bufIdx(value: number) {
    this.#view.setUint32(this.#at + NETMAP_SLOT.BUF_IDX, value, true);
  }
  get len(): number {
    return this.#view.getUint16(this.#at + NETMAP_SLOT.LEN, true);
  }
  set len(value: number) {
    this.#view.setUint16(this.#at + NETMAP_SLOT.LEN, value, true);
  }
  get flags(): number {
    return this.#view.getUint16(this.#at + NETMAP_SLOT.FLAGS, true);
  }
  set flags(value: number) {
    this.#view.setUint16(this.#at + NETMAP_SLOT.FLAGS, value, true);
  }
  get ptr(): bigint {
    return this.#view.getBigUint64(this.#at + NETMAP_SLOT.PTR, true);
  }
  set ptr(value: bigint) {
    this.#view.setBigUint64(this.#at + NETMAP_SLOT.PTR, value, true);
  }
}

/** A `netmap_ring` in the region. num_slots, buf_size and buf_ofs are read and checked once. */
export class SharedRing {
  readonly memory: RegionMemory;
  readonly offset: number;
  readonly numSlots: number;
  readonly bufSize: number;
  readonly ringid: number;
  readonly dir: number;
  readonly #view: DataView;

  constructor(memory: RegionMemory, offset: number) {
    inRegion(memory, offset, NETMAP_RING.SLOTS, 'netmap_ring');
    this.memory = memory;
    this.offset = offset;
    this.#view = new DataView(memory.buffer, offset);
    this.numSlots = this.#view.getUint32(NETMAP_RING.NUM_SLOTS, true);
    this.bufSize = this.#view.getUint32(NETMAP_RING.BUF_SIZE, true);
    this.ringid = this.#view.getUint16(NETMAP_RING.RINGID, true);
    this.dir = this.#view.getUint16(NETMAP_RING.DIR, true);
    const what = `${memory.name}: netmap_ring at ${offset}`;
    if (this.numSlots < 2) throw new GuestError(`${what}: ${this.numSlots} slots: want 2 or more`);
    inRegion(
      memory,
      offset,
      NETMAP_RING.SLOTS + this.numSlots * NETMAP_SLOT.SIZE,
      'netmap_ring with its slots',
    );
    const bufOfs = Number(this.#view.getBigInt64(NETMAP_RING.BUF_OFS, true));
    const { bufPool } = memory;
    // Two ways lead to a buffer (the ring's buf_ofs, the device's registers): a guest may take either.
    if (offset + bufOfs !== bufPool.offset || this.bufSize !== bufPool.size) {
      throw new GuestError(
        `${what}: buffers of ${this.bufSize} bytes at ${offset + bufOfs}: want ${bufPool.size} at ${bufPool.offset} as the registers say`,
      );
    }
  }

  get head(): number {
    return this.#view.getUint32(NETMAP_RING.HEAD, true);
  }
  set head(value: number) {
    this.#view.setUint32(NETMAP_RING.HEAD, value, true);
  }
  get cur(): number {
    return this.#view.getUint32(NETMAP_RING.CUR, true);
  }
  set cur(value: number) {
    this.#view.setUint32(NETMAP_RING.CUR, value, true);
  }
  get tail(): number {
    return this.#view.getUint32(NETMAP_RING.TAIL, true);
  }
  set tail(value: number) {
    this.#view.setUint32(NETMAP_RING.TAIL, value, true);
  }

  /** The ring's header and slots as raw bytes, for tests that scribble. */
  get bytes(): Uint8Array {
    return new Uint8Array(
      this.memory.buffer,
      this.offset,
      NETMAP_RING.SLOTS + this.numSlots * NETMAP_SLOT.SIZE,
    );
  }

  slot(index: number): Slot {
    if (!(index >= 0 && index < this.numSlots)) {
      throw new RangeError(`netmap_ring at ${this.offset}: slot ${index}: want 0 to ${this.numSlots - 1}`);
    }
    return new Slot(this.#view, NETMAP_RING.SLOTS + index * NETMAP_SLOT.SIZE);
  }

  /** The buffer with index `bufIdx`. @throws GuestError for an index outside the pool. */
  buffer(bufIdx: number): Uint8Array {
    const { bufPool, name } = this.memory;
    if (!(bufIdx >= 0 && bufIdx < bufPool.count)) {
      throw new GuestError(`${name}: buffer ${bufIdx}: want 0 to ${bufPool.count - 1}`);
    }
    return new Uint8Array(this.memory.buffer, bufPool.offset + bufIdx * bufPool.size, bufPool.size);
  }
}
