// The benchmark's latency of two models in one thread, measured once: it is timed, at a share of its own highest rate.
import { expect, test } from 'vitest';
import { LATENCIES } from '../bench/latencies.ts';
import { LatencyMeter } from '../bench/latency.ts';

test('a round trip in one thread is timed, at rest and at a share of the highest rate', async () => {
  const options = { seconds: 0.1, signal: new AbortController().signal };
  const meter = new LatencyMeter(options, () => Promise.reject(new Error('no VM takes part')));
  const duos = LATENCIES.filter(({ guests, path }) => guests === 'one-thread' && path === 'pipe');
  for (const duo of duos) {
    const { value, percentiles } = await meter.measure(duo, 0);
    expect(value).toBeGreaterThan(0);
    expect(percentiles!.count).toBeGreaterThan(0);
    expect(percentiles!.p999).toBeGreaterThanOrEqual(percentiles!.p50);
  }
});
