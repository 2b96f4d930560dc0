// The bisection, on simulated devices whose limits are known.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { highestRate } from '../../../../backend/measure/highest.ts';

/** Loses what comes beyond its limit; its sender has one too. */
function device(limit: number, sender = 100e6) {
  const asked: (number | undefined)[] = [];
  return {
    asked,
    trial: async (pps: number | undefined) => {
      asked.push(pps);
      const offered = Math.min(pps ?? sender, sender);
      const received = Math.min(offered, limit);
      return { offered, received, loss: (offered - received) / offered };
    },
  };
}

const OPTIONS = { resolution: 0.01, tolerance: 0 };

test('a device that keeps up with its sender takes one trial', async () => {
  const { trial, asked } = device(200e6, 50e6);
  expect(await highestRate(trial, OPTIONS)).toEqual({
    pps: 50e6,
    steps: [{ asked: undefined, offered: 50e6, loss: 0 }],
  });
  expect(asked).toEqual([undefined]);
});

test('the highest rate without loss is found to within the resolution, from below', async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0.02, max: 0.99, noNaN: true }), async (share) => {
      const limit = share * 100e6;
      const { pps, steps } = await highestRate(device(limit).trial, OPTIONS);
      expect(pps).toBeLessThanOrEqual(limit);
      expect(pps).toBeGreaterThan(limit - 1e6 - 1);
      expect(steps.length).toBeLessThanOrEqual(17);
    }),
    { seed: 12, numRuns: 200 },
  );
});

test('what arrived of too much is tried next', async () => {
  const { trial, asked } = device(30e6);
  await highestRate(trial, OPTIONS);
  expect(asked.slice(0, 2)).toEqual([undefined, 30e6]);
});

test('what disturbs one trial of a rate is not taken for the device', async () => {
  const { trial } = device(30e6);
  let count = 0;
  const disturbed = async (pps: number | undefined) => {
    const result = await trial(pps);
    return count++ % 2 === 1 ? { ...result, received: 0, loss: 1 } : result;
  };
  const { pps, steps } = await highestRate(disturbed, OPTIONS);
  expect(pps).toBeGreaterThan(29e6);
  expect(steps.filter(({ asked, loss }) => asked === 30e6 && loss === 1)).toHaveLength(1);
});

test('a device that always loses has no such rate', async () => {
  const trial = async (pps = 10e6) => ({ offered: pps, received: pps * 0.9, loss: 0.1 });
  expect((await highestRate(trial, OPTIONS)).pps).toBe(0);
  expect((await highestRate(trial, { ...OPTIONS, tolerance: 0.2 })).pps).toBe(10e6);
});

test('a sender that cannot send what it is asked for ends the search', async () => {
  // Unpaced it bursts and loses; paced it gets to 20 million.
  const trial = async (pps: number | undefined) => {
    const offered = pps === undefined ? 100e6 : Math.min(pps, 20e6);
    return { offered, received: pps === undefined ? 60e6 : offered, loss: pps === undefined ? 0.4 : 0 };
  };
  const { pps, steps } = await highestRate(trial, OPTIONS);
  expect(pps).toBe(20e6);
  expect(steps).toHaveLength(2);
});
