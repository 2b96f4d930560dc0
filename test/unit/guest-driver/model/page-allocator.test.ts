// The page allocator against a set of pages in use.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PageAllocator } from '../../../../guest-driver/model/page-allocator.ts';

test('gives all its pages, then says that there are none', () => {
  const pages = new PageAllocator(1, 4);
  expect([pages.allocate(1), pages.allocate(3)]).toEqual([1, 2]);
  expect(() => pages.allocate(1)).toThrow('no 1 pages in a row left');
});

test('neighbours that come back are one run again, in whichever order', () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [0, 2, 1],
    [1, 0, 2],
  ]) {
    const pages = new PageAllocator(0, 3);
    for (let i = 0; i < 3; i++) pages.allocate(1);
    for (const page of order) pages.free(page, 1);
    expect(pages.allocate(3)).toBe(0);
  }
});

test('a page that is free already cannot be given back', () => {
  const pages = new PageAllocator(0, 4);
  pages.allocate(2);
  pages.free(0, 1);
  expect(() => pages.free(0, 1)).toThrow('not all in use');
  expect(() => pages.free(1, 2)).toThrow('not all in use');
});

test('never gives a page twice, never loses one', () => {
  const steps = fc.array(fc.record({ allocate: fc.boolean(), n: fc.integer({ min: 1, max: 5 }) }), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(steps, (script) => {
      const pages = new PageAllocator(3, 16);
      const held: { first: number; count: number }[] = [];
      for (const { allocate, n } of script) {
        if (!allocate) {
          const run = held.splice(n % Math.max(1, held.length), 1)[0];
          if (run) pages.free(run.first, run.count);
        } else if (pages.available >= n) {
          try {
            held.push({ first: pages.allocate(n), count: n });
          } catch (error) {
            expect(String(error)).toContain('in a row');
          }
        }
        const used = held.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
        expect(new Set(used).size).toBe(used.length);
        expect(used.every((page) => page >= 3 && page < 19)).toBe(true);
        expect(pages.available).toBe(16 - used.length);
      }
    }),
    { seed: 7, numRuns: 200 },
  );
});
