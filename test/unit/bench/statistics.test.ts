// Medians, and ratios of the same round.
import { expect, test } from 'vitest';
import { median, medianRatio, statOf, summarize } from '../../bench/statistics.ts';

test('the median of an odd and of an even number of samples, in whatever order', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(() => median([])).toThrow('no samples');
});

test('median, least and most', () => {
  expect(summarize([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9 });
});

test('a figure that only some samples have', () => {
  const samples = [{ a: 1500 }, {}, { a: 2500 }] as { a?: number }[];
  expect(statOf(samples, ({ a }) => a, 1e-3, 1)).toEqual({ median: 2, min: 1.5, max: 2.5 });
  expect(statOf([{}], ({ a }: { a?: number }) => a, 1, 1)).toBeUndefined();
});

test('a ratio is taken within each round', () => {
  // The machine got slower from round to round: 10/1, 6/2, 2/2; the medians alone would say 6/2.
  expect(medianRatio([10, 6, 2], [1, 2, 2])).toBe(3);
  expect(medianRatio([9, 8], [3])).toBe(3);
  expect(medianRatio([1], [0])).toBeUndefined();
});
