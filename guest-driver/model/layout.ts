// The shared structures as tables: netmap_if, netmap_ring, netmap_slot and the CSB, read from the ABI description.

/** Offset in bytes, field, type, meaning. */
export type Field = readonly [
  offset: number,
  name: string,
  type: 'u16' | 'u32' | 'u64' | 'i64' | 'bytes',
  meaning: string,
];

export const NETMAP_IF = {
  NAME: 0,
  NAME_SIZE: 16,
  VERSION: 16,
  FLAGS: 20,
  TX_RINGS: 24,
  RX_RINGS: 28,
  BUFS_HEAD: 32,
  HOST_TX_RINGS: 36,
  HOST_RX_RINGS: 40,
  RING_OFS: 56,
} as const;

export const NETMAP_IF_FIELDS = [
  [NETMAP_IF.NAME, 'ni_name', 'bytes', 'name of the port, NUL-terminated'],
  [NETMAP_IF.VERSION, 'ni_version', 'u32', 'API version'],
  [NETMAP_IF.FLAGS, 'ni_flags', 'u32', 'properties'],
  [NETMAP_IF.TX_RINGS, 'ni_tx_rings', 'u32', 'NIC tx rings'],
  [NETMAP_IF.RX_RINGS, 'ni_rx_rings', 'u32', 'NIC rx rings'],
  [NETMAP_IF.BUFS_HEAD, 'ni_bufs_head', 'u32', 'first extra buffer, 0 = none'],
  [NETMAP_IF.HOST_TX_RINGS, 'ni_host_tx_rings', 'u32', 'host tx rings'],
  [NETMAP_IF.HOST_RX_RINGS, 'ni_host_rx_rings', 'u32', 'host rx rings'],
  [NETMAP_IF.RING_OFS, 'ring_ofs', 'i64', 'from the netmap_if: NIC tx, host tx, NIC rx, host rx'],
] as const satisfies readonly Field[];

export const NETMAP_API_VERSIONS = { MIN: 14, MAX: 15 } as const;

export const NETMAP_RING = {
  BUF_OFS: 0,
  NUM_SLOTS: 8,
  BUF_SIZE: 12,
  RINGID: 16,
  DIR: 18,
  HEAD: 20,
  CUR: 24,
  TAIL: 28,
  FLAGS: 32,
  TS: 40,
  OFFSET_MASK: 56,
  BUF_ALIGN: 64,
  SLOTS: 256,
} as const;

export const NETMAP_RING_FIELDS = [
  [NETMAP_RING.BUF_OFS, 'buf_ofs', 'i64', 'from the ring to the buffer pool'],
  [NETMAP_RING.NUM_SLOTS, 'num_slots', 'u32', 'slots of the ring'],
  [NETMAP_RING.BUF_SIZE, 'nr_buf_size', 'u32', 'bytes of a buffer'],
  [NETMAP_RING.RINGID, 'ringid', 'u16', 'number of the ring'],
  [NETMAP_RING.DIR, 'dir', 'u16', 'direction; not to be relied on'],
  [NETMAP_RING.HEAD, 'head', 'u32', 'first slot of the application'],
  [NETMAP_RING.CUR, 'cur', 'u32', 'wake-up point'],
  [NETMAP_RING.TAIL, 'tail', 'u32', 'first slot of the other side'],
  [NETMAP_RING.FLAGS, 'flags', 'u32', 'ring flags'],
  [NETMAP_RING.TS, 'ts', 'bytes', 'timeval of the last sync'],
  [NETMAP_RING.OFFSET_MASK, 'offset_mask', 'u64', 'bits of slot.ptr that hold an offset'],
  [NETMAP_RING.BUF_ALIGN, 'buf_align', 'u64', 'alignment of packets'],
] as const satisfies readonly Field[];

export const NETMAP_SLOT = { SIZE: 16, BUF_IDX: 0, LEN: 4, FLAGS: 6, PTR: 8 } as const;

export const NETMAP_SLOT_FIELDS = [
  [NETMAP_SLOT.BUF_IDX, 'buf_idx', 'u32', 'buffer'],
  [NETMAP_SLOT.LEN, 'len', 'u16', 'bytes in the buffer'],
  [NETMAP_SLOT.FLAGS, 'flags', 'u16', 'NS_*'],
  [NETMAP_SLOT.PTR, 'ptr', 'u64', 'pointer (INDIRECT) or offset'],
] as const satisfies readonly Field[];

export const NS = {
  BUF_CHANGED: 0x1,
  REPORT: 0x2,
  FORWARD: 0x4,
  NO_LEARN: 0x8,
  INDIRECT: 0x10,
  MOREFRAG: 0x20,
  TXMON: 0x40,
} as const;

export const MAX_FRAGMENTS = 64;

/** One entry per ring and direction, TX rings first. */
export const CSB = { ENTRY_SIZE: 64, PAGE_SIZE: 4096, MAX_RINGS: 64 } as const;

/** Guest to host: the guest writes, the host reads. */
export const ATOK = { HEAD: 0, CUR: 4, APPL_NEED_KICK: 8, SYNC_FLAGS: 12 } as const;

export const ATOK_FIELDS = [
  [ATOK.HEAD, 'head', 'u32', 'first slot that the guest keeps'],
  [ATOK.CUR, 'cur', 'u32', 'wake-up point'],
  [ATOK.APPL_NEED_KICK, 'appl_need_kick', 'u32', 'the guest wants an interrupt'],
  [ATOK.SYNC_FLAGS, 'sync_flags', 'u32', 'FORCE_READ, FORCE_RECLAIM'],
] as const satisfies readonly Field[];

/** Host to guest: the host writes, the guest reads. */
export const KTOA = { HWCUR: 0, HWTAIL: 4, KERN_NEED_KICK: 8 } as const;

export const KTOA_FIELDS = [
  [KTOA.HWCUR, 'hwcur', 'u32', 'first slot that the host has not taken yet'],
  [KTOA.HWTAIL, 'hwtail', 'u32', 'first slot that the guest may not use'],
  [KTOA.KERN_NEED_KICK, 'kern_need_kick', 'u32', 'the host wants a doorbell'],
] as const satisfies readonly Field[];

export const SYNC_FLAG = { FORCE_READ: 1, FORCE_RECLAIM: 2 } as const;
