// vfio-user messages as a client writes and reads them: numbers, layouts, encoders and decoders; no socket.

export const VFIO_USER = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  GET_REGION_INFO: 5,
  GET_REGION_IO_FDS: 6,
  GET_IRQ_INFO: 7,
  SET_IRQS: 8,
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

export const COMMAND_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(VFIO_USER).map(([name, value]) => [value, name]),
);

export const HEADER_SIZE = 16;
export const MESSAGE_TYPE = { COMMAND: 0, REPLY: 1, MASK: 0xf } as const;
export const MESSAGE_FLAG = { NO_REPLY: 0x10, ERROR: 0x20 } as const;

export const REGION = { BAR0: 0, ROM: 6, CONFIG: 7, VGA: 8 } as const;
export const REGION_FLAG = { READ: 1, WRITE: 2, MMAP: 4, CAPS: 8 } as const;
export const REGION_CAP_SPARSE_MMAP = 1;
export const DEVICE_FLAG = { RESET: 1, PCI: 2 } as const;
export const DMA_FLAG = { READ: 1, WRITE: 2 } as const;
export const IRQ = { INTX: 0, MSI: 1, MSIX: 2, ERROR: 3, REQUEST: 4 } as const;
export const IRQ_FLAG = { EVENTFD: 1, NO_RESIZE: 8 } as const;
export const SET_IRQS_FLAG = {
  DATA_NONE: 1,
  DATA_BOOL: 2,
  DATA_EVENTFD: 4,
  ACTION_MASK: 8,
  ACTION_UNMASK: 16,
  ACTION_TRIGGER: 32,
} as const;

export interface Header {
  msgId: number;
  command: number;
  /** Whole message, header included. */
  size: number;
  flags: number;
  errno: number;
}

/** A little-endian byte writer for the few fixed layouts below. */
function pack(size: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  fill(new DataView(bytes.buffer));
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A view that is at least `size` long. @throws RangeError naming the message. */
function need(bytes: Uint8Array, size: number, what: string): DataView {
  if (bytes.length < size) throw new RangeError(`${what}: ${bytes.length} bytes, want ${size} or more`);
  return viewOf(bytes);
}

export function encodeHeader(header: Header): Uint8Array {
  return pack(HEADER_SIZE, (view) => {
    view.setUint16(0, header.msgId, true);
    view.setUint16(2, header.command, true);
    view.setUint32(4, header.size, true);
    view.setUint32(8, header.flags, true);
    view.setUint32(12, header.errno, true);
  });
}

export function decodeHeader(bytes: Uint8Array): Header {
  const view = need(bytes, HEADER_SIZE, 'vfio-user header');
  return {
    msgId: view.getUint16(0, true),
    command: view.getUint16(2, true),
    size: view.getUint32(4, true),
    flags: view.getUint32(8, true),
    errno: view.getUint32(12, true),
  };
}

/** One whole message. `size` is for bad-input tests: it replaces the true size in the header. */
export function encodeMessage(
  fields: { msgId: number; command: number; flags?: number; errno?: number; size?: number },
  payload: Uint8Array = new Uint8Array(),
): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  const size = fields.size ?? bytes.length;
  bytes.set(encodeHeader({ flags: MESSAGE_TYPE.COMMAND, errno: 0, ...fields, size }));
  bytes.set(payload, HEADER_SIZE);
  return bytes;
}

export interface Version {
  major: number;
  minor: number;
  capabilities: Record<string, unknown>;
}

/** VERSION: two u16, then a JSON text with its NUL. A string in place of capabilities goes out as it is (bad-input tests). */
export function encodeVersion(version: {
  major: number;
  minor: number;
  capabilities: object | string;
}): Uint8Array {
  const { capabilities } = version;
  const text = typeof capabilities === 'string' ? capabilities : `${JSON.stringify({ capabilities })}\0`;
  const json = new TextEncoder().encode(text);
  const bytes = new Uint8Array(4 + json.length);
  viewOf(bytes).setUint16(0, version.major, true);
  viewOf(bytes).setUint16(2, version.minor, true);
  bytes.set(json, 4);
  return bytes;
}

/** A version without JSON text means that every capability has its default. */
export function decodeVersion(payload: Uint8Array): Version {
  const view = need(payload, 4, 'VERSION reply');
  const version = { major: view.getUint16(0, true), minor: view.getUint16(2, true) };
  if (payload.length === 4) return { ...version, capabilities: {} };
  if (payload[payload.length - 1] !== 0)
    throw new RangeError('VERSION reply: the JSON text has no NUL at its end');
  const parsed: unknown = JSON.parse(
    new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(4, -1)),
  );
  const capabilities = (parsed as { capabilities?: Record<string, unknown> } | null)?.capabilities ?? {};
  return { ...version, capabilities };
}

export interface DmaMap {
  address: bigint;
  size: bigint;
  offset?: bigint;
  flags?: number;
  argsz?: number;
}

export function encodeDmaMap(map: DmaMap): Uint8Array {
  return pack(32, (view) => {
    view.setUint32(0, map.argsz ?? 32, true);
    view.setUint32(4, map.flags ?? DMA_FLAG.READ | DMA_FLAG.WRITE, true);
    view.setBigUint64(8, map.offset ?? 0n, true);
    view.setBigUint64(16, map.address, true);
    view.setBigUint64(24, map.size, true);
  });
}

export interface DmaUnmap {
  address: bigint;
  size: bigint;
  flags?: number;
  argsz?: number;
}

export function encodeDmaUnmap(unmap: DmaUnmap): Uint8Array {
  return pack(24, (view) => {
    view.setUint32(0, unmap.argsz ?? 24, true);
    view.setUint32(4, unmap.flags ?? 0, true);
    view.setBigUint64(8, unmap.address, true);
    view.setBigUint64(16, unmap.size, true);
  });
}

export interface DeviceInfo {
  flags: number;
  numRegions: number;
  numIrqs: number;
}

export function encodeDeviceInfo(argsz = 16): Uint8Array {
  return pack(16, (view) => view.setUint32(0, argsz, true));
}

export function decodeDeviceInfo(payload: Uint8Array): DeviceInfo {
  const view = need(payload, 16, 'DEVICE_GET_INFO reply');
  return {
    flags: view.getUint32(4, true),
    numRegions: view.getUint32(8, true),
    numIrqs: view.getUint32(12, true),
  };
}

export const REGION_INFO_SIZE = 32;

/** A part of a region: bytes from the region's start. */
export interface RegionArea {
  offset: bigint;
  size: bigint;
}

export interface RegionInfo {
  /** What the whole answer takes; larger than the request's when capabilities did not fit. */
  argsz: number;
  flags: number;
  index: number;
  size: bigint;
  /** Where the region starts in the descriptor that came with it. */
  offset: bigint;
  /** From the sparse-mmap capability; absent: all of a region with REGION_FLAG.MMAP may be mapped. */
  mappable?: RegionArea[];
}

export function encodeRegionInfo(index: number, argsz = REGION_INFO_SIZE): Uint8Array {
  return pack(REGION_INFO_SIZE, (view) => {
    view.setUint32(0, argsz, true);
    view.setUint32(8, index, true);
  });
}

function decodeSparseAreas(view: DataView, at: number): RegionArea[] {
  const count = view.getUint32(at + 8, true);
  return Array.from({ length: count }, (_, i) => ({
    offset: view.getBigUint64(at + 16 + 16 * i, true),
    size: view.getBigUint64(at + 24 + 16 * i, true),
  }));
}

export function decodeRegionInfo(payload: Uint8Array): RegionInfo {
  const view = need(payload, REGION_INFO_SIZE, 'GET_REGION_INFO reply');
  const info: RegionInfo = {
    argsz: view.getUint32(0, true),
    flags: view.getUint32(4, true),
    index: view.getUint32(8, true),
    size: view.getBigUint64(16, true),
    offset: view.getBigUint64(24, true),
  };
  if (!(info.flags & REGION_FLAG.CAPS)) return info;
  let at = view.getUint32(12, true);
  // The chain may only go forward, so a loop made by the server ends.
  while (at >= REGION_INFO_SIZE && at + 8 <= payload.length) {
    if (view.getUint16(at, true) === REGION_CAP_SPARSE_MMAP) info.mappable = decodeSparseAreas(view, at);
    const next = view.getUint32(at + 4, true);
    if (next <= at) break;
    at = next;
  }
  return info;
}

/** One doorbell that the server offers as a descriptor. */
export interface IoFd {
  offset: bigint;
  size: bigint;
  fdIndex: number;
  /** 0 = ioeventfd. */
  type: number;
  flags: number;
  datamatch: bigint;
}

export function encodeRegionIoFds(index: number, argsz: number): Uint8Array {
  return pack(16, (view) => {
    view.setUint32(0, argsz, true);
    view.setUint32(8, index, true);
  });
}

export function decodeRegionIoFds(payload: Uint8Array): { argsz: number; index: number; ioFds: IoFd[] } {
  const view = need(payload, 16, 'GET_REGION_IO_FDS reply');
  const argsz = view.getUint32(0, true);
  const count = argsz > payload.length ? 0 : view.getUint32(12, true);
  const ioFds = Array.from({ length: count }, (_, i) => {
    const at = 16 + 40 * i;
    return {
      offset: view.getBigUint64(at, true),
      size: view.getBigUint64(at + 8, true),
      fdIndex: view.getUint32(at + 16, true),
      type: view.getUint32(at + 20, true),
      flags: view.getUint32(at + 24, true),
      datamatch: view.getBigUint64(at + 32, true),
    };
  });
  return { argsz, index: view.getUint32(8, true), ioFds };
}

export interface IrqInfo {
  flags: number;
  index: number;
  count: number;
}

export function encodeIrqInfo(index: number, argsz = 16): Uint8Array {
  return pack(16, (view) => {
    view.setUint32(0, argsz, true);
    view.setUint32(8, index, true);
  });
}

export function decodeIrqInfo(payload: Uint8Array): IrqInfo {
  const view = need(payload, 16, 'GET_IRQ_INFO reply');
  return { flags: view.getUint32(4, true), index: view.getUint32(8, true), count: view.getUint32(12, true) };
}

export interface SetIrqs {
  index: number;
  flags: number;
  start: number;
  count: number;
  /** What follows the fixed part: one byte per interrupt for DATA_BOOL. */
  data?: Uint8Array;
  argsz?: number;
}

export function encodeSetIrqs(irqs: SetIrqs): Uint8Array {
  const data = irqs.data ?? new Uint8Array();
  const bytes = pack(20 + data.length, (view) => {
    view.setUint32(0, irqs.argsz ?? 20 + data.length, true);
    view.setUint32(4, irqs.flags, true);
    view.setUint32(8, irqs.index, true);
    view.setUint32(12, irqs.start, true);
    view.setUint32(16, irqs.count, true);
  });
  bytes.set(data, 20);
  return bytes;
}

/** REGION_READ, and with data REGION_WRITE; also the fixed part of both replies. */
export function encodeRegionAccess(
  access: { offset: bigint; region: number; count: number },
  data: Uint8Array = new Uint8Array(),
): Uint8Array {
  const bytes = pack(16 + data.length, (view) => {
    view.setBigUint64(0, access.offset, true);
    view.setUint32(8, access.region, true);
    view.setUint32(12, access.count, true);
  });
  bytes.set(data, 16);
  return bytes;
}

export function decodeRegionAccess(payload: Uint8Array): {
  offset: bigint;
  region: number;
  count: number;
  data: Uint8Array;
} {
  const view = need(payload, 16, 'REGION_READ/WRITE');
  return {
    offset: view.getBigUint64(0, true),
    region: view.getUint32(8, true),
    count: view.getUint32(12, true),
    data: payload.subarray(16),
  };
}

/** REGION_WRITE_MULTI: several writes of at most 8 bytes in one message. */
export function encodeRegionWriteMulti(
  writes: readonly { offset: bigint; region: number; data: Uint8Array }[],
): Uint8Array {
  const bytes = pack(8 + 24 * writes.length, (view) => {
    view.setBigUint64(0, BigInt(writes.length), true);
    for (const [i, write] of writes.entries()) {
      view.setBigUint64(8 + 24 * i, write.offset, true);
      view.setUint32(16 + 24 * i, write.region, true);
      view.setUint32(20 + 24 * i, write.data.length, true);
    }
  });
  for (const [i, write] of writes.entries()) bytes.set(write.data.subarray(0, 8), 24 + 24 * i);
  return bytes;
}

/** DMA_READ and DMA_WRITE, which the server sends: address, count, then for a write the data. */
export function decodeDmaAccess(payload: Uint8Array): { address: bigint; count: bigint; data: Uint8Array } {
  const view = need(payload, 16, 'DMA_READ/WRITE');
  return {
    address: view.getBigUint64(0, true),
    count: view.getBigUint64(8, true),
    data: payload.subarray(16),
  };
}

export function encodeDmaAccess(
  access: { address: bigint; count: bigint },
  data: Uint8Array = new Uint8Array(),
): Uint8Array {
  const bytes = pack(16 + data.length, (view) => {
    view.setBigUint64(0, access.address, true);
    view.setBigUint64(8, access.count, true);
  });
  bytes.set(data, 16);
  return bytes;
}
