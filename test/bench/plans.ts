// How each path is set up: the host's configuration, the guests, and where packets are counted.
import { stringify } from 'yaml';
import type { JobLoop } from '../../guest-driver/model/index.ts';
import type { PathName, Scenario } from './scenarios.ts';

/** A driver model in a process of its own, with the devices of one VM. */
export interface GuestPlan {
  readonly vm: string;
  readonly loops: readonly JobLoop[];
}

/** All rings of one direction of a port, seen from the guest. */
export interface Counted {
  readonly port: string;
  readonly dir: 'tx' | 'rx';
}

export interface Plan {
  /** YAML, without run-dir. */
  readonly config: string;
  /** Run to their end before the others start. */
  readonly first: readonly GuestPlan[];
  readonly receivers: readonly GuestPlan[];
  readonly senders: readonly GuestPlan[];
  readonly sent: readonly Counted[];
  readonly received: readonly Counted[];
  /** Nothing may be missing: only a switch drops. */
  readonly lossless: boolean;
}

const BUF_SIZE = 2048;
const SLOTS = 1024;
const RESERVED_BUFFERS = 2;
const MACS = ['02:00:00:00:01:00', '02:00:00:00:02:00'] as const;

/** Slots that a packet takes. */
export const slotsOf = (size: number): number => Math.ceil(size / BUF_SIZE);

const device = (port: string, i = 0) => ({ port, mac: MACS[i] });

function sending({ size, burst, payload }: Scenario, dst?: string): JobLoop {
  return { op: 'send', size, frags: slotsOf(size), burst, payload, ...(dst === undefined ? {} : { dst }) };
}

const receiving = ({ burst, payload }: Scenario): JobLoop => ({ op: 'receive', burst, payload });

function guestToHost(scenario: Scenario): Plan {
  const { rings, payload } = scenario;
  const port = { 'tx-rings': rings, sink: { verify: payload === 'full' } };
  const counted: Counted[] = [{ port: 'null:a', dir: 'tx' }];
  return {
    config: stringify({ ports: { 'null:a': port }, vms: { vm1: { devices: [device('null:a')] } } }),
    first: [],
    receivers: [],
    senders: [{ vm: 'vm1', loops: [sending(scenario)] }],
    sent: counted,
    received: counted,
    lossless: true,
  };
}

function hostToGuest(scenario: Scenario): Plan {
  const { rings, size, payload } = scenario;
  const port = { 'rx-rings': rings, source: { packets: 'unlimited', size, payload } };
  const counted: Counted[] = [{ port: 'null:a', dir: 'rx' }];
  return {
    config: stringify({ ports: { 'null:a': port }, vms: { vm1: { devices: [device('null:a')] } } }),
    first: [],
    receivers: [{ vm: 'vm1', loops: [receiving(scenario)] }],
    senders: [],
    sent: counted,
    received: counted,
    lossless: true,
  };
}

function pipe(scenario: Scenario): Plan {
  const { rings } = scenario;
  const lan = { 'buf-num': 2 * rings * SLOTS + RESERVED_BUFFERS };
  const both = { 'tx-rings': rings, 'rx-rings': rings };
  return {
    config: stringify({
      regions: { lan },
      ports: { 'p{1': both, 'p}1': both },
      vms: {
        vm1: { region: 'lan', devices: [device('p{1', 0)] },
        vm2: { region: 'lan', devices: [device('p}1', 1)] },
      },
    }),
    first: [],
    receivers: [{ vm: 'vm2', loops: [receiving(scenario)] }],
    senders: [{ vm: 'vm1', loops: [sending(scenario, MACS[1])] }],
    sent: [{ port: 'p{1', dir: 'tx' }],
    received: [{ port: 'p}1', dir: 'rx' }],
    lossless: true,
  };
}

function vale(scenario: Scenario): Plan {
  const { rings } = scenario;
  return {
    config: stringify({
      switches: { vale0: { 'tx-rings': rings, 'rx-rings': rings } },
      vms: { vm1: { devices: [device('vale0:1', 0)] }, vm2: { devices: [device('vale0:2', 1)] } },
    }),
    // The switch learns where the receiver is, so that the traffic is unicast.
    first: [{ vm: 'vm2', loops: [{ op: 'send', count: 1, src: MACS[1], dst: MACS[0], payload: 'none' }] }],
    receivers: [{ vm: 'vm2', loops: [receiving(scenario)] }],
    senders: [{ vm: 'vm1', loops: [sending(scenario, MACS[1])] }],
    sent: [{ port: 'vale0:1', dir: 'tx' }],
    received: [{ port: 'vale0:2', dir: 'rx' }],
    lossless: false,
  };
}

const PLANS: Readonly<Record<PathName, (scenario: Scenario) => Plan>> = {
  'guest-to-host': guestToHost,
  'host-to-guest': hostToGuest,
  'guest-to-guest-pipe': pipe,
  'guest-to-guest-vale': vale,
};

export const planOf = (scenario: Scenario): Plan => PLANS[scenario.path](scenario);

/** Rings of one device; a VM has at most 28 devices. */
const IDLE_RINGS_PER_DEVICE = 10;
const IDLE_DEVICES_PER_VM = 25;
const IDLE_SLOTS = 64;

/** Guests that attach `rings` rings, half of them each way, and leave them alone. */
export function idlePlan(rings: number): Pick<Plan, 'config' | 'senders'> {
  const perDevice = Math.max(2, Math.min(rings, IDLE_RINGS_PER_DEVICE));
  const names = Array.from({ length: Math.max(1, rings / perDevice) }, (_, i) => `null:i${i}`);
  const half = perDevice / 2;
  const shape = { 'tx-rings': half, 'rx-rings': half, 'tx-slots': IDLE_SLOTS, 'rx-slots': IDLE_SLOTS };
  const vms: Record<string, object> = {};
  for (let i = 0; i < names.length; i += IDLE_DEVICES_PER_VM) {
    const ports = names.slice(i, i + IDLE_DEVICES_PER_VM);
    vms[`vm${i / IDLE_DEVICES_PER_VM}`] = { devices: ports.map((port) => ({ port })) };
  }
  const config = stringify({ ports: Object.fromEntries(names.map((name) => [name, shape])), vms });
  return { config, senders: rings === 0 ? [] : Object.keys(vms).map((vm) => ({ vm, loops: [] })) };
}
