// What samples come to in a report: shares and ratios of the same round, units, and the keys that others read.
import { expect, test } from 'vitest';
import { formatReport } from '../../bench/table.ts';
import { sampleReport } from './reports.ts';

const report = sampleReport();
const row = (name: string, size: number) =>
  report.results.find((candidate) => candidate.name === name && candidate.size === size)!;

test('rates are in millions, with their least and most', () => {
  expect(row('guest-to-guest-vale', 60)).toMatchObject({
    size: 60,
    rings: 1,
    burst: 256,
    payload: 'none',
    mpps: { median: 20, min: 10, max: 40 },
    gbps: 9.6,
  });
});

test('shares and ratios are medians of those of each round', () => {
  // Memory bounds it: 100, 200 and 400 MB/s are 1.67, 3.3 and 6.7 million packets of 60 bytes.
  expect(row('guest-to-guest-vale', 60).ofLimit).toBeCloseTo(6);
  expect(row('guest-to-guest-vale', 60).vsPeer).toEqual({ other: 2 });
  expect(row('guest-to-guest-vale', 1514).vsPeer).toEqual({});
});

test('both directions at once are compared with one', () => {
  expect(row('vale-duplex', 60).vsOneWay).toBe(1.5);
  expect(row('guest-to-guest-vale', 60)).not.toHaveProperty('vsOneWay');
});

test('processor time per packet, host and guests apart', () => {
  expect(row('guest-to-guest-vale', 60).cpuNs).toEqual({
    host: { median: 50, min: 25, max: 100 },
    guests: { median: 100, min: 50, max: 200 },
  });
});

test('latencies are in microseconds', () => {
  const idle = report.latency.find(({ load, policy }) => load === 'idle' && policy === 'poll');
  expect(idle).toMatchObject({ name: 'round-trip pipe', p50: { median: 5 }, p99: { median: 9 } });
});

test('round trips in one thread are rows of their own', () => {
  const idle = report.latency.filter(
    ({ name, policy, load }) => name === 'round-trip pipe' && policy === 'poll' && load === 'idle',
  );
  expect(idle.map(({ guests }) => guests)).toEqual([undefined, 'one-thread']);
  expect(JSON.stringify(idle[0])).not.toContain('guests');
  expect(formatReport(report)).toMatch(/^round-trip pipe +poll +idle +one-thread +0\.004 +5\.00 /m);
});

test('costs have the unit of their kind', () => {
  expect(report.cost).toContainEqual({
    name: 'idle',
    rings: 50,
    cpuPercent: { median: 0.15, min: 0.1, max: 0.2 },
  });
  expect(report.cost).toContainEqual({
    name: 'trickle',
    policy: 'adaptive',
    cpuPercent: { median: 6, min: 6, max: 6 },
  });
  expect(report.cost).toContainEqual({
    name: 'instructions',
    path: 'guest-to-guest-vale',
    burst: 256,
    instructions: { median: 77, min: 77, max: 77 },
  });
  expect(report.cost).toContainEqual({
    name: 'vale-ports',
    ports: 254,
    mpps: { median: 8, min: 8, max: 8 },
  });
});

test('limits: rates are in millions, times in ns, and a time is no rate that bounds a path', () => {
  const limit = (name: string) => report.limits.find((candidate) => candidate.name === name);
  expect(limit('slots')).toEqual({
    name: 'slots',
    unit: 'slots',
    mps: { median: 200, min: 100, max: 400 },
  });
  expect(limit('switch')).toEqual({ name: 'switch', unit: 'ns', ns: { median: 55, min: 50, max: 60 } });
  // One that cannot be measured takes no share away.
  expect(limit('core-to-core')).toBeUndefined();
  expect(row('guest-to-guest-vale', 60).ofLimit).toBeCloseTo(6);
  expect(formatReport(report)).toMatch(/a change of one CPU .* 55\.0 +50\.0 +60\.0 +ns\n/);
});

test('a reason that many share is printed once', () => {
  const text = formatReport(
    sampleReport(1, [
      ['vm a', 'no QEMU'],
      ['vm b', 'no QEMU'],
      ['c', 'broken'],
    ]),
  );
  expect(text).toContain('not measured: vm a and 1 more: no QEMU\n');
  expect(text).toContain('not measured: c: broken\n');
});
