// The memory device's driver: finds it by its ids, reads its registers, maps the region behind BAR 1.
import { closeFd, type Mapping, mapFd } from '../../native/os.ts';
import { MEMDEV } from '../../pci/memdev/registers.ts';
import { GuestError } from './errors.ts';
import type { PciFunction } from './pci.ts';
import type { Pool, RegionMemory } from './shared-ring.ts';

const PAGE = 4096;

export class Memdev implements RegionMemory {
  readonly pci: PciFunction;
  memsize = 0;
  memid = 0;
  ifPool: Pool = { offset: 0, count: 0, size: 0 };
  ringPool: Pool = { offset: 0, count: 0, size: 0 };
  bufPool: Pool = { offset: 0, count: 0, size: 0 };
  #mapping: Mapping | undefined;

  private constructor(pci: PciFunction) {
    this.pci = pci;
  }

  /** Attaches to a function that has been probed, placed and enabled. @throws GuestError when it is no memory device. */
  static async attach(pci: PciFunction, options: { otherIds?: boolean } = {}): Promise<Memdev> {
    pci.require('memory device', MEMDEV, options.otherIds);
    const memdev = new Memdev(pci);
    await memdev.#readRegisters();
    memdev.#map();
    return memdev;
  }

  get name(): string {
    return this.pci.name;
  }

  get buffer(): ArrayBuffer {
    return this.#mapped().buffer;
  }

  /** Where the region is in this process. */
  get address(): bigint {
    return this.#mapped().address;
  }

  /** Has the kernel map each page of the region into this process: reading is enough where memory is shared. */
  prefault(): void {
    const bytes = new Uint8Array(this.buffer);
    // A read that no compiler leaves out.
    for (let at = 0; at < bytes.length; at += PAGE) Atomics.load(bytes, at);
  }

  close(): void {
    this.#mapping?.unmap();
    this.#mapping = undefined;
    this.pci.close();
  }

  async #readRegisters(): Promise<void> {
    const read = async (offset: number) => await this.pci.device.read32(MEMDEV.IO_BAR, offset);
    const pool = async (offset: number, count: number, size: number): Promise<Pool> => ({
      offset: await read(offset),
      count: await read(count),
      size: await read(size),
    });
    const low = await read(MEMDEV.IO_MEMSIZE_LO);
    this.memsize = (await read(MEMDEV.IO_MEMSIZE_HI)) * 0x1_0000_0000 + low;
    this.memid = await read(MEMDEV.IO_MEMID);
    this.ifPool = await pool(MEMDEV.IO_IF_POOL_OFS, MEMDEV.IO_IF_POOL_OBJNUM, MEMDEV.IO_IF_POOL_OBJSZ);
    this.ringPool = await pool(
      MEMDEV.IO_RING_POOL_OFS,
      MEMDEV.IO_RING_POOL_OBJNUM,
      MEMDEV.IO_RING_POOL_OBJSZ,
    );
    this.bufPool = await pool(MEMDEV.IO_BUF_POOL_OFS, MEMDEV.IO_BUF_POOL_OBJNUM, MEMDEV.IO_BUF_POOL_OBJSZ);
    for (const { offset, count, size } of [this.ifPool, this.ringPool, this.bufPool]) {
      if (count > 0 && size > 0 && offset + count * size <= this.memsize) continue;
      throw new GuestError(
        `${this.name}: pool of ${count} x ${size} bytes at ${offset}: want it inside ${this.memsize} bytes`,
      );
    }
  }

  #map(): void {
    const region = this.pci.takeRegionFd(MEMDEV.MEM_BAR);
    try {
      if (BigInt(this.memsize) > region.size) {
        throw new GuestError(`${this.name}: region of ${this.memsize} bytes: BAR 1 has only ${region.size}`);
      }
      this.#mapping = mapFd(region.fd, {
        offset: Number(region.offset),
        length: Number(region.size),
        writable: true,
      });
    } finally {
      closeFd(region.fd);
    }
  }

  #mapped(): Mapping {
    if (!this.#mapping) throw new GuestError(`${this.name}: the region is not mapped: the device is closed`);
    return this.#mapping;
  }
}
