// Config space under any sequence of accesses: read-only bits stay, writable bits hold what was written last.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bar, ioBar, memoryBar } from '../../../pci/bars.ts';
import { ConfigSpace } from '../../../pci/config-space.ts';
import { createMemdev, createPtnet, type PciDevice } from '../../../pci/index.ts';
import { fakeBackend } from '../../unit/pci/guest.ts';
import { hold } from '../surface.ts';

const SEED = 20_161;
const run = { seed: SEED, numRuns: 300 };

const region = { offset: 0, count: 2, size: 1024 };
const memdev = (): PciDevice =>
  createMemdev('vm1/mem', {
    memsize: 0x3000n,
    memid: 2,
    barSize: 0x4000n,
    pools: { if: region, ring: region, buf: region },
  });
const ptnet = (): PciDevice => createPtnet('vm1/net0', fakeBackend());

/** What a guest may write, said once more and by hand: byte offset to the bits of that byte. */
const COMMAND_BITS: [number, number][] = [
  [0x04, 0x07],
  [0x05, 0x04],
];
const WRITABLE: [string, () => PciDevice, [number, number][]][] = [
  // BAR 0: 128 bytes of I/O; BAR 1: 16 KiB, 64-bit.
  [
    'memdev',
    memdev,
    [
      ...COMMAND_BITS,
      [0x10, 0x80],
      [0x11, 0xff],
      [0x12, 0xff],
      [0x13, 0xff],
      [0x15, 0xc0],
      [0x16, 0xff],
      [0x17, 0xff],
      [0x18, 0xff],
      [0x19, 0xff],
      [0x1a, 0xff],
      [0x1b, 0xff],
    ],
  ],
  // BAR 0: 256 bytes of I/O; BAR 2: 4 KiB; MSI-X enable and function mask.
  [
    'ptnet',
    ptnet,
    [
      ...COMMAND_BITS,
      [0x11, 0xff],
      [0x12, 0xff],
      [0x13, 0xff],
      [0x19, 0xf0],
      [0x1a, 0xff],
      [0x1b, 0xff],
      [0x43, 0xc0],
    ],
  ],
];

const writes = fc.array(
  fc.record({
    offset: fc.oneof(fc.integer({ min: 0, max: 0x50 }), fc.integer({ min: -16, max: 300 })),
    bytes: fc.uint8Array({ minLength: 0, maxLength: 16 }),
  }),
  { maxLength: 40 },
);

function whole(config: ConfigSpace): Uint8Array {
  const bytes = new Uint8Array(256);
  config.read(0, bytes);
  return bytes;
}

test.each(WRITABLE)('%s: writes change the writable bits and nothing else', (name, make, writable) => {
  const masks = new Map(writable);
  hold(
    `config space of ${name}`,
    fc.property(writes, (sequence) => {
      const { config } = make();
      const expected = whole(config);
      for (const { offset, bytes } of sequence) {
        config.write(offset, bytes);
        if (offset < 0 || offset + bytes.length > 256) continue;
        for (const [i, byte] of bytes.entries()) {
          const mask = masks.get(offset + i) ?? 0;
          expected[offset + i] = (expected[offset + i]! & ~mask) | (byte & mask);
        }
      }
      expect(whole(config)).toEqual(expected);
    }),
    run,
  );
});

test.each(WRITABLE)('%s: a read of any width is a part of the whole', (_, make) => {
  const accesses = fc.tuple(writes, fc.nat(255), fc.nat(64));
  fc.assert(
    fc.property(accesses, ([sequence, offset, length]) => {
      const { config } = make();
      for (const { offset: at, bytes } of sequence) config.write(at, bytes);
      const read = new Uint8Array(length).fill(0xa5);
      config.read(offset, read);
      const inside = offset + length <= 256;
      const expected = inside ? whole(config).subarray(offset, offset + length) : new Uint8Array(length);
      expect([...read]).toEqual([...expected]);
    }),
    run,
  );
});

const barOfAnyKind: fc.Arbitrary<Bar> = fc.oneof(
  fc.integer({ min: 2, max: 8 }).map((bits) => ioBar(2 ** bits)),
  fc
    .tuple(fc.integer({ min: 4, max: 31 }), fc.boolean())
    .map(([bits, prefetchable]) => memoryBar('mem32', 2 ** bits, { prefetchable })),
  fc
    .tuple(fc.integer({ min: 4, max: 50 }), fc.boolean())
    .map(([bits, prefetchable]) => memoryBar('mem64', 2 ** bits, { prefetchable })),
);

const KIND_BITS = { io: 0x1n, mem32: 0x0n, mem64: 0x4n };

test('BAR sizing finds the size, whatever was written before and in whatever order', () => {
  const identity = {
    vendorId: 1,
    deviceId: 2,
    classCode: 3,
    revision: 4,
    subsystemVendorId: 5,
    subsystemId: 6,
  };
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 });
  fc.assert(
    fc.property(barOfAnyKind, fc.integer({ min: 0, max: 4 }), writes, order, (bar, index, before, bytes) => {
      const bars: (Bar | undefined)[] = new Array(6).fill(undefined);
      bars[index] = bar;
      const config = new ConfigSpace({ identity, bars });
      for (const write of before) config.write(write.offset, write.bytes);
      const at = 0x10 + 4 * index;
      for (const byte of bytes) config.write(at + byte, Uint8Array.of(0xff));
      const read = new DataView(new ArrayBuffer(8));
      config.read(at, new Uint8Array(read.buffer));
      const value = bar.kind === 'mem64' ? read.getBigUint64(0, true) : BigInt(read.getUint32(0, true));
      const width = bar.kind === 'mem64' ? 64 : 32;
      const kindMask = bar.kind === 'io' ? 0x3n : 0xfn;
      expect(value & kindMask).toBe(KIND_BITS[bar.kind] | (bar.prefetchable ? 0x8n : 0n));
      expect(BigInt.asUintN(width, ~(value & ~kindMask) + 1n)).toBe(BigInt(bar.size));
      // The slot behind a 32-bit BAR belongs to nobody.
      if (width === 32) expect(read.getUint32(4, true)).toBe(0);
    }),
    run,
  );
});
