// The guest memory that a client let us reach: ranges of guest-physical addresses, with the files that hold them.
import { constants } from 'node:os';
import { ProtocolError } from '../errors.ts';
import { checkDmaFd } from './dma-fd.ts';
import { closeFds } from './message.ts';
import { DMA_FLAG, DMA_PAGE_SIZE, MAX_DMA_MAPS, UNMAP_FLAG } from './protocol.ts';
import type { DmaMapRequest, DmaUnmapRequest } from './wire.ts';

const { EACCES, EEXIST, EFAULT, EINVAL, ENOENT, ENOSPC, EOPNOTSUPP } = constants.errno;

const ADDRESS_SPACE = 1n << 64n;
const PAGE = BigInt(DMA_PAGE_SIZE);
const ACCESS = DMA_FLAG.READ | DMA_FLAG.WRITE;

export interface DmaMap {
  readonly address: bigint;
  readonly size: bigint;
  /** DMA_FLAG.READ, WRITE or both. */
  readonly flags: number;
  /** Where the range starts in its file. */
  readonly offset: bigint;
  /** -1: the client keeps the memory to itself (a BAR of another device, or memory that is not shared). */
  readonly fd: number;
  /** It came with a descriptor, but not of memory that can be mapped; that is closed and not touched. */
  readonly foreign: boolean;
}

/** Why nothing of ours can lie in a range of guest memory. */
export type DmaMiss = 'unmapped' | 'beyond' | 'access' | 'private' | 'foreign';

const MISS_ERRNO: Readonly<Record<DmaMiss, number>> = {
  unmapped: EFAULT,
  beyond: EFAULT,
  access: EACCES,
  private: EOPNOTSUPP,
  foreign: EINVAL,
};

export class DmaTable {
  /** By address; they do not overlap. */
  #maps: DmaMap[] = [];
  /** As many there may be. */
  readonly max: number;

  constructor(max = MAX_DMA_MAPS) {
    this.max = max;
  }

  get maps(): readonly DmaMap[] {
    return this.#maps;
  }

  /** Where a range lies; the descriptor stays the table's. */
  resolve(
    address: bigint,
    length: number,
    access: 'r' | 'w' | 'rw',
  ): { fd: number; offset: bigint } | { errno: number; miss: DmaMiss } {
    const map = this.#maps[this.#firstEndingAfter(address)];
    if (length <= 0 || map === undefined || map.address > address) return missed('unmapped');
    if (address + BigInt(length) > map.address + map.size) return missed('beyond');
    const needed = (access.includes('r') ? DMA_FLAG.READ : 0) | (access.includes('w') ? DMA_FLAG.WRITE : 0);
    if ((map.flags & needed) !== needed) return missed('access');
    if (map.fd < 0) return missed(map.foreign ? 'foreign' : 'private');
    return { fd: map.fd, offset: map.offset + address - map.address };
  }

  /**
   * Takes over `fd`, unless it throws.
   * @throws ProtocolError
   */
  map(request: DmaMapRequest, fd: number | undefined): DmaMap {
    const { address, size } = request;
    checkRange(address, size);
    checkFlags(request.flags, fd !== undefined);
    const at = this.#firstEndingAfter(address);
    const next = this.#maps[at];
    if (next !== undefined && next.address < address + size) {
      throw new ProtocolError(EEXIST, `${range(address, size)} overlaps ${range(next.address, next.size)}`);
    }
    if (this.#maps.length >= this.max) {
      throw new ProtocolError(ENOSPC, `${range(address, size)}: there are already ${this.max} maps`);
    }
    const map = { address, size, flags: request.flags & ACCESS, ...placeIn(fd, request) };
    this.#maps.splice(at, 0, map);
    return map;
  }

  /**
   * Drops whole maps: one, or several that lie in a range, or all. `before` is called while they are still there.
   * @throws ProtocolError
   */
  unmap(request: DmaUnmapRequest, before: (map: DmaMap) => void): void {
    const [first, end] = this.#select(request);
    const dropped = this.#maps.slice(first, end);
    for (const map of dropped) before(map);
    this.#maps.splice(first, dropped.length);
    closeFds(dropped.filter((map) => map.fd >= 0).map((map) => map.fd));
  }

  clear(): void {
    const fds = this.#maps.filter((map) => map.fd >= 0).map((map) => map.fd);
    this.#maps = [];
    closeFds(fds);
  }

  #select({ flags, address, size }: DmaUnmapRequest): [first: number, end: number] {
    if ((flags & UNMAP_FLAG.GET_DIRTY_BITMAP) !== 0) {
      throw new ProtocolError(EOPNOTSUPP, 'a dirty bitmap: we do not track writes');
    }
    if ((flags & ~UNMAP_FLAG.ALL) !== 0)
      throw new ProtocolError(EINVAL, `flags 0x${flags.toString(16)}: unknown`);
    if (flags === UNMAP_FLAG.ALL) {
      if (address === 0n && size === 0n) return [0, this.#maps.length];
      throw new ProtocolError(EINVAL, `unmap all with ${range(address, size)}: address and size must be 0`);
    }
    checkRange(address, size);
    const first = this.#firstEndingAfter(address);
    const end = this.#firstEndingAfter(address + size - 1n);
    const inside = this.#maps.slice(first, end + 1).filter((map) => map.address < address + size);
    const cut = inside.find((map) => map.address < address || map.address + map.size > address + size);
    if (cut !== undefined) {
      throw new ProtocolError(EINVAL, `${range(address, size)} cuts through ${range(cut.address, cut.size)}`);
    }
    if (inside.length === 0)
      throw new ProtocolError(ENOENT, `${range(address, size)}: nothing is mapped there`);
    return [first, first + inside.length];
  }

  /** The index of the first map that ends after `address`: the one that holds it, or the next. */
  #firstEndingAfter(address: bigint): number {
    let low = 0;
    let high = this.#maps.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const map = this.#maps[middle]!;
      if (map.address + map.size <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function missed(miss: DmaMiss): { errno: number; miss: DmaMiss } {
  return { errno: MISS_ERRNO[miss], miss };
}

function checkFlags(flags: number, withFd: boolean): void {
  const how = flags & ~ACCESS;
  if ((flags & ACCESS) === 0 || (how !== 0 && how !== DMA_FLAG.MMAP && how !== DMA_FLAG.FILE_IO)) {
    const wanted = 'read, write or both expected, and mmap or file I/O or neither';
    throw new ProtocolError(EINVAL, `flags 0x${flags.toString(16)}: ${wanted}`);
  }
  if (how !== 0 && !withFd) {
    throw new ProtocolError(EINVAL, `flags 0x${flags.toString(16)}: a descriptor has to come with them`);
  }
}

function placeIn(fd: number | undefined, request: DmaMapRequest): Pick<DmaMap, 'offset' | 'fd' | 'foreign'> {
  if (fd === undefined) return { offset: 0n, fd: -1, foreign: false };
  const byFileIo = (request.flags & DMA_FLAG.FILE_IO) !== 0;
  if (!byFileIo && checkDmaFd(fd, request)) return { offset: request.offset, fd, foreign: false };
  closeFds([fd]);
  return { offset: 0n, fd: -1, foreign: true };
}

function checkRange(address: bigint, size: bigint): void {
  if (size === 0n) throw new ProtocolError(EINVAL, `${range(address, size)}: is empty`);
  if (address + size > ADDRESS_SPACE) {
    throw new ProtocolError(EINVAL, `${range(address, size)}: runs over the end of the address space`);
  }
  if (address % PAGE !== 0n || size % PAGE !== 0n) {
    throw new ProtocolError(EINVAL, `${range(address, size)}: must be a multiple of ${DMA_PAGE_SIZE}`);
  }
}

function range(address: bigint, size: bigint): string {
  return `0x${address.toString(16)}+0x${size.toString(16)}`;
}
