/** Network drivers in the report: a figure by what was measured, and how it compares with virtio-net's in the same rounds. */
import { expect, test } from 'vitest';
import { compare } from '../../bench/compare.ts';
import { NETS, netLabel, virtioOf } from '../../bench/net-paths.ts';
import { netRows } from '../../bench/net-rows.ts';
import type { Sample } from '../../bench/sample.ts';
import { targetRows } from '../../bench/targets.ts';

const signals = (kicks: number, interrupts: number) => ({ kicks, interrupts });
const SAMPLES: Record<string, readonly Sample[]> = {
  'net ptnet guest-to-host tcp': [
    { value: 3e9, signals: signals(10, 20) },
    { value: 4e9, signals: signals(12, 22) },
  ],
  'net virtio-net guest-to-host tcp': [
    { value: 1e9, signals: signals(1, 2) },
    { value: 2e9, signals: signals(1, 2) },
  ],
  'net ptnet guest-to-host tcp-big': [
    { value: 6e9, signals: signals(3, 4) },
    { value: 6e9, signals: signals(3, 4) },
  ],
  'net ptnet guest-to-guest udp': [{ value: 250_000, signals: signals(0, 5) }],
  'net ptnet guest-to-host ping': [{ value: 120, signals: signals(500, 500) }],
};
const of = (label: string) => SAMPLES[label] ?? [];
const all = (value: number) => ({ median: value, min: value, max: value });
const none = { limits: [], results: [], peers: [], latency: [], cost: [], failures: {} };

test('each has the key of its figure, and the ratio is that of the rounds', () => {
  expect(netRows(of)).toEqual([
    {
      driver: 'ptnet',
      path: 'guest-to-host',
      kind: 'tcp',
      gbps: { median: 3.5, min: 3, max: 4 },
      kicks: { median: 11, min: 10, max: 12 },
      interrupts: { median: 21, min: 20, max: 22 },
      vsVirtio: 2.5,
    },
    {
      driver: 'virtio-net',
      path: 'guest-to-host',
      kind: 'tcp',
      gbps: { median: 1.5, min: 1, max: 2 },
      kicks: all(1),
      interrupts: all(2),
    },
    {
      driver: 'ptnet',
      path: 'guest-to-host',
      kind: 'tcp-big',
      gbps: all(6),
      kicks: all(3),
      interrupts: all(4),
      vsVirtio: 4.5,
    },
    {
      driver: 'ptnet',
      path: 'guest-to-host',
      kind: 'ping',
      rtt_us: all(120),
      kicks: all(500),
      interrupts: all(500),
    },
    {
      driver: 'ptnet',
      path: 'guest-to-guest',
      kind: 'udp',
      kpps: all(250),
      kicks: all(0),
      interrupts: all(5),
    },
  ]);
});

test('every label is there once, and ours has one of virtio-net beside it', () => {
  const labels = NETS.map(netLabel);
  expect(new Set(labels).size).toBe(labels.length);
  const ours = NETS.filter(({ driver }) => driver === 'ptnet');
  expect(labels).toEqual(expect.arrayContaining(ours.map((net) => netLabel(virtioOf(net)))));
});

test('targets: met, not met and not measured', () => {
  const rows = targetRows({ ...none, net: netRows(of) });
  const target = (name: string) => rows.find((row) => row.name === `Linux ${name}, times virtio-net`)!;
  expect(target('guest-to-host, TCP')).toMatchObject({ measured: 2.5, met: true });
  expect(target('guest-to-host, ping')).toMatchObject({ measured: null, met: null, selected: true });
  expect(target('guest-to-guest, TCP')).toMatchObject({ measured: null, selected: false });
});

test('a longer round trip is worse, more packets are better; older reports have none of them', () => {
  const now = { ...none, net: netRows(of) };
  const half = (label: string) => of(label).map((sample) => ({ ...sample, value: sample.value / 2 }));
  const before = { ...none, net: netRows(half) };
  const verdicts = new Map(compare(before, now).map(({ label, verdict }) => [label, verdict]));
  expect(verdicts.get('net ptnet guest-to-host ping')).toBe('regression');
  expect(verdicts.get('net ptnet guest-to-guest udp')).toBe('improvement');
  expect(compare(none, now)).toEqual([]);
});
