/** Version numbers of QEMU. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareVersions, parseQemuVersion } from '../../../vm-images/version.ts';

test.each([
  ['QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)\nCopyright (c) 2003-2026', '11.1.3'],
  ['QEMU emulator version 7.2.19 (Debian 1:7.2+dfsg-7+deb12u15)', '7.2.19'],
  ['QEMU emulator version 10.1.50 (v10.1.0-123-gabcdef)', '10.1.50'],
])('%s', (output, version) => {
  expect(parseQemuVersion(output)).toBe(version);
});

test('what is not QEMU has no version', () => {
  expect(parseQemuVersion('bash: qemu-system-x86_64: command not found')).toBeUndefined();
  expect(parseQemuVersion('')).toBeUndefined();
});

test.each([
  ['10.1', '9.9.9'],
  ['10.1.1', '10.1'],
  ['10.10', '10.9'],
  ['11', '10.99.99'],
])('%s is newer than %s', (newer, older) => {
  expect(compareVersions(newer, older)).toBeGreaterThan(0);
  expect(compareVersions(older, newer)).toBeLessThan(0);
});

test('a missing part is a zero', () => {
  expect(compareVersions('10.1', '10.1.0')).toBe(0);
});

test('the order is that of the numbers, part by part', () => {
  const parts = fc.array(fc.nat(12), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const weight = (version: number[]) => version.reduce((sum, part) => sum * 100 + part, 0);
      expect(Math.sign(compareVersions(a.join('.'), b.join('.')))).toBe(Math.sign(weight(a) - weight(b)));
    }),
    { seed: 1 },
  );
});
