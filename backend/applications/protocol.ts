// The numbers of the application protocol (docs/application-protocol.md) and of netmap's control ABI that it carries.

/** Checked with every request: another one is refused with EPROTONOSUPPORT. */
export const PROTOCOL_VERSION = 3;

/** What a message begins with. Doorbells do not come this far. */
export const MESSAGE = { DOORBELL: 1, REQUEST: 2 } as const;

export const OPERATION = {
  /** One of netmap's requests (NIOCCTRL). */
  CONTROL: 1,
  /** The region's descriptor, to be mapped. */
  REGION: 2,
  /** What a descriptor that came from elsewhere is bound to. */
  BINDING: 3,
  /** Gives a register back. */
  UNBIND: 4,
} as const;

/** Of nmreq_header's nr_version: what netmap accepts. */
export const API = { MIN: 14, MAX: 15 } as const;

/** nmreq_header has 64 bytes for the name, with the terminating zero. */
export const NAME_BYTES = 64;
export const BODY_BYTES_MAX = 64;
/** Of the options of a request together, each with its header of 24 bytes. */
export const OPTION_BYTES_MAX = 4096;
export const OPTION_HEADER_BYTES = 24;

export const NETMAP_REQ = {
  REGISTER: 1,
  PORT_INFO_GET: 2,
  VALE_ATTACH: 3,
  VALE_DETACH: 4,
  VALE_LIST: 5,
  PORT_HDR_SET: 6,
  PORT_HDR_GET: 7,
  VALE_NEWIF: 8,
  VALE_DELIF: 9,
  VALE_POLLING_ENABLE: 10,
  VALE_POLLING_DISABLE: 11,
  POOLS_INFO_GET: 12,
  SYNC_KLOOP_START: 13,
  SYNC_KLOOP_STOP: 14,
  CSB_ENABLE: 15,
} as const;

export const NETMAP_REQ_OPT = {
  EXTMEM: 1,
  SYNC_KLOOP_EVENTFDS: 2,
  CSB: 3,
  SYNC_KLOOP_MODE: 4,
  OFFSETS: 5,
} as const;

export const NR_REG = {
  ALL_NIC: 1,
  SW: 2,
  NIC_SW: 3,
  ONE_NIC: 4,
  PIPE_MASTER: 5,
  PIPE_SLAVE: 6,
  NULL: 7,
  ONE_SW: 8,
} as const;

export const NR_FLAG = {
  MONITOR_TX: 0x100,
  MONITOR_RX: 0x200,
  ZCOPY_MON: 0x400,
  EXCLUSIVE: 0x800,
  RX_RINGS_ONLY: 0x2000,
  TX_RINGS_ONLY: 0x4000,
  ACCEPT_VNET_HDR: 0x8000,
  DO_RX_POLL: 0x10000,
  NO_TX_POLL: 0x20000,
} as const;

/** Rings of a port: entries of each array of its CSB, and from this number on doorbells are those of its host side. */
export const RINGS_MAX = 64;
/** Bytes of one entry of either CSB array. */
export const CSB_ENTRY = 64;
/** Where the second array lies in the CSB's file. */
export const HOST_TO_GUEST = RINGS_MAX * CSB_ENTRY;

/** For a request's name, as messages and the log write it. */
export function requestName(reqtype: number): string {
  const found = Object.entries(NETMAP_REQ).find(([, number]) => number === reqtype);
  return found ? found[0] : `request ${reqtype}`;
}
