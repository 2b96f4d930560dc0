// The memory device as a guest sees it.
import { describe, expect, test } from 'vitest';
import {
  createMemdev,
  dumpRegisters,
  MEMDEV,
  MEMDEV_REGISTERS,
  type MemdevInfo,
  type MemdevOptions,
} from '../../../../pci/index.ts';
import { accessTo, readBar, readConfig, rejects, writeBar, writeConfig } from '../guest.ts';

const info: MemdevInfo = {
  memsize: 0x1_0002_3000n,
  memid: 0xfffe,
  barSize: 0x2_0000_0000n,
  pools: {
    if: { offset: 0, count: 100, size: 1024 },
    ring: { offset: 0x19000, count: 200, size: 36864 },
    buf: { offset: 0x721000, count: 163840, size: 2048 },
  },
};
const make = (options?: MemdevOptions) => createMemdev('vm1/mem', info, options);

describe('identity', () => {
  test('is the one drivers match on', () => {
    const device = make();
    expect(readConfig(device, 0)).toBe(0x000c1b36);
    expect(readConfig(device, 8)).toBe(0xff000000);
    expect(readConfig(device, 0x2c)).toBe(0x11001af4);
    expect(device.name).toBe('vm1/mem');
  });
  test('has neither MSI-X nor an interrupt pin', () => {
    const device = make();
    expect(device.msixVectors).toBe(0);
    expect(readConfig(device, 0x34, 1)).toBe(0);
    expect(readConfig(device, 0x06, 2)).toBe(0);
    expect(readConfig(device, 0x3d, 1)).toBe(0);
  });
});

describe('BARs', () => {
  test('registers in I/O space and the region as 64-bit prefetchable memory', () => {
    expect(make().bars).toEqual([
      { kind: 'io', prefetchable: false, size: 128, mapped: false },
      { kind: 'mem64', prefetchable: true, size: 0x2_0000_0000, mapped: true },
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
  test('BAR 1 can be 32-bit', () => {
    const small = { ...info, memsize: 0x7fff_f000n, barSize: 0x8000_0000n };
    const device = createMemdev('vm1/mem', small, { bar1: 'mem32' });
    writeConfig(device, 0x14, 0xffffffff);
    writeConfig(device, 0x18, 0xffffffff);
    expect(readConfig(device, 0x14, 8)).toBe(0x80000008);
  });
});

describe('registers', () => {
  test.each([
    [MEMDEV.IO_MEMSIZE_LO, 0x0002_3000],
    [MEMDEV.IO_MEMSIZE_HI, 1],
    [MEMDEV.IO_MEMID, 0xfffe],
    [MEMDEV.IO_IF_POOL_OFS, 0],
    [MEMDEV.IO_IF_POOL_OBJNUM, 100],
    [MEMDEV.IO_IF_POOL_OBJSZ, 1024],
    [MEMDEV.IO_RING_POOL_OFS, 0x19000],
    [MEMDEV.IO_RING_POOL_OBJNUM, 200],
    [MEMDEV.IO_RING_POOL_OBJSZ, 36864],
    [MEMDEV.IO_BUF_POOL_OFS, 0x721000],
    [MEMDEV.IO_BUF_POOL_OBJNUM, 163840],
    [MEMDEV.IO_BUF_POOL_OBJSZ, 2048],
  ])('at %i', (offset, value) => {
    expect(readBar(make(), 0, offset)).toBe(value);
  });
  test('are where the public interface has them', () => {
    expect(MEMDEV_REGISTERS.map(([offset]) => offset)).toEqual([0, 4, 8, 64, 68, 72, 76, 80, 84, 88, 92, 96]);
  });
  test('a 16-bit read of MEMID is enough for its 16 bits', () => {
    expect(readBar(make(), 0, MEMDEV.IO_MEMID, 2)).toBe(0xfffe);
  });
  test('reads elsewhere are 0', () => {
    for (const offset of [12, 60, 100, 124]) expect(readBar(make(), 0, offset)).toBe(0);
  });
  test('writes are ignored and counted', () => {
    const device = make();
    const before = dumpRegisters(device);
    for (let offset = 0; offset < 128; offset += 4) writeBar(device, 0, offset, 0xffffffff);
    expect(dumpRegisters(device)).toBe(before);
    expect(rejects(device)).toEqual({ 'read-only': 12, 'no-register': 20 });
  });
});

describe('BAR 1 by message', () => {
  test('without the memory reads 0 and is counted', () => {
    const device = make();
    expect(readBar(device, 1, 0x1000)).toBe(0);
    writeBar(device, 1, 0, 1);
    expect(rejects(device)).toEqual({ 'not-mapped': 2 });
  });
  test('with the memory reads and writes it, and nothing behind it', () => {
    const memory = new Uint8Array(0x3000);
    const small = {
      ...info,
      memsize: 0x3000n,
      barSize: 0x4000n,
      pools: {
        if: { offset: 0, count: 1, size: 64 },
        ring: { offset: 0x1000, count: 1, size: 64 },
        buf: { offset: 0x2000, count: 2, size: 2048 },
      },
    };
    const device = createMemdev('vm1/mem', small, { memory: accessTo(memory) });
    writeBar(device, 1, 0x2ffe, 0x44332211);
    expect([memory[0x2ffe], memory[0x2fff]]).toEqual([0x11, 0x22]);
    expect(readBar(device, 1, 0x2ffe)).toBe(0x2211);
    writeBar(device, 1, 0x3800, 1);
    expect(readBar(device, 1, 0x3800)).toBe(0);
    expect(rejects(device)).toEqual({});
  });
});

describe('accesses that fit no BAR', () => {
  test.each([
    ['past the end', 0, 126, 'beyond-region'],
    ['negative', 0, -4, 'beyond-region'],
    ['not a number', 0, Number.NaN, 'beyond-region'],
    ['the upper half of BAR 1', 2, 0, 'no-bar'],
    ['a BAR that no function has', 9, 0, 'no-bar'],
  ])('%s: read 0 and counted', (_, bar, offset, cause) => {
    const seen: string[] = [];
    const device = make({ onReject: (what) => seen.push(what) });
    expect(readBar(device, bar, offset)).toBe(0);
    writeBar(device, bar, offset, 1);
    expect(rejects(device)).toEqual({ [cause]: 2 });
    expect(seen).toEqual([cause, cause]);
  });
});

describe('what the host must not ask for', () => {
  const pools = { ...info.pools, buf: { offset: 0x721000, count: 0xffff_ffff, size: 2048 } };
  test.each<[string, Partial<MemdevInfo>, RegExp]>([
    ['memid 0', { memid: 0 }, /memid 0, must be 1 to 65535/],
    ['memid 65536', { memid: 65536 }, /memid 65536/],
    ['a region bigger than its BAR', { barSize: 0x1_0000_0000n }, /in a BAR of 4294967296/],
    ['a BAR that is no power of two', { barSize: 0x3_0000_0000n }, /power of two/],
    ['a pool outside of the region', { pools }, /buf pool ends outside/],
  ])('%s', (_, wrong, message) => {
    expect(() => createMemdev('vm1/mem', { ...info, ...wrong })).toThrow(message);
  });
});

test('reset clears the command register and the BARs', () => {
  const device = make();
  writeConfig(device, 4, 7, 2);
  writeConfig(device, 0x10, 0xc000);
  device.reset();
  expect(readConfig(device, 4, 2)).toBe(0);
  expect(readConfig(device, 0x10)).toBe(1);
});
