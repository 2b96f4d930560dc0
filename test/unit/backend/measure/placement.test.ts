// Who runs where while something is measured.
import { expect, test } from 'vitest';
import type { EngineConfig } from '../../../../backend/config/host-config.ts';
import { guestCpu, isCrowded, placedEngine } from '../../../../backend/measure/placement.ts';

const engine = (workers: number, workerCpus?: number[][]): EngineConfig => ({
  workers,
  policy: 'adaptive',
  spinUs: 100,
  ...(workerCpus && { workerCpus }),
});

test('workers have the first CPUs to themselves, guests share the others', () => {
  const placed = placedEngine(engine(2), 4);
  expect(placed.workerCpus).toEqual([[0], [1]]);
  expect([0, 1, 2, 3].map((i) => guestCpu(placed, i, 4))).toEqual([2, 3, 2, 3]);
});

test('workers and two guests want a CPU each', () => {
  expect([1, 2, 3, 4].map((cpus) => isCrowded(engine(1), cpus))).toEqual([true, true, false, false]);
  expect(isCrowded(engine(2), 3)).toBe(true);
});

test('nothing is placed without a CPU for guests, or where the file has placed its workers', () => {
  expect(placedEngine(engine(2), 2)).toEqual(engine(2));
  expect(guestCpu(engine(2), 0, 2)).toBeUndefined();
  const own = engine(1, [[3]]);
  expect(placedEngine(own, 4)).toBe(own);
  expect(guestCpu(own, 0, 4)).toBeUndefined();
});
