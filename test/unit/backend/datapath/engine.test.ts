// Who serves the next attachment: the worker with the fewest.
import { expect, test } from 'vitest';
import { WorkerPool } from '../../../../backend/datapath/engine.ts';

test('attachments go round, and a place that was given back is the next', () => {
  const pool = new WorkerPool(3);
  expect(pool.count).toBe(3);
  expect([pool.place(), pool.place(), pool.place(), pool.place()]).toEqual([0, 1, 2, 0]);
  pool.release(1);
  expect([pool.place(), pool.place()]).toEqual([1, 1]);
  expect(pool.place()).toBe(2);
  pool.move(0, 1);
  pool.move(0, 2);
  expect([pool.place(), pool.place()]).toEqual([0, 0]);
});
