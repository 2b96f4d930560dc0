// The vfio-user messages as bytes: what a client sends becomes checked objects, what we answer becomes bytes.
import { constants } from 'node:os';
import { ProtocolError } from '../errors.ts';
import { FLAG, HEADER_SIZE, REGION_CAP_SPARSE_MMAP, REGION_FLAG, UNMAP_FLAG } from './protocol.ts';

const { EINVAL } = constants.errno;

export interface Header {
  readonly id: number;
  readonly command: number;
  /** Header included. */
  readonly size: number;
  readonly flags: number;
}

/** Little-endian fields of a payload whose length was checked once; reading inside that length cannot fail. */
export class Fields {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @throws ProtocolError EINVAL when the payload is not `size` bytes long. */
  static exactly(payload: Uint8Array, size: number): Fields {
    if (payload.length !== size) throw badLength(payload.length, `${size}`);
    return new Fields(payload);
  }

  /** @throws ProtocolError EINVAL when the payload is shorter than `size` bytes. */
  static atLeast(payload: Uint8Array, size: number): Fields {
    if (payload.length < size) throw badLength(payload.length, `at least ${size}`);
    return new Fields(payload);
  }

  get length(): number {
    return this.#bytes.length;
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  u64(offset: number): bigint {
    return this.#view.getBigUint64(offset, true);
  }

  bytes(offset: number, length?: number): Uint8Array {
    return this.#bytes.subarray(offset, length === undefined ? undefined : offset + length);
  }
}

function badLength(length: number, wanted: string): ProtocolError {
  return new ProtocolError(EINVAL, `payload of ${length} bytes: ${wanted} expected`);
}

/** undefined: too short to hold a header. */
export function decodeHeader(message: Uint8Array): Header | undefined {
  if (message.length < HEADER_SIZE) return undefined;
  const fields = Fields.atLeast(message, HEADER_SIZE);
  return { id: fields.u16(0), command: fields.u16(2), size: fields.u32(4), flags: fields.u32(8) };
}

export function encodeReply(to: Header, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEADER_SIZE + payload.length);
  writeReplyHeader(message, to, FLAG.REPLY, 0);
  message.set(payload, HEADER_SIZE);
  return message;
}

/** An error reply is a header only. */
export function encodeError(to: Header, errno: number): Uint8Array {
  const message = new Uint8Array(HEADER_SIZE);
  writeReplyHeader(message, to, FLAG.REPLY | FLAG.ERROR, errno);
  return message;
}

function writeReplyHeader(message: Uint8Array, to: Header, flags: number, errno: number): void {
  const view = new DataView(message.buffer);
  view.setUint16(0, to.id, true);
  view.setUint16(2, to.command, true);
  view.setUint32(4, message.length, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, errno, true);
}

const VERSION_TEXT = 4;

export interface Version {
  readonly major: number;
  readonly minor: number;
  /** The JSON text with its NUL; empty when there is none. */
  readonly data: Uint8Array;
}

export function decodeVersion(payload: Uint8Array): Version {
  const fields = Fields.atLeast(payload, VERSION_TEXT);
  return { major: fields.u16(0), minor: fields.u16(2), data: fields.bytes(VERSION_TEXT) };
}

export function encodeVersion(major: number, minor: number, json: string): Uint8Array {
  const text = new TextEncoder().encode(`${json}\0`);
  const payload = new Uint8Array(VERSION_TEXT + text.length);
  const view = new DataView(payload.buffer);
  view.setUint16(0, major, true);
  view.setUint16(2, minor, true);
  payload.set(text, VERSION_TEXT);
  return payload;
}

const DMA_MAP_SIZE = 32;

export interface DmaMapRequest {
  readonly flags: number;
  readonly offset: bigint;
  readonly address: bigint;
  readonly size: bigint;
}

export function decodeDmaMap(payload: Uint8Array): DmaMapRequest {
  const fields = Fields.exactly(payload, DMA_MAP_SIZE);
  checkArgsz(fields, DMA_MAP_SIZE);
  return { flags: fields.u32(4), offset: fields.u64(8), address: fields.u64(16), size: fields.u64(24) };
}

const DMA_UNMAP_SIZE = 24;

export interface DmaUnmapRequest {
  readonly flags: number;
  readonly address: bigint;
  readonly size: bigint;
}

export function decodeDmaUnmap(payload: Uint8Array): DmaUnmapRequest {
  const fields = Fields.atLeast(payload, DMA_UNMAP_SIZE);
  checkArgsz(fields, DMA_UNMAP_SIZE);
  // A request for a dirty bitmap is longer; it is refused for its flag, not for its length.
  if ((fields.u32(4) & UNMAP_FLAG.GET_DIRTY_BITMAP) === 0) Fields.exactly(payload, DMA_UNMAP_SIZE);
  return { flags: fields.u32(4), address: fields.u64(8), size: fields.u64(16) };
}

/** The reply repeats the request's fields. */
export function encodeDmaUnmap(request: DmaUnmapRequest): Uint8Array {
  const payload = new Uint8Array(DMA_UNMAP_SIZE);
  const view = new DataView(payload.buffer);
  view.setUint32(0, DMA_UNMAP_SIZE, true);
  view.setUint32(4, request.flags, true);
  view.setBigUint64(8, request.address, true);
  view.setBigUint64(16, request.size, true);
  return payload;
}

const DEVICE_INFO_SIZE = 16;

export function decodeDeviceInfo(payload: Uint8Array): void {
  checkArgsz(Fields.atLeast(payload, DEVICE_INFO_SIZE), DEVICE_INFO_SIZE);
}

export function encodeDeviceInfo(info: { flags: number; regions: number; irqs: number }): Uint8Array {
  return words(DEVICE_INFO_SIZE, info.flags, info.regions, info.irqs);
}

const REGION_INFO_SIZE = 32;
const SPARSE_MMAP_CAP_SIZE = 32;

export function decodeRegionInfo(payload: Uint8Array): { argsz: number; index: number } {
  // Some clients leave the room for capabilities in the message too.
  const fields = Fields.atLeast(payload, REGION_INFO_SIZE);
  return { argsz: checkArgsz(fields, REGION_INFO_SIZE), index: fields.u32(8) };
}

export interface RegionInfo {
  readonly index: number;
  readonly size: bigint;
  readonly flags: number;
  /** Where the region starts in its descriptor. */
  readonly offset: bigint;
  /** Bytes from the region's start that may be mapped, when that is not all of it. */
  readonly sparse?: bigint;
}

/** `complete` is false when a capability did not fit in `argsz`; the client then asks again with the right size. */
export function encodeRegionInfo(
  info: RegionInfo,
  argsz: number,
): { payload: Uint8Array; complete: boolean } {
  const needed = REGION_INFO_SIZE + (info.sparse === undefined ? 0 : SPARSE_MMAP_CAP_SIZE);
  const complete = argsz >= needed;
  const payload = new Uint8Array(complete ? needed : REGION_INFO_SIZE);
  const view = new DataView(payload.buffer);
  view.setUint32(0, needed, true);
  view.setUint32(4, info.sparse === undefined ? info.flags : info.flags | REGION_FLAG.CAPS, true);
  view.setUint32(8, info.index, true);
  view.setBigUint64(16, info.size, true);
  view.setBigUint64(24, info.offset, true);
  if (info.sparse === undefined) return { payload, complete };
  view.setUint32(12, REGION_INFO_SIZE, true);
  if (!complete) return { payload, complete };
  view.setUint16(REGION_INFO_SIZE, REGION_CAP_SPARSE_MMAP, true);
  view.setUint16(REGION_INFO_SIZE + 2, 1, true);
  // One area, from the region's start.
  view.setUint32(REGION_INFO_SIZE + 8, 1, true);
  view.setBigUint64(REGION_INFO_SIZE + 24, info.sparse, true);
  return { payload, complete };
}

const REGION_IO_FDS_SIZE = 16;
const IO_FD_SIZE = 40;

export function decodeRegionIoFds(payload: Uint8Array): { argsz: number; index: number } {
  const fields = Fields.atLeast(payload, REGION_IO_FDS_SIZE);
  const argsz = checkArgsz(fields, REGION_IO_FDS_SIZE);
  if (fields.u32(4) !== 0 || fields.u32(12) !== 0) {
    throw new ProtocolError(EINVAL, `flags ${fields.u32(4)}, count ${fields.u32(12)}: both must be 0`);
  }
  return { argsz, index: fields.u32(8) };
}

export interface IoFd {
  readonly offset: number;
  readonly size: number;
  /** Which of the reply's descriptors. */
  readonly fdIndex: number;
  readonly type: number;
  readonly flags: number;
}

/** How many entries a reply of `argsz` bytes holds: all of them or, as the specification has it, none. */
export function ioFdsThatFit(argsz: number, count: number): number {
  return argsz >= REGION_IO_FDS_SIZE + count * IO_FD_SIZE ? count : 0;
}

/** `offered` is more than the entries sent when they do not fit: argsz then tells the client how much room they need. */
export function encodeRegionIoFds(index: number, offered: number, entries: readonly IoFd[]): Uint8Array {
  const payload = new Uint8Array(REGION_IO_FDS_SIZE + entries.length * IO_FD_SIZE);
  const view = new DataView(payload.buffer);
  view.setUint32(0, REGION_IO_FDS_SIZE + offered * IO_FD_SIZE, true);
  view.setUint32(8, index, true);
  view.setUint32(12, entries.length, true);
  entries.forEach((entry, i) => {
    const at = REGION_IO_FDS_SIZE + i * IO_FD_SIZE;
    view.setBigUint64(at, BigInt(entry.offset), true);
    view.setBigUint64(at + 8, BigInt(entry.size), true);
    view.setUint32(at + 16, entry.fdIndex, true);
    view.setUint32(at + 20, entry.type, true);
    view.setUint32(at + 24, entry.flags, true);
  });
  return payload;
}

const IRQ_INFO_SIZE = 16;

export function decodeIrqInfo(payload: Uint8Array): { index: number } {
  const fields = Fields.atLeast(payload, IRQ_INFO_SIZE);
  checkArgsz(fields, IRQ_INFO_SIZE);
  return { index: fields.u32(8) };
}

export function encodeIrqInfo(info: { index: number; flags: number; count: number }): Uint8Array {
  return words(IRQ_INFO_SIZE, info.flags, info.index, info.count);
}

const SET_IRQS_SIZE = 20;

export interface SetIrqsRequest {
  readonly flags: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
  readonly data: Uint8Array;
}

export function decodeSetIrqs(payload: Uint8Array): SetIrqsRequest {
  const fields = Fields.atLeast(payload, SET_IRQS_SIZE);
  // Whether data that are descriptors count differs among clients: what is there is taken from the payload.
  checkArgsz(fields, SET_IRQS_SIZE);
  return {
    flags: fields.u32(4),
    index: fields.u32(8),
    start: fields.u32(12),
    count: fields.u32(16),
    data: fields.bytes(SET_IRQS_SIZE),
  };
}

const REGION_ACCESS_SIZE = 16;

export interface RegionAccess {
  readonly offset: bigint;
  readonly region: number;
  readonly count: number;
}

export function decodeRegionRead(payload: Uint8Array): RegionAccess {
  return decodeAccess(Fields.exactly(payload, REGION_ACCESS_SIZE), 0);
}

export function decodeRegionWrite(payload: Uint8Array): RegionAccess & { data: Uint8Array } {
  const fields = Fields.atLeast(payload, REGION_ACCESS_SIZE);
  const access = decodeAccess(fields, 0);
  const data = fields.bytes(REGION_ACCESS_SIZE);
  if (access.count !== data.length) {
    throw new ProtocolError(EINVAL, `count ${access.count}: the message carries ${data.length} bytes`);
  }
  return { ...access, data };
}

/** A reply to REGION_READ with room for the data, or to REGION_WRITE without. */
export function encodeRegionAccess(
  access: RegionAccess,
  dataLength = 0,
): { payload: Uint8Array; data: Uint8Array } {
  const payload = new Uint8Array(REGION_ACCESS_SIZE + dataLength);
  const view = new DataView(payload.buffer);
  view.setBigUint64(0, access.offset, true);
  view.setUint32(8, access.region, true);
  view.setUint32(12, access.count, true);
  return { payload, data: payload.subarray(REGION_ACCESS_SIZE) };
}

const WRITE_MULTI_SIZE = 8;
const WRITE_MULTI_ENTRY = 24;
export const WRITE_MULTI_DATA = 8;

/** There may be tens of thousands of them: each is looked at when its turn comes. */
export interface WriteMulti {
  readonly count: number;
  /** @throws ProtocolError EINVAL */
  at(i: number): RegionAccess & { readonly data: Uint8Array };
}

export function decodeWriteMulti(payload: Uint8Array): WriteMulti {
  const fields = Fields.atLeast(payload, WRITE_MULTI_SIZE);
  const room = Math.floor((payload.length - WRITE_MULTI_SIZE) / WRITE_MULTI_ENTRY);
  const count = fields.u64(0);
  if (count > BigInt(room)) throw new ProtocolError(EINVAL, `wr_cnt ${count}: the message carries ${room}`);
  const at = (i: number) => {
    const start = WRITE_MULTI_SIZE + i * WRITE_MULTI_ENTRY;
    const access = decodeAccess(fields, start);
    if (access.count > WRITE_MULTI_DATA) {
      throw new ProtocolError(EINVAL, `write ${i} of ${access.count} bytes: at most ${WRITE_MULTI_DATA} fit`);
    }
    return { ...access, data: fields.bytes(start + REGION_ACCESS_SIZE, access.count) };
  };
  return { count: Number(count), at };
}

export function encodeWriteMulti(count: number): Uint8Array {
  const payload = new Uint8Array(WRITE_MULTI_SIZE);
  new DataView(payload.buffer).setBigUint64(0, BigInt(count), true);
  return payload;
}

function decodeAccess(fields: Fields, at: number): RegionAccess {
  return { offset: fields.u64(at), region: fields.u32(at + 8), count: fields.u32(at + 12) };
}

/** argsz says how much the client has room for: never less than the fixed part. */
function checkArgsz(fields: Fields, fixed: number): number {
  const argsz = fields.u32(0);
  if (argsz < fixed) throw new ProtocolError(EINVAL, `argsz ${argsz}: at least ${fixed} expected`);
  return argsz;
}

/** A payload of `size` bytes that begins with its own size, argsz, and goes on with u32 fields. */
function words(size: number, ...values: number[]): Uint8Array {
  const payload = new Uint8Array(size);
  const view = new DataView(payload.buffer);
  [size, ...values].forEach((value, i) => {
    view.setUint32(4 * i, value, true);
  });
  return payload;
}
