// Rejects: counting and wording.
import { expect, test } from 'vitest';
import { describeReject, Rejects } from '../../../pci/rejects.ts';

test('every reject is counted under its cause and reported', () => {
  const seen: unknown[] = [];
  const rejects = new Rejects((cause, detail) => seen.push([cause, detail]));
  rejects.add('kick-no-ring', { ring: 9 });
  rejects.add('kick-no-ring', { ring: 10 });
  expect(rejects.counters['kick-no-ring']).toBe(2);
  expect(rejects.counters['read-only']).toBe(0);
  expect(seen).toEqual([
    ['kick-no-ring', { ring: 9 }],
    ['kick-no-ring', { ring: 10 }],
  ]);
});

test('a report names the cause and the access', () => {
  expect(describeReject('partial-write', { bar: 0, offset: 44, length: 2 })).toBe(
    'a write that covers only a part of a 32-bit register (bar 0, offset 0x2c, length 2)',
  );
  expect(describeReject('delete-not-serving', {})).toBe('DELETE while the rings are not being served');
});
