// BAR shapes and their encoding in config space.
import { describe, expect, test } from 'vitest';
import { encodeBar, ioBar, memoryBar } from '../../../pci/bars.ts';

describe('encodeBar', () => {
  test('an I/O BAR has bit 0', () => {
    expect(encodeBar(ioBar(128))).toEqual({ length: 4, bits: 1n, writable: 0xffffff80n });
  });
  test('a 32-bit memory BAR has no bits', () => {
    expect(encodeBar(memoryBar('mem32', 4096))).toEqual({ length: 4, bits: 0n, writable: 0xfffff000n });
  });
  test('a prefetchable 32-bit memory BAR has bit 3', () => {
    expect(encodeBar(memoryBar('mem32', 2 ** 31, { prefetchable: true }))).toEqual({
      length: 4,
      bits: 8n,
      writable: 0x80000000n,
    });
  });
  test('a 64-bit BAR beyond 4 GiB has no writable bit in its lower half', () => {
    expect(encodeBar(memoryBar('mem64', 2 ** 34, { prefetchable: true }))).toEqual({
      length: 8,
      bits: 0xcn,
      writable: 0xfffffffc_00000000n,
    });
  });
  test('the smallest 64-bit BAR keeps its low four bits', () => {
    expect(encodeBar(memoryBar('mem64', 16)).writable).toBe(0xffffffff_fffffff0n);
  });
});

describe('sizes', () => {
  test.each([0, 2, 96, 3.5, -4, Number.NaN])('an I/O BAR of %d bytes is refused', (size) => {
    expect(() => ioBar(size)).toThrow('the size must be a power of two from 4');
  });
  test('an I/O BAR of more than 256 bytes is refused', () => {
    expect(() => ioBar(512)).toThrow('at most 256 are allowed');
  });
  test.each([0, 8, 5000, 2 ** 60 + 1])('a memory BAR of %d bytes is refused', (size) => {
    expect(() => memoryBar('mem64', size)).toThrow('the size must be a power of two from 16');
  });
  test('a 32-bit BAR of 4 GiB is refused', () => {
    expect(() => memoryBar('mem32', 2 ** 32)).toThrow('make it 64-bit');
  });
});
