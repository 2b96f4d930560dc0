// The numbers of the vfio-user protocol, named as its specification and <linux/vfio.h> name them, and our limits.

export const VFIO_USER = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  DEVICE_GET_REGION_INFO: 5,
  DEVICE_GET_REGION_IO_FDS: 6,
  DEVICE_GET_IRQ_INFO: 7,
  DEVICE_SET_IRQS: 8,
  REGION_READ: 9,
  REGION_WRITE: 10,
  DMA_READ: 11,
  DMA_WRITE: 12,
  DEVICE_RESET: 13,
  REGION_WRITE_MULTI: 15,
  DEVICE_FEATURE: 16,
  MIG_DATA_READ: 17,
  MIG_DATA_WRITE: 18,
} as const;

const COMMAND_NAMES = new Map<number, string>(
  Object.entries(VFIO_USER).map(([name, number]) => [number, `VFIO_USER_${name}`]),
);

export function commandName(command: number): string {
  return COMMAND_NAMES.get(command) ?? `command ${command}`;
}

export const HEADER_SIZE = 16;

/** The header's flags. */
export const FLAG = { TYPE: 0xf, COMMAND: 0x0, REPLY: 0x1, NO_REPLY: 0x10, ERROR: 0x20 } as const;

export const VERSION_MAJOR = 0;
export const VERSION_MINOR = 1;

/** What we say that we take: QEMU's client refuses a server that allows more than 16. */
export const MAX_MSG_FDS = 16;
/** What we do take, as much as the kernel passes on at once (SCM_MAX_FD): not every client splits its VFIO_USER_DEVICE_SET_IRQS. */
export const MAX_RECEIVED_FDS = 253;
export const MAX_DATA_XFER_SIZE = 1024 * 1024;
/** The same of a session that is kept: its messages stay in the socket until they are answered. */
export const KEPT_DATA_XFER_SIZE = 64 * 1024;
/** More than any machine we know of needs, and few enough that a hostile peer costs little; and those of all devices together, which have equal shares. */
export const MAX_DMA_MAPS = 4096;
export const ALL_DMA_MAPS = 64 * MAX_DMA_MAPS;
/** A VM has its RAM, and what other devices let be mapped. */
export const MIN_DMA_MAPS = 256;
export const DMA_PAGE_SIZE = 4096;
/** The JSON text of VFIO_USER_VERSION. */
export const MAX_VERSION_DATA = 4096;
/** The longest message that makes sense: a REGION_WRITE with all the data it may carry. */
export const MAX_MESSAGE_SIZE = HEADER_SIZE + 16 + MAX_DATA_XFER_SIZE;

/** What a peer that does not say otherwise can receive. */
export const DEFAULT_MAX_MSG_FDS = 1;

/** MMAP and FILE_IO say how the server is to reach the memory, by the descriptor that comes along; without either, it maps it. */
export const DMA_FLAG = { READ: 1, WRITE: 2, MMAP: 4, FILE_IO: 8 } as const;
export const UNMAP_FLAG = { GET_DIRTY_BITMAP: 1, ALL: 2 } as const;

export const DEVICE_FLAG = { RESET: 1, PCI: 2 } as const;

export const REGION = { BAR0: 0, BAR5: 5, ROM: 6, CONFIG: 7, VGA: 8, COUNT: 9 } as const;
export const REGION_FLAG = { READ: 1, WRITE: 2, MMAP: 4, CAPS: 8 } as const;
export const REGION_CAP_SPARSE_MMAP = 1;

export const IO_FD_TYPE_IOEVENTFD = 0;
/** KVM_IOEVENTFD_FLAG_PIO: the offset lies in an I/O port BAR. */
export const IOEVENTFD_FLAG_PIO = 2;

export const IRQ = { INTX: 0, MSI: 1, MSIX: 2, ERR: 3, REQ: 4, COUNT: 5 } as const;
export const IRQ_FLAG = { EVENTFD: 1, MASKABLE: 2, AUTOMASKED: 4, NORESIZE: 8 } as const;
export const IRQ_SET = {
  DATA_NONE: 0x01,
  DATA_BOOL: 0x02,
  DATA_EVENTFD: 0x04,
  ACTION_MASK: 0x08,
  ACTION_UNMASK: 0x10,
  ACTION_TRIGGER: 0x20,
  DATA: 0x07,
  ACTION: 0x38,
} as const;
