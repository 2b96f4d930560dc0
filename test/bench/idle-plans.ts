// Plans with much that is attached and does nothing, or hardly anything.
import { parse, stringify } from 'yaml';
import type { PolicyName } from '../../native/engine.ts';
import { type GuestPlan, type Plan, planOf } from './plans.ts';
import { type MonitorKind, type Scenario, TRICKLE_RATE } from './scenarios.ts';

/** A VM has at most 28 devices. */
const DEVICES_PER_VM = 25;
/** Rings of one device. */
const RINGS_PER_DEVICE = 10;
const SLOTS = 64;
const SMALL = { 'tx-slots': SLOTS, 'rx-slots': SLOTS };

/** As few VMs as have room for the ports. */
function vmsFor(ports: readonly string[]): Record<string, { devices: { port: string }[] }> {
  const vms: Record<string, { devices: { port: string }[] }> = {};
  for (let i = 0; i < ports.length; i += DEVICES_PER_VM)
    vms[`idle${i / DEVICES_PER_VM}`] = {
      devices: ports.slice(i, i + DEVICES_PER_VM).map((port) => ({ port })),
    };
  return vms;
}

const attached = (vms: object): GuestPlan[] => Object.keys(vms).map((vm) => ({ vm, loops: [] }));

/** What a host and its guests have to be told so that everything is attached. */
export interface IdlePlan {
  /** YAML, without run-dir. */
  readonly config: string;
  readonly guests: readonly GuestPlan[];
}

/** `rings` rings, half of them each way. */
export function idlePlan(rings: number): IdlePlan {
  const perDevice = Math.max(2, Math.min(rings, RINGS_PER_DEVICE));
  const names = Array.from({ length: Math.max(1, rings / perDevice) }, (_, i) => `null:i${i}`);
  const half = perDevice / 2;
  const shape = { 'tx-rings': half, 'rx-rings': half, ...SMALL };
  const vms = vmsFor(names);
  const config = stringify({ ports: Object.fromEntries(names.map((name) => [name, shape])), vms });
  return { config, guests: rings === 0 ? [] : attached(vms) };
}

/** A guest that sends a packet now and then, from where its CPU is free meanwhile. */
export function tricklePlan(policy: PolicyName): IdlePlan {
  const config = stringify({
    engine: { workers: 1, policy },
    ports: { 'null:a': SMALL },
    vms: { vm1: { devices: [{ port: 'null:a' }] } },
  });
  return { config, guests: [{ vm: 'vm1', loops: [{ op: 'send', rate: TRICKLE_RATE, payload: 'none' }] }] };
}

const portNames = (ports: number): string[] => Array.from({ length: ports }, (_, i) => `vale0:i${i}`);

/** Small ports of one switch. */
export function idlePortsPlan(ports: number): IdlePlan {
  const vms = vmsFor(portNames(ports));
  return { config: stringify({ switches: { vale0: SMALL }, vms }), guests: attached(vms) };
}

const PAIR: Scenario = {
  path: 'guest-to-guest-vale',
  vm: false,
  size: 60,
  rings: 1,
  burst: 256,
  payload: 'none',
};

/** One busy pair on a switch with `ports` ports; the others are small. */
export function busyPairPlan(ports: number): Plan {
  const pair = planOf(PAIR);
  const { vms: busy, ...config } = parse(pair.config) as { vms: object };
  const names = portNames(ports - 2);
  const vms = vmsFor(names);
  const shapes = Object.fromEntries(names.map((name) => [name, { ...SMALL }]));
  return {
    ...pair,
    config: stringify({ ...config, ports: shapes, vms: { ...busy, ...vms } }),
    idle: attached(vms),
  };
}

/** A monitor that is away for a moment loses nothing yet. */
const MONITOR_SLOTS = 4096;

/** The busy pair, and somebody who watches what its sender sends. */
export function monitoredPairPlan(monitor: MonitorKind): Plan {
  const pair = planOf(PAIR);
  if (monitor === 'none') return pair;
  const { vms, ...config } = parse(pair.config) as { vms: object };
  const watched = `${pair.sent[0]!.port}/t`;
  const spy = { devices: [{ port: watched }] };
  const reader: GuestPlan = { vm: 'spy', loops: [{ op: 'receive', burst: PAIR.burst, payload: 'none' }] };
  return {
    ...pair,
    config: stringify({
      ...config,
      ports: { [watched]: { 'rx-slots': MONITOR_SLOTS } },
      vms: { ...vms, spy },
    }),
    ...(monitor === 'reads' ? { receivers: [...pair.receivers, reader] } : { idle: attached({ spy }) }),
  };
}
