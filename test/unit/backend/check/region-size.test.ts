// The size of a region as the check reckons it: that which the host makes.
import { expect, test } from 'vitest';
import { formatBytes, regionSize } from '../../../../backend/check/region-size.ts';
import { Region } from '../../../../native/memory.ts';

const shape = { id: 7, ifNum: 10, ifSize: 100, ringNum: 4, ringSize: 1000, bufNum: 100, bufSize: 2048 };

test.each([
  shape,
  { ...shape, bufNum: 5000 },
  { ...shape, ifNum: 33, ifSize: 1000, ringNum: 77, ringSize: 20_480, bufSize: 65_000 },
  { ...shape, bufNum: 2048 - 20, bufSize: 2048 },
])('%j', (one) => {
  const { memsize, barSize, pools } = new Region(one).info;
  expect(regionSize(one)).toMatchObject({ memory: memsize, bar: barSize });
  for (const name of ['if', 'ring', 'buf'] as const) {
    const { offset, count, size } = pools[name];
    expect(regionSize(one).pools[name]).toEqual({ offset, count, size });
  }
});

test('a region of huge pages has at least one', () => {
  expect(regionSize({ ...shape, hugepages: true }).bar).toBe(2 * 2 ** 20);
});

test.each([
  [512, '512 bytes'],
  [2 ** 20, '1 MiB'],
  [1.5 * 2 ** 30, '1.5 GiB'],
  [2 ** 50, '1024 TiB'],
])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
