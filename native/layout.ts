// The netmap structures as TypeScript views over a region's memory (netmap's net/netmap.h, ABI 15).

/** Offsets in bytes, by structure and field; '' is the size. A test compares them with the C++ side. */
export const LAYOUTS = {
  netmap_if: {
    name: 0,
    version: 16,
    flags: 20,
    tx_rings: 24,
    rx_rings: 28,
    bufs_head: 32,
    host_tx_rings: 36,
    host_rx_rings: 40,
    '': 56,
  },
  netmap_ring: {
    buf_ofs: 0,
    num_slots: 8,
    buf_size: 12,
    ringid: 16,
    dir: 18,
    head: 20,
    cur: 24,
    tail: 28,
    flags: 32,
    offset_mask: 56,
    buf_align: 64,
    '': 256,
  },
  netmap_slot: { buf_idx: 0, len: 4, flags: 6, ptr: 8, '': 16 },
  csb_atok: { head: 0, cur: 4, appl_need_kick: 8, sync_flags: 12, '': 64 },
  csb_ktoa: { hwcur: 0, hwtail: 4, kern_need_kick: 8, '': 64 },
} as const;

const NIF = LAYOUTS.netmap_if;
const RING = LAYOUTS.netmap_ring;
const SLOT = LAYOUTS.netmap_slot;

/** One netmap_slot. */
export class SlotView {
  private readonly memory: DataView;
  private readonly at: number;
  constructor(memory: DataView, at: number) {
    this.memory = memory;
    this.at = at;
  }
  get bufIdx(): number {
    return this.memory.getUint32(this.at + SLOT.buf_idx, true);
  }
  get len(): number {
    return this.memory.getUint16(this.at + SLOT.len, true);
  }
  get flags(): number {
    return this.memory.getUint16(this.at + SLOT.flags, true);
  }
  get ptr(): bigint {
    return this.memory.getBigUint64(this.at + SLOT.ptr, true);
  }
}

/** One netmap_ring. */
export class RingView {
  /** Bytes from the start of the region. */
  readonly offset: number;
  private readonly memory: DataView;
  constructor(memory: DataView, offset: number) {
    this.memory = memory;
    this.offset = offset;
  }
  private u32(field: 'num_slots' | 'buf_size' | 'head' | 'cur' | 'tail' | 'flags'): number {
    return this.memory.getUint32(this.offset + RING[field], true);
  }
  get bufOfs(): bigint {
    return this.memory.getBigInt64(this.offset + RING.buf_ofs, true);
  }
  get numSlots(): number {
    return this.u32('num_slots');
  }
  get bufSize(): number {
    return this.u32('buf_size');
  }
  get ringid(): number {
    return this.memory.getUint16(this.offset + RING.ringid, true);
  }
  get dir(): number {
    return this.memory.getUint16(this.offset + RING.dir, true);
  }
  get head(): number {
    return this.u32('head');
  }
  get cur(): number {
    return this.u32('cur');
  }
  get tail(): number {
    return this.u32('tail');
  }
  slot(i: number): SlotView {
    return new SlotView(this.memory, this.offset + RING[''] + i * SLOT['']);
  }
}

/** One netmap_if. */
export class IfView {
  /** Bytes from the start of the region. */
  readonly offset: number;
  private readonly memory: DataView;
  constructor(region: ArrayBuffer, offset: number) {
    this.memory = new DataView(region);
    this.offset = offset;
  }
  private u32(
    field: 'version' | 'tx_rings' | 'rx_rings' | 'bufs_head' | 'host_tx_rings' | 'host_rx_rings',
  ): number {
    return this.memory.getUint32(this.offset + NIF[field], true);
  }
  get name(): string {
    const bytes = new Uint8Array(this.memory.buffer, this.offset + NIF.name, 16);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(bytes.subarray(0, end < 0 ? 16 : end));
  }
  get version(): number {
    return this.u32('version');
  }
  get txRings(): number {
    return this.u32('tx_rings');
  }
  get rxRings(): number {
    return this.u32('rx_rings');
  }
  get bufsHead(): number {
    return this.u32('bufs_head');
  }
  get hostTxRings(): number {
    return this.u32('host_tx_rings');
  }
  get hostRxRings(): number {
    return this.u32('host_rx_rings');
  }
  /** Offsets from this netmap_if: NIC tx, host tx, NIC rx, host rx; 0 for a ring that is not there. */
  ringOfs(i: number): number {
    return Number(this.memory.getBigInt64(this.offset + NIF[''] + 8 * i, true));
  }
  ring(i: number): RingView {
    return new RingView(this.memory, this.offset + this.ringOfs(i));
  }
}
