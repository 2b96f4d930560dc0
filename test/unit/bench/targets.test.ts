// Targets: each is computed from what the benchmark measures, judged in its direction, and says why when it cannot be.
import { expect, test } from 'vitest';
import { programOf } from '../../bench/items.ts';
import type { LatencyRow } from '../../bench/latency-rows.ts';
import type { ResultRow } from '../../bench/result-rows.ts';
import { formatReport } from '../../bench/table.ts';
import { type Measured, TARGETS, type TargetRow, targetRows } from '../../bench/targets.ts';
import { sampleReport } from './reports.ts';

const EMPTY: Measured = { limits: [], results: [], peers: [], latency: [], cost: [], net: [], failures: {} };

/** All rounds alike. */
const same = (value: number) => ({ median: value, min: value, max: value });

const result = (name: string, more: Partial<ResultRow> = {}): ResultRow => ({
  name,
  size: 60,
  rings: 1,
  burst: 256,
  payload: 'none',
  mpps: same(1),
  sentMpps: same(1),
  gbps: 1,
  ofLimit: 0,
  vsPeer: {},
  ...more,
});

const latency = (name: string, policy: LatencyRow['policy'], p50: number, p99: number): LatencyRow => {
  const [mpps, samples, p999] = [same(0.004), same(1000), same(1000)];
  return { name, policy, load: 'idle', mpps, samples, p50: same(p50), p99: same(p99), p999 };
};

const idle = (rings: number, percent: number) => ({
  name: 'idle' as const,
  rings,
  cpuPercent: same(percent),
});
const ports = (count: number, mpps: number) => ({
  name: 'vale-ports' as const,
  ports: count,
  mpps: same(mpps),
});

/** The one target whose name begins so. */
function only(name: string, report: Partial<Measured>): TargetRow {
  const rows = targetRows({ ...EMPTY, ...report }).filter((row) => row.name.startsWith(name));
  expect(rows.map((row) => row.name)).toHaveLength(1);
  return rows[0]!;
}

const PIPE_SHARE = 'pipe, 60 bytes, best of the rings, of the slot-passing limit';
const PIPE_PEER = 'pipe, 60 bytes, best of the rings, times testpmd-vhost-user';
const VHOST = 'testpmd-vhost-user';
const vhostRow = { name: VHOST, size: 60, mpps: same(50) };

test('the benchmark has every label that a target is computed from, and no two have one name', () => {
  const labels = programOf({ seconds: 1, signal: AbortSignal.abort() }).items.map(({ label }) => label);
  for (const { anyOf, against } of TARGETS) {
    expect(anyOf.length).toBeGreaterThan(0);
    expect(labels).toEqual(expect.arrayContaining([...anyOf, ...against]));
  }
  expect(new Set(TARGETS.map(({ name }) => name)).size).toBe(TARGETS.length);
});

test('the best number of rings counts for a pipe, and is named', () => {
  const results = [
    result('guest-to-guest-pipe', { ofLimit: 0.35, vsPeer: { [VHOST]: 5 } }),
    result('guest-to-guest-pipe', { rings: 4, ofLimit: 0.75, vsPeer: { [VHOST]: 7 } }),
    result('guest-to-guest-pipe', { rings: 2, ofLimit: 0.5, vsPeer: { [VHOST]: 6 } }),
    // None of these is what the target is about.
    result('guest-to-guest-pipe', { burst: 512, ofLimit: 9, vsPeer: { [VHOST]: 99 } }),
    result('guest-to-guest-pipe', { size: 1514, ofLimit: 9, vsPeer: { [VHOST]: 99 } }),
    result('vm guest-to-guest-pipe', { ofLimit: 9, vsPeer: { [VHOST]: 99 } }),
  ];
  const of = 'guest-to-guest-pipe size=60 rings=4 burst=256 payload=none';
  expect(only(PIPE_SHARE, { results })).toEqual({
    name: PIPE_SHARE,
    wanted: '>= 70 %',
    measured: 75,
    unit: '%',
    of,
    met: true,
    why: null,
    selected: true,
  });
  expect(only(PIPE_PEER, { results })).toMatchObject({ wanted: '>= 6 x', measured: 7, of, met: true });
  expect(only(PIPE_SHARE, { results: results.slice(0, 1) })).toMatchObject({ measured: 35, met: false });
});

test('what is exactly as wanted meets "at least" and "at most", not "below"', () => {
  const vale = [result('guest-to-guest-vale', { ofLimit: 0.7, vsPeer: { [VHOST]: 2.499 } })];
  expect(only('VALE 1 to 1, 60 bytes, of', { results: vale }).met).toBe(true);
  expect(only('VALE 1 to 1, 60 bytes, times', { results: vale }).met).toBe(false);
  const cost = [idle(2, 0.5), idle(1000, 1)];
  expect(only('idle host, 1000 rings, of a CPU', { cost })).toMatchObject({ measured: 1, met: false });
  expect(only('idle host, 1000 rings, above', { cost })).toMatchObject({
    wanted: '<= 0.5 points',
    measured: 0.5,
    met: true,
  });
});

test('both ways and one way, at each size', () => {
  const results = [60, 1514].map((size) =>
    result('vale-duplex', { size, vsOneWay: size === 60 ? 0.98 : 0.79 }),
  );
  expect(only('VALE both ways, 60', { results })).toMatchObject({ measured: 98, met: true });
  expect(only('VALE both ways, 1514', { results })).toMatchObject({ measured: 79, met: false });
});

test('a header on both ends is compared with none, by rate and by instructions', () => {
  const results = [
    result('vale-vnet-hdr', { vsPlain: 0.9 }),
    result('vale-vnet-hdr', { size: 1514, vsPlain: 0.1 }),
    result('guest-to-tap-vnet-hdr', { size: 65535, ofLimit: 0.79 }),
  ];
  const instructions = (path: string, burst: number, count: number) => ({
    name: 'instructions' as const,
    path,
    burst,
    instructions: same(count),
  });
  const cost = [
    instructions('guest-to-guest-vale', 256, 80),
    instructions('vale-vnet-hdr', 256, 88),
    instructions('vale-vnet-hdr', 1, 8),
  ];
  expect(only('VALE, virtio-net header on both ends, 60 bytes, of', { results })).toMatchObject({
    measured: 90,
    met: true,
  });
  expect(only('VALE, virtio-net header on both ends, 60 bytes, instr', { cost })).toMatchObject({
    measured: 110,
    met: false,
  });
  expect(only('packets of 64 KiB', { results })).toMatchObject({ measured: 79, met: false });
});

test('in VMs stamps are told and not judged', () => {
  const vsPeer = (times: number) => ({ 'testpmd-host-to-vm': times, 'testpmd-vm-to-host': 99 });
  const results = [
    result('vm host-to-guest', { vsPeer: vsPeer(61) }),
    result('vm host-to-guest', { payload: 'stamp', vsPeer: vsPeer(1.7) }),
  ];
  expect(only('VM host-to-guest, 60 bytes, times', { results })).toMatchObject({ measured: 61, met: true });
  expect(only('VM host-to-guest, 60 bytes, stamped', { results })).toMatchObject({
    wanted: null,
    measured: 1.7,
    met: null,
    why: null,
  });
});

test('many ports are compared with two', () => {
  expect(only('VALE with 254', { cost: [ports(2, 200), ports(254, 189)] })).toMatchObject({
    measured: 94.5,
    met: false,
  });
  expect(only('VALE with 254', { cost: [ports(254, 189)] })).toMatchObject({
    measured: null,
    met: null,
    why: 'vale-ports ports=2 was not part of the run',
    selected: true,
  });
});

test('latencies: of driver models, at the percentile that is asked for', () => {
  const rows = [
    latency('publish-to-service null', 'poll', 1.9, 500),
    latency('kick-to-service null bar0=io', 'notify', 30, 60),
    latency('kick-to-service null bar0=mem', 'notify', 30, 46),
    latency('vm kick-to-service null bar0=io', 'notify', 1, 1),
    latency('round-trip pipe', 'poll', 7, 50),
    latency('round-trip pipe', 'notify', 1, 1),
    latency('vm round-trip pipe', 'poll', 1, 1),
  ];
  const of = (name: string) => only(name, { latency: rows });
  expect(of('publish to service')).toMatchObject({ wanted: '< 2 µs', measured: 1.9, met: true });
  expect(of('kick to service when parked, bar0=io')).toMatchObject({ measured: 60, met: false });
  expect(of('kick to service when parked, bar0=mem')).toMatchObject({ measured: 46, met: true });
  expect(of('round trip')).toMatchObject({ measured: 7, met: false });
});

test('the quickest of several round trips counts', () => {
  const target = TARGETS.find(({ name }) => name.startsWith('round trip'))!;
  const one = 'latency round-trip pipe one-thread policy=poll load=idle';
  const rows = [
    latency('round-trip pipe', 'poll', 7, 50),
    latency('round-trip pipe one-thread', 'poll', 2, 50),
  ];
  const several = { ...target, anyOf: [...target.anyOf, one] };
  expect(targetRows({ ...EMPTY, latency: rows }, [several])).toMatchObject([
    { measured: 2, of: one, met: true },
  ]);
});

test('what failed says why, what it is compared with too', () => {
  const pipe = [result('guest-to-guest-pipe')];
  const failures = { [`peer ${VHOST} size=60`]: 'there is no testpmd', 'limit slots': 'broken' };
  expect(only(PIPE_PEER, { results: pipe, failures })).toMatchObject({
    measured: null,
    met: null,
    of: null,
    why: `peer ${VHOST} size=60: there is no testpmd`,
    selected: true,
  });
  // A share of 0 is what a row says without a limit: nothing that was measured.
  expect(only(PIPE_SHARE, { results: pipe, failures }).why).toBe('limit slots: broken');
  const path = 'vm guest-to-host size=60 rings=1 burst=256 payload=none';
  expect(only('VM guest-to-host, 60 bytes, times', { failures: { [path]: 'no QEMU' } })).toMatchObject({
    why: `${path}: no QEMU`,
    selected: true,
  });
  expect(only(PIPE_PEER, { results: pipe, peers: [vhostRow] }).why).toMatch(/^no round has both/);
});

test('nothing of it in the run: not selected, and not printed', () => {
  const limits = [{ name: 'slots', unit: 'slots', mps: same(1500) } as const];
  for (const row of targetRows({ ...EMPTY, limits }))
    expect(row).toMatchObject({ measured: null, met: null, selected: false });
  expect(only(PIPE_SHARE, { limits }).why).toMatch(/^guest-to-guest-pipe .* was not part of the run$/);
  const text = formatReport({ ...sampleReport(), targets: targetRows({ ...EMPTY, limits }) });
  expect(text).not.toContain('target');
});

test('printed last, with what was selected and could not be measured', () => {
  const failures = { 'idle rings=1000': 'too many\nfiles' };
  const targets = targetRows({ ...EMPTY, cost: [ports(2, 200), ports(254, 196)], failures });
  const text = formatReport({ ...sampleReport(), targets });
  const [head, ...lines] = text.slice(text.indexOf('target ')).trimEnd().split('\n');
  expect(head).toMatch(/^target +wanted +measured +met +by, or why not$/);
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(
    /^VALE with 254 ports, of one with 2 +>= 95 % +98\.00 % +yes +vale-ports ports=254$/,
  );
  expect(lines[1]).toMatch(/^idle host, .* < 1 % +not measured +idle rings=1000: too many$/);
});

test('a report has them all', () => {
  const { targets } = sampleReport();
  expect(targets.map(({ name }) => name)).toEqual(TARGETS.map(({ name }) => name));
  expect(targets.find(({ name }) => name === 'VALE both ways, 60 bytes, of one way')).toMatchObject({
    measured: 150,
    met: true,
  });
});
