// The parts of a device's PCI identity that both devices share, and the pairs of ids that guests' drivers look for.
import { MEMDEV } from './memdev/registers.ts';
import { PTNET } from './ptnet/registers.ts';

/** What the first emulation of these devices showed a guest: the subsystem ids that QEMU gives to its own devices. */
export const SUBSYSTEM = { subsystemVendorId: 0x1af4, subsystemId: 0x1100, revision: 0 } as const;

/** Device ids by the memory device's as `lspci -n` prints it; the network device has the next number. */
export const PCI_IDS = {
  /** netmap's own drivers, FreeBSD 12.1 and main. QEMU gives both to devices of its own as well. */
  '1b36:000c': { memdev: MEMDEV.DEVICE_ID, ptnet: PTNET.DEVICE_ID },
  /** FreeBSD 13.2 and stable/12. */
  '1b36:cccc': { memdev: MEMDEV.OTHER_DEVICE_ID, ptnet: PTNET.OTHER_DEVICE_ID },
} as const;

export type PciIds = keyof typeof PCI_IDS;
export const DEFAULT_PCI_IDS: PciIds = '1b36:000c';
