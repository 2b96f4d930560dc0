// The limits of a configuration, each with the reason for its value.

/** A range of whole numbers, both ends included. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** netmap's limits on the objects of a region and on how many there are; 56 and 256 are the header sizes. */
export const REGION_LIMITS = {
  id: { min: 1, max: 65535 },
  ifNum: { min: 10, max: 10_000 },
  ifSize: { min: 56, max: 4096 },
  ringNum: { min: 2, max: 1024 },
  ringSize: { min: 256, max: 131_072 },
  bufNum: { min: 4, max: 1_000_000 },
  bufSize: { min: 64, max: 65_536 },
} as const satisfies Record<string, Range>;

/** A private region has room for this many netmap_if objects. */
export const PRIVATE_IF_NUM_MAX = 100;
export const PRIVATE_BUF_SIZE = 2048;
/** Buffers 0 and 1 are reserved by netmap. */
export const RESERVED_BUFFERS = 2;

const RING_HEADER = 256;
const SLOT_SIZE = 16;

/** The doorbell window of a ptnet device holds 32 rings, tx and rx together; QEMU's 50 MSI-X vectors are more than that. */
export const DEVICE_RINGS_MAX = 32;
export const RINGS: Range = { min: 1, max: DEVICE_RINGS_MAX - 1 };
export const SLOTS: Range = {
  min: 2,
  max: Math.floor((REGION_LIMITS.ringSize.max - RING_HEADER) / SLOT_SIZE),
};
export const SWITCH_PORTS_MAX = 254;

/** Addresses in a switch's static table, groups of its ports, and characters for a plug-in. */
export const STATIONS_MAX = 65_536;
export const COMMUNITIES_MAX = SWITCH_PORTS_MAX;
export const LOOKUP_OPTIONS_MAX = 2 ** 20;

/** IFNAMSIZ is 16, with the terminating zero. */
export const INTERFACE_NAME_MAX = 15;
/** What a tap of the kernel's may be set to. */
export const TAP_MTU: Range = { min: 68, max: 65_521 };

/** Slots 3..31 of the first PCI bus are free on machine pc with a display; the memory device takes one of the 29. */
export const VM_DEVICES_MAX = 28;

/** Probe packets have 32 bytes of header; a source sends no packet that is longer than a buffer. */
export const PACKET_SIZE: Range = { min: 32, max: REGION_LIMITS.bufSize.max };
export const STREAM: Range = { min: 0, max: 255 };
export const RATE: Range = { min: 0, max: 1_000_000_000 };
export const PACKETS: Range = { min: 1, max: Number.MAX_SAFE_INTEGER };
export const WORKERS: Range = { min: 1, max: 64 };
export const CPU: Range = { min: 0, max: 4095 };
/** The kernel can be built for no more nodes than these. */
export const NUMA_NODE: Range = { min: 0, max: 1023 };
export const SPIN_US: Range = { min: 0, max: 1_000_000 };
export const PATIENCE_US: Range = { min: 0, max: 100_000 };
/** Seconds; a bridge of the kernel forgets after 300. */
export const MAC_AGE: Range = { min: 1, max: 1_000_000 };

/** Bits a second of a port; below, a packet of 64 KiB would take more than a minute. */
export const BIT_RATE: Range = { min: 8000, max: 1e12 };
/** Bytes at once: a slot at least. */
export const BURST: Range = { min: 2048, max: 2 ** 32 };
/** Packets a second of a storm. */
export const PACKET_RATE: Range = { min: 1, max: 1e9 };

/** sun_path holds 108 bytes with the terminating zero. */
export const SOCKET_PATH_BYTES_MAX = 107;
