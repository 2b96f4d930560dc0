// The frames that paths are tried with: a byte that is not as it was sent is noticed, whichever it is.
import { expect, test } from 'vitest';
import { addressesOf, frameOf, isWhole, sizesUpTo } from '../../../../../backend/check/live/frames.ts';
import { checksum } from '../../../../../backend/check/live/kernel.ts';

const src = '02:00:00:00:01:00';
const dst = '02:00:00:00:02:00';

test.each([14, 15, 60, 1514, 9000])('%d bytes: each bit that changes is noticed', (size) => {
  const frame = frameOf({ src, dst }, size);
  expect(frame.length).toBe(size);
  expect(addressesOf(frame)).toEqual({ src, dst });
  expect(isWhole(frame)).toBe(true);
  for (let at = 14; at < size; at += Math.max(1, Math.floor(size / 50))) {
    const damaged = frame.slice();
    damaged[at]! ^= 1;
    expect(isWhole(damaged), `byte ${at}`).toBe(false);
  }
});

test('a frame that is cut, longer, or of another sender is not whole', () => {
  const frame = frameOf({ src, dst }, 100);
  expect(isWhole(frame.subarray(0, 99))).toBe(false);
  expect(isWhole(Uint8Array.from([...frame, 0]))).toBe(false);
  const other = frame.slice();
  other[11] = 7;
  expect(isWhole(other)).toBe(false);
});

test('what is not ours is nobody’s', () => {
  expect(addressesOf(new Uint8Array(13))).toBeUndefined();
  expect(addressesOf(new Uint8Array(60))).toBeUndefined();
  expect(isWhole(new Uint8Array(60))).toBe(false);
});

test('sizes: every one of a frame, then some that take several slots, as far as there is room', () => {
  const all = sizesUpTo(65_535, true);
  expect(all.slice(0, 3)).toEqual([14, 15, 16]);
  expect(all).toContain(1514);
  expect(all.at(-1)).toBe(65_535);
  expect(sizesUpTo(100, true)).toHaveLength(87);
  expect(sizesUpTo(2048, false).at(-1)).toBe(2048);
});

test('the checksum of the Internet, of odd and even lengths', () => {
  expect(checksum(Uint8Array.from([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]))).toBe(0x220d);
  expect(checksum(Uint8Array.from([0xff]))).toBe(0x00ff);
});
