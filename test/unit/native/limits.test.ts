// The machine's limits from JavaScript: each gives a rate, the event loop goes on, wrong arguments are refused.
import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { type LimitName, measureLimit } from '../../../native/limits.ts';

const ONE_CPU: readonly LimitName[] = ['slots', 'slots+copy', 'memory', 'switch'];

test.each(ONE_CPU)('%s', async (name) => {
  const { perSecond } = await measureLimit(name, 0.05);
  expect(perSecond).toBeGreaterThan(0);
  expect(Number.isFinite(perSecond)).toBe(true);
});

test('core-to-core takes two CPUs', async () => {
  const measured = measureLimit('core-to-core', 0.05);
  if (availableParallelism() > 1) expect((await measured).perSecond).toBeGreaterThan(0);
  else await expect(measured).rejects.toThrow('two are needed');
});

test('the event loop goes on meanwhile', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await measureLimit('switch', 0.1).finally(() => clearInterval(timer));
  expect(turns).toBeGreaterThan(0);
});

test('wrong arguments', async () => {
  await expect(measureLimit('copper' as LimitName, 1)).rejects.toThrow(
    new RangeError("limit 'copper': must be 'slots', 'slots+copy', 'memory', 'core-to-core' or 'switch'"),
  );
  for (const seconds of [0, -1, 61, Number.NaN])
    await expect(measureLimit('slots', seconds)).rejects.toThrow('seconds: must be a number above 0');
});
