// The machine's limits: what bounds a path, what is a time, and what one CPU cannot be asked for.
import { expect, test } from 'vitest';
import { bound, sampleLimit, whyNoCoreToCore } from '../../bench/limits.ts';
import { pair } from './reports.ts';

const RATES = { slots: 1000, 'slots+copy': 100, memory: 30_000 };

test('a path that touches no buffer is bounded by slots, others by copies or by memory', () => {
  expect(bound(pair('guest-to-guest-pipe', 60), RATES)).toBe(1000);
  expect(bound(pair('guest-to-guest-pipe', 9000), RATES)).toBe(200);
  expect(bound(pair('guest-to-guest-vale', 60), RATES)).toBe(100);
  expect(bound(pair('guest-to-guest-vale', 1500), RATES)).toBe(20);
  expect(bound(pair('guest-to-tap-vnet-hdr', 60_000), RATES)).toBe(0.5);
});

test('a time is what one of so many per second takes', async () => {
  // No change of a CPU takes a second, and none is done in less than a ns.
  const ns = await sampleLimit('switch', 0.05);
  expect(ns).toBeGreaterThan(1);
  expect(ns).toBeLessThan(1e9);
  expect(await sampleLimit('memory', 0.05)).toBeGreaterThan(1e6);
});

test('with one CPU there is no other core', () => {
  expect(whyNoCoreToCore(1)).toContain('one CPU');
  expect(whyNoCoreToCore(2)).toBeUndefined();
});
