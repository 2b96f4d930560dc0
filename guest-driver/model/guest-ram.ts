// Guest RAM: one memfd, mapped here and at guest-physical addresses, with a page allocator for what a driver needs.
import { constants } from 'node:os';
import { closeFd, type Mapping, mapFd, memfdCreate } from '../../native/os.ts';
import { decodeDmaAccess, encodeDmaAccess, VFIO_USER } from './messages.ts';
import { PageAllocator } from './page-allocator.ts';

export const PAGE_SIZE = 4096;
/** Where a PC continues its RAM when the hole below 4G ends it. */
export const ABOVE_4G = 0x1_0000_0000n;

const { EFAULT, EOPNOTSUPP } = constants.errno;
const MAX_ACCESS = 1024n * 1024n;

/** One stretch of RAM as it is announced with DMA_MAP. */
export interface RamPart {
  address: bigint;
  offset: bigint;
  size: bigint;
}

export interface RamPages {
  /** Guest-physical. */
  address: bigint;
  /** In this process. */
  pointer: bigint;
  bytes: Uint8Array;
}

export class GuestRam {
  readonly fd: number;
  readonly size: number;
  readonly parts: readonly RamPart[];
  readonly #mapping: Mapping;
  /** One per part: pages next to each other must be so for the guest as well. */
  readonly #pages: readonly PageAllocator[];

  /** `split`: half of it continues above 4G, as on a PC with more RAM than fits below. */
  constructor(size: number, options: { split?: boolean } = {}) {
    if (size <= 0 || size % (2 * PAGE_SIZE) !== 0) {
      throw new RangeError(`guest RAM of ${size} bytes: want a multiple of ${2 * PAGE_SIZE}`);
    }
    this.size = size;
    this.fd = memfdCreate('guest-ram', size);
    this.#mapping = mapFd(this.fd, { length: size, writable: true });
    const half = BigInt(size) / 2n;
    this.parts = options.split
      ? [
          { address: 0n, offset: 0n, size: half },
          { address: ABOVE_4G, offset: half, size: half },
        ]
      : [{ address: 0n, offset: 0n, size: BigInt(size) }];
    this.#pages = this.parts.map(({ offset, size }) => {
      const first = Number(offset) / PAGE_SIZE;
      // Page 0 stays free: address 0 means "no CSB".
      const reserved = first === 0 ? 1 : 0;
      return new PageAllocator(first + reserved, Number(size) / PAGE_SIZE - reserved);
    });
  }

  get buffer(): ArrayBuffer {
    return this.#mapping.buffer;
  }

  /** Pages next to each other, zeroed; `high`: from above 4G when there is such a part (needs both CSB registers). */
  allocate(pages: number, options: { high?: boolean } = {}): RamPages {
    const first = this.#pages.at(options.high ? -1 : 0)!.allocate(pages);
    const offset = first * PAGE_SIZE;
    const bytes = new Uint8Array(this.buffer, offset, pages * PAGE_SIZE).fill(0);
    return { address: this.#toAddress(offset), pointer: this.#mapping.address + BigInt(offset), bytes };
  }

  free(pages: RamPages): void {
    const part = this.parts.findLastIndex(({ offset }) => BigInt(pages.bytes.byteOffset) >= offset);
    this.#pages[part]!.free(pages.bytes.byteOffset / PAGE_SIZE, pages.bytes.byteLength / PAGE_SIZE);
  }

  /** The memory at a guest-physical address; undefined when it is not, or not all, in one part. */
  at(address: bigint, length: number): Uint8Array | undefined {
    const part = this.parts.find(
      (p) => address >= p.address && address + BigInt(length) <= p.address + p.size,
    );
    if (!part) return undefined;
    return new Uint8Array(this.buffer, Number(address - part.address + part.offset), length);
  }

  /** Answers DMA_READ and DMA_WRITE, which a server sends for memory that it has no descriptor of. */
  onCommand(command: number, payload: Uint8Array): Uint8Array | number {
    if (command !== VFIO_USER.DMA_READ && command !== VFIO_USER.DMA_WRITE) return EOPNOTSUPP;
    const { address, count, data } = decodeDmaAccess(payload);
    const memory = count <= MAX_ACCESS ? this.at(address, Number(count)) : undefined;
    if (!memory) return EFAULT;
    if (command === VFIO_USER.DMA_READ) return encodeDmaAccess({ address, count }, memory);
    if (data.length !== memory.length) return EFAULT;
    memory.set(data);
    return encodeDmaAccess({ address, count });
  }

  close(): void {
    if (this.#mapping.address === 0n) return;
    this.#mapping.unmap();
    closeFd(this.fd);
  }

  #toAddress(offset: number): bigint {
    const at = BigInt(offset);
    const part = this.parts.find((p) => at >= p.offset && at < p.offset + p.size)!;
    return part.address + at - part.offset;
  }
}
