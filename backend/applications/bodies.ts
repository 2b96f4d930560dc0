// The bodies of netmap's requests (net/netmap.h, ABI 15) as plain objects: each is a table of offsets, read and written by it.
import { constants } from 'node:os';
import { ProtocolError } from '../errors.ts';

const { EINVAL } = constants.errno;

type Width = 'u16' | 'u32' | 'u64';
type Layout = Readonly<Record<string, readonly [offset: number, width: Width]>>;

export interface BodyType<L extends Layout> {
  /** Bytes. */
  readonly size: number;
  readonly layout: L;
}

export type Body<T> = T extends BodyType<infer L> ? { [K in keyof L]: number } : never;

function body<const L extends Layout>(size: number, layout: L): BodyType<L> {
  return { size, layout };
}

const REGISTER_FIELDS = {
  offset: [0, 'u64'],
  memsize: [8, 'u64'],
  txSlots: [16, 'u32'],
  rxSlots: [20, 'u32'],
  txRings: [24, 'u16'],
  rxRings: [26, 'u16'],
  hostTxRings: [28, 'u16'],
  hostRxRings: [30, 'u16'],
  memId: [32, 'u16'],
  ringId: [34, 'u16'],
  mode: [36, 'u32'],
  extraBufs: [40, 'u32'],
  flags: [48, 'u64'],
} as const satisfies Layout;

export const REGISTER = body(56, REGISTER_FIELDS);

export const VALE_ATTACH = body(64, { ...REGISTER_FIELDS, portIndex: [56, 'u32'] });

export const VALE_DETACH = body(8, { portIndex: [0, 'u32'] });

export const VALE_POLLING = body(16, { mode: [0, 'u32'], firstCpu: [4, 'u32'], cpus: [8, 'u32'] });

export const VALE_NEWIF = body(16, {
  txSlots: [0, 'u32'],
  rxSlots: [4, 'u32'],
  txRings: [8, 'u16'],
  rxRings: [10, 'u16'],
  memId: [12, 'u16'],
});

export const PORT_INFO = body(32, {
  memsize: [0, 'u64'],
  txSlots: [8, 'u32'],
  rxSlots: [12, 'u32'],
  txRings: [16, 'u16'],
  rxRings: [18, 'u16'],
  hostTxRings: [20, 'u16'],
  hostRxRings: [22, 'u16'],
  memId: [24, 'u16'],
});

export const VALE_LIST = body(8, { bridge: [0, 'u16'], port: [4, 'u32'] });

export const PORT_HDR = body(8, { length: [0, 'u32'] });

export const POOLS_INFO = body(64, {
  memsize: [0, 'u64'],
  memId: [8, 'u16'],
  ifOffset: [16, 'u64'],
  ifCount: [24, 'u32'],
  ifSize: [28, 'u32'],
  ringOffset: [32, 'u64'],
  ringCount: [40, 'u32'],
  ringSize: [44, 'u32'],
  bufOffset: [48, 'u64'],
  bufCount: [56, 'u32'],
  bufSize: [60, 'u32'],
});

/** Of NETMAP_REQ_OPT_OFFSETS. */
export const OFFSETS = body(32, {
  max: [0, 'u64'],
  initial: [8, 'u64'],
  bits: [16, 'u32'],
  txAlign: [20, 'u32'],
  minGap: [24, 'u64'],
});

/** Of NETMAP_REQ_OPT_EXTMEM: a pointer, and pools. */
export const EXTMEM = body(8 + POOLS_INFO.size, {
  memsize: [8, 'u64'],
  memId: [16, 'u16'],
  /** On its way to the host: which memory it is. */
  ifOffset: [24, 'u64'],
  ifCount: [32, 'u32'],
  ifSize: [36, 'u32'],
  ringOffset: [40, 'u64'],
  ringCount: [48, 'u32'],
  ringSize: [52, 'u32'],
  bufOffset: [56, 'u64'],
  bufCount: [64, 'u32'],
  bufSize: [68, 'u32'],
});

export type RegisterBody = Body<typeof REGISTER>;

/** @throws ProtocolError EINVAL when it is not as long as it should be. */
export function checkedBody<L extends Layout>(
  type: BodyType<L>,
  bytes: Uint8Array,
): { [K in keyof L]: number } {
  if (bytes.length !== type.size)
    throw new ProtocolError(EINVAL, `a body of ${bytes.length} bytes: ${type.size} would be right`);
  return readBody(type, bytes);
}

/** Any 64-bit field of an application's that is no size of ours reads as what is left of it in a double. */
function readBody<L extends Layout>({ layout }: BodyType<L>, bytes: Uint8Array): { [K in keyof L]: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = ([offset, width]: readonly [number, Width]): number => {
    if (width === 'u16') return view.getUint16(offset, true);
    return width === 'u32' ? view.getUint32(offset, true) : Number(view.getBigUint64(offset, true));
  };
  const entries = Object.entries(layout).map(([key, field]) => [key, read(field)]);
  return Object.fromEntries(entries) as { [K in keyof L]: number };
}

/** `before` with the fields that are given. */
export function writeBody<L extends Layout>(
  { layout }: BodyType<L>,
  before: Uint8Array,
  fields: Partial<{ [K in keyof L]: number }>,
): Uint8Array {
  const bytes = Uint8Array.from(before);
  const view = new DataView(bytes.buffer);
  for (const [key, value] of Object.entries(fields) as [string, number][]) {
    const [offset, width] = layout[key]!;
    if (width === 'u16') view.setUint16(offset, value, true);
    else if (width === 'u32') view.setUint32(offset, value, true);
    else view.setBigUint64(offset, BigInt(value), true);
  }
  return bytes;
}
