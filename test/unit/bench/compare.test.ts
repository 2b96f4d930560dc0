// A comparison flags what is outside the noise of both runs, in the direction that is worse for that figure.
import { expect, test } from 'vitest';
import { compare, formatChanges, hasRegression } from '../../bench/compare.ts';
import { sampleReport } from './reports.ts';

const before = sampleReport();

test('a run does not differ from itself', () => {
  const changes = compare(before, before);
  expect(changes.length).toBeGreaterThan(40);
  expect(changes.every(({ verdict }) => verdict === 'same')).toBe(true);
  expect(hasRegression(changes)).toBe(false);
});

test('no two figures have one label, and those of one thread are their own', () => {
  const labels = compare(before, before).map(({ label }) => label);
  expect(new Set(labels).size).toBe(labels.length);
  for (const guests of ['', ' one-thread'])
    expect(labels).toContain(`latency round-trip vale policy=poll load=50%${guests} p99`);
});

test('a report from before there were guests in one thread still compares', () => {
  const old = { ...before, latency: before.latency.filter(({ guests }) => guests === undefined) };
  const labels = compare(old, before).map(({ label }) => label);
  expect(labels).toContain('latency round-trip pipe policy=poll load=idle p50');
  expect(labels.filter((label) => label.includes('one-thread'))).toEqual([]);
});

test('what the rounds differ by is noise', () => {
  const rates = compare(before, sampleReport(0.5)).filter(({ label }) => label.startsWith('guest-'));
  expect(rates.map(({ verdict }) => verdict)).toEqual(['same', 'same', 'same', 'same']);
});

test('fewer packets, longer latencies and more cost are regressions; the machine is not judged', () => {
  const changes = compare(before, sampleReport(0.1));
  const verdict = (label: string) => changes.find((change) => change.label === label)?.verdict;
  expect(verdict('guest-to-guest-vale size=60 rings=1 burst=256 payload=none')).toBe('regression');
  expect(verdict('latency round-trip pipe policy=poll load=10% p99')).toBe('regression');
  expect(verdict('idle rings=50')).toBe('regression');
  expect(verdict('vale-ports ports=254')).toBe('regression');
  expect(verdict('limit slots')).toBe('same');
  expect(verdict('limit switch')).toBe('regression');
  expect(hasRegression(changes)).toBe(true);
  expect(formatChanges(changes)).toContain('regression');
});

test('a slower machine is shown, and fails nothing', () => {
  const changes = compare(
    { ...before, results: [], latency: [], cost: [] },
    { ...sampleReport(0.1), results: [], latency: [], cost: [] },
  );
  const worse = changes.filter(({ verdict }) => verdict === 'regression');
  expect(worse.map(({ label }) => label)).toEqual(['limit switch']);
  expect(hasRegression(changes)).toBe(false);
});

test('the other way round they are improvements', () => {
  const changes = compare(sampleReport(0.1), before);
  expect(hasRegression(changes)).toBe(false);
  expect(changes.some(({ verdict }) => verdict === 'improvement')).toBe(true);
});
