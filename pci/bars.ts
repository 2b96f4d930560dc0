// Base address registers: what kind of space a device asks for, and how config space says so.
import assert from 'node:assert/strict';

export interface Bar {
  readonly kind: 'io' | 'mem32' | 'mem64';
  readonly prefetchable: boolean;
  /** Bytes, a power of two. */
  readonly size: number;
  /** The client maps the BAR's memory instead of sending accesses as messages. */
  readonly mapped: boolean;
}

/** A BAR as config space shows it: `bits` are fixed, `writable` the address bits; both cover 4 or 8 bytes. */
export interface EncodedBar {
  readonly length: 4 | 8;
  readonly bits: bigint;
  readonly writable: bigint;
}

export const BAR_COUNT = 6;

/** The PCI specification allows an I/O BAR no more. */
const IO_BAR_SIZE_MAX = 256;
const MEM32_BAR_SIZE_MAX = 2 ** 31;
const BAR_IO = 0x1n;
const BAR_MEM64 = 0x4n;
const BAR_PREFETCHABLE = 0x8n;
const MEM_ADDRESS_BITS = 0xffff_ffff_ffff_fff0n;

const isPowerOfTwo = (size: number): boolean =>
  Number.isSafeInteger(size) && Number.isInteger(Math.log2(size));

export function ioBar(size: number): Bar {
  assert(isPowerOfTwo(size) && size >= 4, `I/O BAR of ${size} bytes: the size must be a power of two from 4`);
  assert(size <= IO_BAR_SIZE_MAX, `I/O BAR of ${size} bytes: at most ${IO_BAR_SIZE_MAX} are allowed`);
  return { kind: 'io', prefetchable: false, size, mapped: false };
}

export function memoryBar(
  kind: 'mem32' | 'mem64',
  size: number,
  options: { prefetchable?: boolean; mapped?: boolean } = {},
): Bar {
  assert(
    isPowerOfTwo(size) && size >= 16,
    `memory BAR of ${size} bytes: the size must be a power of two from 16`,
  );
  assert(
    kind === 'mem64' || size <= MEM32_BAR_SIZE_MAX,
    `32-bit memory BAR of ${size} bytes: at most ${MEM32_BAR_SIZE_MAX} fit, make it 64-bit`,
  );
  return { kind, prefetchable: options.prefetchable ?? false, size, mapped: options.mapped ?? false };
}

export function encodeBar(bar: Bar): EncodedBar {
  const size = BigInt(bar.size);
  if (bar.kind === 'io') return { length: 4, bits: BAR_IO, writable: BigInt.asUintN(32, -size) };
  const prefetchable = bar.prefetchable ? BAR_PREFETCHABLE : 0n;
  if (bar.kind === 'mem32') return { length: 4, bits: prefetchable, writable: BigInt.asUintN(32, -size) };
  return {
    length: 8,
    bits: BAR_MEM64 | prefetchable,
    writable: BigInt.asUintN(64, -size) & MEM_ADDRESS_BITS,
  };
}
