// Every plan is a configuration that a host takes, and every label names one thing.
import { expect, test } from 'vitest';
import { parseConfig } from '../../../backend/config/load.ts';
import { busyPairPlan, idlePlan, idlePortsPlan, tricklePlan } from '../../bench/idle-plans.ts';
import { LATENCIES, latencyLabel } from '../../bench/latencies.ts';
import { latencyPlanOf } from '../../bench/latency-plans.ts';
import { residentBytes } from '../../bench/memory.ts';
import { planOf } from '../../bench/plans.ts';
import { labelOf, SCENARIOS, TRICKLE_POLICIES } from '../../bench/scenarios.ts';
import { fleetConfig, vmPingOf, vmPlanOf } from '../../bench/vm-plans.ts';

const parse = (yaml: string) => parseConfig(yaml, 'plan.yaml');

test('no two things have one label', () => {
  const labels = [...SCENARIOS.map(labelOf), ...LATENCIES.map(latencyLabel)];
  expect(new Set(labels).size).toBe(labels.length);
});

test('hosts take the configurations, which have every port that is counted', () => {
  for (const plan of [...SCENARIOS.filter(({ vm }) => !vm).map(planOf), busyPairPlan(254)]) {
    const { ports } = parse(plan.config);
    for (const { port } of [...plan.sent, ...plan.received]) expect(ports.has(port)).toBe(true);
  }
});

test('the fleet has the ports of every scenario in VMs', () => {
  const { ports } = parse(fleetConfig());
  for (const scenario of SCENARIOS.filter(({ vm }) => vm)) {
    const plan = vmPlanOf(scenario, 1, 0);
    for (const { port } of [...plan.sent, ...plan.received]) expect(ports.has(port)).toBe(true);
    for (const order of [plan.receiver, plan.sender])
      expect(order?.command ?? '').not.toContain('--device -1');
  }
});

test('a VM that times the host pings a port that is served as the label says', () => {
  const { vms } = parse(fleetConfig());
  const timed = LATENCIES.filter(({ vm, path }) => vm && path === 'null');
  expect(timed.map(latencyLabel)).toEqual([
    'latency vm publish-to-service null policy=poll load=idle',
    'latency vm kick-to-service null bar0=io policy=notify load=idle',
    'latency vm kick-to-service null bar0=mem policy=notify load=idle',
  ]);
  for (const latency of timed) {
    const { echo, ping } = vmPingOf(latency, 4000, 1);
    expect(echo).toBeUndefined();
    expect(ping.vm).toBe('vm1');
    const device = vms.get('vm1')!.devices[Number(/--device (\d+)/.exec(ping.command)![1])];
    expect(device).toMatchObject({ policy: latency.policy, bar0: latency.bar0 ?? 'io' });
  }
});

test('latencies and idle rings and ports', () => {
  for (const latency of LATENCIES) expect(() => parse(latencyPlanOf(latency, 1000, 1).config)).not.toThrow();
  for (const rings of [0, 2, 50, 1000]) expect(() => parse(idlePlan(rings).config)).not.toThrow();
  for (const policy of TRICKLE_POLICIES) expect(() => parse(tricklePlan(policy).config)).not.toThrow();
  expect([...parse(idlePortsPlan(254).config).ports.keys()]).toHaveLength(254);
  expect([...parse(busyPairPlan(254).config).ports.keys()]).toHaveLength(254);
});

test('two models in one thread never wait, and the echo ends with the ping', () => {
  const duos = LATENCIES.filter(({ guests }) => guests === 'one-thread');
  expect(duos.map(latencyLabel)).toContain('latency round-trip pipe policy=poll load=idle one-thread');
  expect(duos.map(latencyLabel)).toContain('latency round-trip vale policy=poll load=50% one-thread');
  for (const duo of duos) {
    const { pings, answers } = latencyPlanOf(duo, 1000, 1);
    expect(pings.loops).toEqual([expect.objectContaining({ op: 'ping', rate: 1000, seconds: 1 })]);
    expect(answers.map(({ loops }) => loops)).toEqual([[{ op: 'echo', payload: 'stamp' }]]);
    for (const option of ['sleep', 'spinUs', 'yieldAfter']) expect(pings.loops[0]).not.toHaveProperty(option);
  }
});

test('round trips are warmed up; what times a sleeper or the host alone is not', () => {
  for (const latency of LATENCIES) {
    const [ping] = latencyPlanOf(latency, 1000, 1).pings.loops;
    expect(ping!.warmUp !== undefined).toBe(latency.timed === 'round-trip');
  }
});

test('memory of a process: its own and shared', () => {
  expect(residentBytes('VmRSS:\t 9 kB\nRssAnon:\t 2 kB\nRssFile:\t 4 kB\nRssShmem:\t 3 kB\n')).toBe(5 * 1024);
});
