// The memory device: tells a guest where the pools of a netmap region lie, and carries the region in BAR 1.
import assert from 'node:assert/strict';
import { BAR_COUNT, type Bar, ioBar, memoryBar } from '../bars.ts';
import { ConfigSpace } from '../config-space.ts';
import { assembleDevice, type BarSpace, type RegisterDevice } from '../device.ts';
import { DEFAULT_PCI_IDS, PCI_IDS, type PciIds, SUBSYSTEM } from '../identity.ts';
import { RegisterFile } from '../register-file.ts';
import { type OnReject, Rejects } from '../rejects.ts';
import { MEMDEV, MEMDEV_REGISTERS } from './registers.ts';

export interface Pool {
  /** Bytes from the start of the region. */
  offset: number;
  /** Objects. */
  count: number;
  /** Bytes of one object. */
  size: number;
}

export interface MemdevInfo {
  memsize: bigint;
  memid: number;
  barSize: bigint;
  pools: { if: Pool; ring: Pool; buf: Pool };
}

/** Copies parts of a region; they always lie inside it. Not one array: a region may be larger than any. */
export interface MemoryAccess {
  read(offset: number, into: Uint8Array): void;
  write(offset: number, from: Uint8Array): void;
}

export interface MemdevOptions {
  bar1?: 'mem64' | 'mem32';
  /** The region's bytes: answers a client that sends messages instead of mapping BAR 1. */
  memory?: MemoryAccess;
  ids?: PciIds;
  onReject?: OnReject;
}

export function createMemdev(name: string, info: MemdevInfo, options: MemdevOptions = {}): RegisterDevice {
  checkInfo(name, info);
  const rejects = new Rejects(options.onReject);
  const size = Number(info.barSize);
  const bars: (Bar | undefined)[] = new Array(BAR_COUNT).fill(undefined);
  bars[MEMDEV.IO_BAR] = ioBar(MEMDEV.IO_BAR_SIZE);
  bars[MEMDEV.MEM_BAR] = memoryBar(options.bar1 ?? 'mem64', size, { prefetchable: true, mapped: true });
  const values = registerValues(info);
  const registers = new RegisterFile({
    table: MEMDEV_REGISTERS,
    size: MEMDEV.IO_BAR_SIZE,
    bar: MEMDEV.IO_BAR,
    rejects,
    bank: {
      read: (register) => values.get(register)!,
      write: () => assert.fail('the memory device has no writable register'),
    },
  });
  const { memory } = options;
  const identity = {
    vendorId: MEMDEV.VENDOR_ID,
    deviceId: PCI_IDS[options.ids ?? DEFAULT_PCI_IDS].memdev,
    classCode: MEMDEV.CLASS_CODE,
    ...SUBSYSTEM,
  };
  return assembleDevice({
    name,
    config: new ConfigSpace({ identity, bars, rejects }),
    bars,
    spaces: [registers, memory === undefined ? undefined : memorySpace(memory, Number(info.memsize))],
    registers: MEMDEV_REGISTERS,
    rejects,
  });
}

function checkInfo(name: string, { memsize, memid, barSize, pools }: MemdevInfo): void {
  assert(memid >= 1 && memid <= 0xffff, `${name}: memid ${memid}, must be 1 to 65535`);
  assert(memsize > 0n && memsize <= barSize, `${name}: region of ${memsize} bytes in a BAR of ${barSize}`);
  for (const [pool, { offset, count, size }] of Object.entries(pools)) {
    for (const value of [offset, count, size]) {
      assert(
        Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff,
        `${name}: ${pool} pool: ${value} is no u32`,
      );
    }
    const end = BigInt(offset) + BigInt(count) * BigInt(size);
    assert(end <= memsize, `${name}: ${pool} pool ends outside of the region`);
  }
}

function registerValues({ memsize, memid, pools }: MemdevInfo): Map<string, number> {
  const values = new Map<string, number>([
    ['PTNET_MDEV_IO_MEMSIZE_LO', Number(memsize & 0xffff_ffffn)],
    ['PTNET_MDEV_IO_MEMSIZE_HI', Number(memsize >> 32n)],
    ['PTNET_MDEV_IO_MEMID', memid],
  ]);
  for (const [pool, { offset, count, size }] of Object.entries(pools)) {
    const prefix = `PTNET_MDEV_IO_${pool.toUpperCase()}_POOL`;
    values.set(`${prefix}_OFS`, offset).set(`${prefix}_OBJNUM`, count).set(`${prefix}_OBJSZ`, size);
  }
  return values;
}

/** The BAR is rounded up to a power of two: behind the region it reads 0 and keeps nothing. */
function memorySpace(memory: MemoryAccess, size: number): BarSpace {
  const inside = (offset: number, bytes: Uint8Array): Uint8Array =>
    bytes.subarray(0, Math.max(0, size - offset));
  return {
    read(offset, into) {
      into.fill(0);
      const part = inside(offset, into);
      if (part.length > 0) memory.read(offset, part);
    },
    write(offset, from) {
      const part = inside(offset, from);
      if (part.length > 0) memory.write(offset, part);
    },
  };
}
