// The network device's ids, BARs, registers, features and commands, named as in the public netmap headers.
import { offsetsByName, REGISTER_BYTES, type Register } from '../registers.ts';

export const PTNET_REGISTERS = [
  [0, 'PTNET_IO_PTFEAT', 'rw', 'features the guest wants; reads back those in force'],
  [4, 'PTNET_IO_PTCTL', 'rw', '1 create, 2 delete; reads back the last result: 0 or an errno'],
  [8, 'PTNET_IO_MAC_LO', 'r', 'last four octets of the MAC address, the first of them in the high byte'],
  [12, 'PTNET_IO_MAC_HI', 'r', 'first two octets of the MAC address'],
  [16, 'PTNET_IO_CSBBAH', '-', 'deprecated'],
  [20, 'PTNET_IO_CSBBAL', '-', 'deprecated'],
  [24, 'PTNET_IO_NIFP_OFS', 'r', "offset of this port's netmap_if in the region"],
  [28, 'PTNET_IO_NUM_TX_RINGS', 'r', 'NIC TX rings'],
  [32, 'PTNET_IO_NUM_RX_RINGS', 'r', 'NIC RX rings'],
  [36, 'PTNET_IO_NUM_TX_SLOTS', 'r', 'slots per TX ring'],
  [40, 'PTNET_IO_NUM_RX_SLOTS', 'r', 'slots per RX ring'],
  [
    44,
    'PTNET_IO_VNET_HDR_LEN',
    'rw',
    'virtio-net header length wanted: 0, 10 or 12; reads back the one in force',
  ],
  [48, 'PTNET_IO_HOSTMEMID', 'r', "MEMID of the memory device that holds this port's rings"],
  [52, 'PTNET_IO_CSB_GH_BAH', 'w', 'guest-to-host CSB, address bits 63-32; kept until BAL is written'],
  [
    56,
    'PTNET_IO_CSB_GH_BAL',
    'w',
    'guest-to-host CSB, address bits 31-0; takes effect and stops serving; 0 unmaps',
  ],
  [60, 'PTNET_IO_CSB_HG_BAH', 'w', 'host-to-guest CSB, address bits 63-32; kept until BAL is written'],
  [
    64,
    'PTNET_IO_CSB_HG_BAL',
    'w',
    'host-to-guest CSB, address bits 31-0; takes effect and stops serving; 0 unmaps',
  ],
  [
    128,
    'PTNET_IO_KICK_BASE',
    'w',
    'doorbell of ring 0, ring i at 128 + 4 * i: TX rings first; the value is ignored',
  ],
] as const satisfies readonly Register[];

export const PTNET = {
  VENDOR_ID: 0x1b36,
  DEVICE_ID: 0x000d,
  /** In some FreeBSD trees. */
  OTHER_DEVICE_ID: 0xcccd,
  CLASS_CODE: 0x020000,
  /** BAR 0: the registers. */
  IO_BAR: 0,
  IO_BAR_SIZE: 256,
  /** BAR 0 when it is memory: a page, so that it can be placed on its own. */
  IO_BAR_SIZE_MEMORY: 4096,
  /** BAR 2: MSI-X table and pending bits. */
  MSIX_BAR: 2,
  MSIX_BAR_SIZE: 4096,
  MSIX_TABLE_OFFSET: 0,
  MSIX_PBA_OFFSET: 2048,
  KICK_BASE: 128,
  KICK_STRIDE: REGISTER_BYTES,
  /** Rings, TX and RX together, whose doorbells fit the registers. */
  RINGS_MAX: 32,
  ...offsetsByName(PTNET_REGISTERS, 'PTNET_'),
} as const;

/** Bits of PTFEAT. */
export const PTFEAT = { VNET_HDR: 1 } as const;

/** Commands written to PTCTL. */
export const PTCTL = { CREATE: 1, DELETE: 2 } as const;

/** Results read from PTCTL: these numbers are the same for Linux and FreeBSD guests. */
export const PTCTL_RESULT = { OK: 0, ENXIO: 6, EBUSY: 16, EINVAL: 22 } as const;

/** Lengths VNET_HDR_LEN accepts: no header, virtio_net_hdr, virtio_net_hdr_mrg_rxbuf. */
export const VNET_HDR_LENGTHS: readonly number[] = [0, 10, 12];
