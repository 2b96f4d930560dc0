// The small values of a configuration: MAC addresses, sizes, and the guess after a mistyped word.
import { expect, test } from 'vitest';
import { defaultMac, macBytes, macProblem } from '../../../../backend/config/mac.ts';
import { alternatives, nearest } from '../../../../backend/config/nearest.ts';
import { parseSize } from '../../../../backend/config/size.ts';

test('a default MAC address is locally administered and names VM and device', () => {
  expect(defaultMac(1, 0)).toBe('02:00:00:00:01:00');
  expect(defaultMac(258, 27)).toBe('02:00:00:01:02:1b');
  expect(macProblem(defaultMac(65535, 255), { multicast: false })).toBeUndefined();
});

test('a MAC address has six octets in the order of the wire', () => {
  expect([...macBytes('02:00:0a:fF:01:10')]).toEqual([0x02, 0x00, 0x0a, 0xff, 0x01, 0x10]);
});

test('a destination may be a multicast address', () => {
  expect(macProblem('ff:ff:ff:ff:ff:ff', { multicast: true })).toBeUndefined();
  expect(macProblem('ff:ff:ff:ff:ff:ff', { multicast: false })).toBe(
    "'ff:ff:ff:ff:ff:ff' is a multicast address: 'fe:ff:ff:ff:ff:ff' would be right",
  );
});

test.each([
  ['512M', 536870912],
  ['2g', 2147483648],
  ['64K', 65536],
  ['1T', 1099511627776],
  ['0M', undefined],
  ['512', undefined],
  ['-1M', undefined],
  ['1.5G', undefined],
  ['99999999999T', undefined],
])('the size %s is %s bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test('the nearest word is found over case, separators and a slip of the hand', () => {
  const keys = ['tx-rings', 'rx-rings', 'tx-slots', 'source'];
  expect(nearest('txRings', keys)).toBe('tx-rings');
  expect(nearest('rx_ring', keys)).toBe('rx-rings');
  expect(nearest('sorce', keys)).toBe('source');
  expect(nearest('bananas', keys)).toBeUndefined();
});

test('alternatives read as a sentence does', () => {
  expect(alternatives([])).toBe('nothing');
  expect(alternatives(['a'])).toBe("'a'");
  expect(alternatives(['a', 'b', 'c'])).toBe("'a', 'b' or 'c'");
});

test('a word that is the start of a key, or begins with one, means that key', () => {
  expect(nearest('port', ['source', 'ports'])).toBe('ports');
  expect(nearest('memory', ['io', 'mem'])).toBe('mem');
});
