// The memory device's ids, BARs and registers, named as in the public netmap headers.
import { offsetsByName, type Register } from '../registers.ts';

export const MEMDEV_REGISTERS = [
  [0, 'PTNET_MDEV_IO_MEMSIZE_LO', 'r', 'bytes of the region, low 32 bits'],
  [4, 'PTNET_MDEV_IO_MEMSIZE_HI', 'r', 'bytes of the region, high 32 bits'],
  [8, 'PTNET_MDEV_IO_MEMID', 'r', "the host's id of the region, 1 to 65535"],
  [64, 'PTNET_MDEV_IO_IF_POOL_OFS', 'r', 'offset of the netmap_if pool in the region'],
  [68, 'PTNET_MDEV_IO_IF_POOL_OBJNUM', 'r', 'objects in the netmap_if pool'],
  [72, 'PTNET_MDEV_IO_IF_POOL_OBJSZ', 'r', 'bytes of one netmap_if object'],
  [76, 'PTNET_MDEV_IO_RING_POOL_OFS', 'r', 'offset of the netmap_ring pool in the region'],
  [80, 'PTNET_MDEV_IO_RING_POOL_OBJNUM', 'r', 'objects in the netmap_ring pool'],
  [84, 'PTNET_MDEV_IO_RING_POOL_OBJSZ', 'r', 'bytes of one netmap_ring object'],
  [88, 'PTNET_MDEV_IO_BUF_POOL_OFS', 'r', 'offset of the buffer pool in the region'],
  [92, 'PTNET_MDEV_IO_BUF_POOL_OBJNUM', 'r', 'buffers in the pool'],
  [96, 'PTNET_MDEV_IO_BUF_POOL_OBJSZ', 'r', 'bytes of one buffer'],
] as const satisfies readonly Register[];

export const MEMDEV = {
  VENDOR_ID: 0x1b36,
  DEVICE_ID: 0x000c,
  /** In some FreeBSD trees. */
  OTHER_DEVICE_ID: 0xcccc,
  CLASS_CODE: 0xff0000,
  /** BAR 0: the registers. */
  IO_BAR: 0,
  IO_BAR_SIZE: 128,
  /** BAR 1: the region itself. */
  MEM_BAR: 1,
  ...offsetsByName(MEMDEV_REGISTERS, 'PTNET_MDEV_'),
} as const;
