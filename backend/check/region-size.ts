// How large a region is, and the BAR that carries it, before it is made.
import type { RegionShape } from '../../native/memory.ts';

const CACHE_LINE = 64;
const PAGE = 4096;
const HUGEPAGE = 2 * 2 ** 20;

export interface PoolPlace {
  readonly offset: number;
  readonly count: number;
  readonly size: number;
}

export interface RegionSize {
  /** Bytes of the three pools. */
  readonly memory: number;
  /** Of BAR 1: a power of two. */
  readonly bar: number;
  readonly pools: { readonly if: PoolPlace; readonly ring: PoolPlace; readonly buf: PoolPlace };
}

const roundUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

export function regionSize(shape: RegionShape): RegionSize {
  let at = 0;
  const place = (count: number, bytes: number): PoolPlace => {
    const pool = { offset: at, count, size: roundUp(bytes, CACHE_LINE) };
    at = roundUp(at + count * pool.size, PAGE);
    return pool;
  };
  const pools = {
    if: place(shape.ifNum, shape.ifSize),
    ring: place(shape.ringNum, shape.ringSize),
    buf: place(shape.bufNum, shape.bufSize),
  };
  const least = shape.hugepages ? roundUp(at, HUGEPAGE) : at;
  return { memory: at, bar: 2 ** Math.ceil(Math.log2(least)), pools };
}

/** `340 MiB`: what people read, from exact bytes. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}
