// The mistakes that npm run mutate makes: what is changed, and what is left alone.
import { expect, test } from 'vitest';
import { mutantsOf, sample, withMutant } from '../../../scripts/mutate/mutants.mjs';

const after = (line: string): string[] => mutantsOf('x.cc', line).map((mutant) => mutant.after);

test.each([
  ['  if (a && b) return;', ['  if (a || b) return;', '  if (!(a && b)) return;']],
  ['  return a < b;', ['  return a <= b;']],
  ['  return n + 1;', ['  return n - 1;', '  return n + 2;']],
  ['  Publish(k);', ['  ;']],
  ['  k.hwcur = done;', ['  ;']],
  ["  if (a === 'b < c') {", ["  if (a !== 'b < c') {", "  if (!(a === 'b < c')) {"]],
])('%s', (line, expected) => {
  expect(after(line)).toEqual(expected);
});

test.each(['  // a && b', '#include <a>', 'std::vector<int> v;', '  x.store(1, std::memory_order_relaxed);'])(
  'nothing of %s',
  (line) => {
    expect(after(line)).toEqual([]);
  },
);

test('a mutant changes its line only', () => {
  const text = 'a\n  return true;\nb\n';
  expect(withMutant(text, mutantsOf('x.ts', text)[0]!)).toBe('a\n  return false;\nb\n');
});

test('a sample follows from its seed, and a larger one contains it', () => {
  const all = Array.from({ length: 50 }, (_, i) => i);
  expect(sample(all, 10, 7)).toEqual(sample(all, 10, 7));
  expect(sample(all, 10, 7)).not.toEqual(sample(all, 10, 8));
  expect(sample(all, 20, 7)).toEqual(expect.arrayContaining(sample(all, 10, 7)));
});
