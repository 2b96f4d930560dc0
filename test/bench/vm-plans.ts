// The two real VMs that all measurements share: their devices, and what each agent is told for a scenario.
import { stringify } from 'yaml';
import { LATENCIES, type Latency, POLICIES } from './latencies.ts';
import { type Counted, macOf, PATIENCE_US, slotsOf } from './plans.ts';
import {
  FOREIGN_PAYLOADS,
  ONE_BUFFER_SIZES,
  type PairPath,
  type Payload,
  type Scenario,
  SIZES,
  STAMPED_SIZES,
} from './scenarios.ts';

const RINGS_MAX = 4;
const REGION_BUFFERS = 65_536;
/** A switch learns where the second VM is from a packet to nobody. */
const NOBODY = '02:00:00:00:02:00';
const RECEIVER_IDLE_MS = 150;
const SPIN_US = 20;
/** Beyond the sender's end: a receiver ends when nothing has come for a while. */
const RECEIVER_EXTRA_SECONDS = 30;

const sinkName = (payload: Payload): string => `null:to_${payload}`;
const sourceName = (size: number, payload: Payload): string => `null:from_${size}_${payload}`;
/** Those of a worker that never parks them, for what an adaptive one is compared with. */
const polledName = (port: string): string => `${port}_poll`;

/** Rings are varied only here, and each ring takes its buffers. */
const isBase = (size: number, payload: Payload): boolean => size === SIZES[0] && payload === 'none';

const SOURCES = [
  ...ONE_BUFFER_SIZES.map((size) => ({ size, payload: 'none' as const })),
  ...STAMPED_SIZES.flatMap((size) => [
    { size, payload: 'stamp' as const },
    { size, payload: 'full' as const },
  ]),
];

const wide = () => ({ 'tx-rings': RINGS_MAX, 'rx-rings': RINGS_MAX });

/** A sink for each way of being served on its own: polled, or parked behind a doorbell of either kind. */
const servedSink = ({ policy, bar0 }: Pick<Latency, 'policy' | 'bar0'>): string =>
  `null:${policy}_${bar0 ?? 'io'}`;
const SERVED = new Map(
  LATENCIES.filter(({ vm, path }) => vm && path === 'null').map((latency) => [servedSink(latency), latency]),
);
/** One packet at a time is in them, and the region's buffers are few. */
const SHORT = { 'tx-slots': 64, 'rx-slots': 64 };

const PORTS: Readonly<Record<string, object>> = {
  [sinkName('none')]: { 'tx-rings': RINGS_MAX },
  [sinkName('stamp')]: { sink: { verify: true, payload: 'stamp' } },
  [sinkName('full')]: { sink: { verify: true } },
  ...Object.fromEntries(
    SOURCES.map(({ size, payload }) => [
      sourceName(size, payload),
      { 'rx-rings': isBase(size, payload) ? RINGS_MAX : 1, source: { packets: 'unlimited', size, payload } },
    ]),
  ),
  ...Object.fromEntries(
    FOREIGN_PAYLOADS.flatMap((payload) => [
      [
        polledName(sinkName(payload)),
        { 'rx-slots': 64, ...(payload !== 'none' && { sink: { verify: true, payload } }) },
      ],
      [
        polledName(sourceName(SIZES[0], payload)),
        { 'tx-slots': 64, source: { packets: 'unlimited', size: SIZES[0], payload } },
      ],
    ]),
  ),
  'p{1': wide(),
  'p}1': wide(),
  'vale0:1': wide(),
  'vale0:2': wide(),
  ...Object.fromEntries([...SERVED.keys()].map((port) => [port, SHORT])),
};

/** A pipe for each policy: what is served in one way is timed in that way. */
const timedPipe = (policy: Latency['policy'], end: '{' | '}'): string => `${policy}${end}1`;
const POLICY_OF = new Map(
  POLICIES.flatMap((policy) => [
    [timedPipe(policy, '{'), policy],
    [timedPipe(policy, '}'), policy],
  ]),
);

const isOfSecond = (port: string): boolean => port.includes('}') || port === 'vale0:2';
const ALL_PORTS = [...Object.keys(PORTS), ...POLICY_OF.keys()];

/** In the order of their devices. */
const VM_PORTS: Readonly<Record<'vm1' | 'vm2', readonly string[]>> = {
  vm1: ALL_PORTS.filter((port) => !isOfSecond(port)),
  vm2: ALL_PORTS.filter(isOfSecond),
};

export type VmName = keyof typeof VM_PORTS;

const policyOf = (port: string): Latency['policy'] =>
  POLICY_OF.get(port) ?? SERVED.get(port)?.policy ?? (port.endsWith(polledName('')) ? 'poll' : 'adaptive');

const vmConfig = (name: VmName) => ({
  region: 'lan',
  devices: VM_PORTS[name].map((port, i) => ({
    port,
    mac: macOf(i + (name === 'vm1' ? 0 : 128)),
    policy: policyOf(port),
    bar0: SERVED.get(port)?.bar0 ?? 'io',
  })),
});

/** YAML, without run-dir. */
export const fleetConfig = (): string =>
  stringify({
    regions: { lan: { 'buf-num': REGION_BUFFERS } },
    switches: { vale0: { 'patience-us': PATIENCE_US } },
    ports: PORTS,
    vms: { vm1: vmConfig('vm1'), vm2: vmConfig('vm2') },
  });

/** What the agent of a VM is told. */
export interface Order {
  readonly vm: VmName;
  readonly command: string;
}

export interface VmPlan {
  readonly receiver?: Order;
  readonly sender?: Order;
  readonly sent: readonly Counted[];
  readonly received: readonly Counted[];
  readonly lossless: boolean;
}

const macOfPort = (vm: VmName, port: string): string =>
  vmConfig(vm).devices.find((d) => d.port === port)!.mac;
const deviceOf = (vm: VmName, port: string): number => VM_PORTS[vm].indexOf(port);
const ringList = (rings: number): string => Array.from({ length: rings }, (_, i) => i).join(',');

/** The second VM becomes known to the switch. */
export const KNOWN: Order = {
  vm: 'vm2',
  command: `send --device ${deviceOf('vm2', 'vale0:2')} --count 1 --payload full --tx-rings 0 --dst ${NOBODY}`,
};

interface Ends {
  readonly to?: readonly [VmName, string];
  readonly from?: readonly [VmName, string];
}

const portFor = ({ policy }: Scenario, port: string): string => (policy === 'poll' ? polledName(port) : port);

const ENDS: Readonly<Record<PairPath, (scenario: Scenario) => Ends>> = {
  'guest-to-host': (scenario) => ({ from: ['vm1', portFor(scenario, sinkName(scenario.payload))] }),
  'host-to-guest': (scenario) => ({
    to: ['vm1', portFor(scenario, sourceName(scenario.size, scenario.payload))],
  }),
  'guest-to-guest-pipe': () => ({ from: ['vm1', 'p{1'], to: ['vm2', 'p}1'] }),
  'guest-to-guest-vale': () => ({ from: ['vm1', 'vale0:1'], to: ['vm2', 'vale0:2'] }),
};

/**
 * @param seconds how long the loops run
 * @param firstSeq of what is sent: a verifying sink remembers the numbers that it has seen
 */
export function vmPlanOf(scenario: Scenario, seconds: number, firstSeq: number): VmPlan {
  const { size, rings, burst, payload, rhythm } = scenario;
  const path = scenario.path as PairPath;
  const { from, to } = ENDS[path](scenario);
  // Two VMs and a worker on two CPUs: whoever has nothing to do must soon leave its CPU to the others.
  const patience = from && to ? ` --spin-us ${SPIN_US}` : '';
  const foreign = rhythm ? ` --rhythm ${rhythm} --interrupts` : '';
  const common = `--payload ${payload} --burst ${burst}${patience}${foreign}`;
  // The receiver goes on until all that was sent has arrived: what were left over would be found by the next one.
  const limits = from
    ? `--seconds ${seconds + RECEIVER_EXTRA_SECONDS} --idle-ms ${RECEIVER_IDLE_MS}`
    : `--seconds ${seconds}`;
  const dst = from && to ? macOfPort(...to) : NOBODY;
  const numbers = `--size ${size} --frags ${slotsOf(size)} --first-seq ${from && to ? 0 : firstSeq} --dst ${dst}`;
  const send =
    from &&
    `send --device ${deviceOf(...from)} --seconds ${seconds} ${numbers} ${common} --tx-rings ${ringList(rings)}`;
  const receive =
    to && `receive --device ${deviceOf(...to)} ${limits} ${common} --rx-rings ${ringList(rings)}`;
  const sent: Counted = from ? { port: from[1], dir: 'tx' } : { port: to![1], dir: 'rx' };
  const received: Counted = to ? { port: to[1], dir: 'rx' } : sent;
  return {
    ...(to && { receiver: { vm: to[0], command: receive! } }),
    ...(from && { sender: { vm: from[0], command: send! } }),
    sent: [sent],
    received: [received],
    lossless: path === 'guest-to-guest-pipe',
  };
}

/** A guest of its own driver is not interrupted: told to sleep, the agent looks for interrupts between short naps. */
const AGENT_WAITS: Readonly<Record<Latency['policy'], string>> = {
  poll: '--spin-us 60000000',
  adaptive: '--spin-us 50 --interrupts',
  notify: '--spin-us 0 --interrupts',
};

/** @param rate packets per second; undefined: as many as go */
export function vmPingOf(
  latency: Latency,
  rate: number | undefined,
  seconds: number,
): { echo?: Order; ping: Order } {
  const { policy } = latency;
  if (latency.path === 'null') return { ping: serviceOrder(latency, rate, seconds) };
  const [near, far] = [timedPipe(policy, '{'), timedPipe(policy, '}')];
  const waits = AGENT_WAITS[policy];
  const limits = `--seconds ${seconds + RECEIVER_EXTRA_SECONDS} --idle-ms ${RECEIVER_IDLE_MS}`;
  const ping = `ping --device ${deviceOf('vm1', near)} --seconds ${seconds} --dst ${macOfPort('vm2', far)}`;
  return {
    echo: { vm: 'vm2', command: `echo --device ${deviceOf('vm2', far)} --payload stamp ${limits} ${waits}` },
    ping: { vm: 'vm1', command: `${ping}${paceOf(rate)} ${waits}` },
  };
}

const paceOf = (rate: number | undefined): string =>
  rate === undefined ? '' : ` --rate ${Math.round(rate)}`;

/** Nobody answers: the guest sleeps until the next packet is due, so that each finds the host at rest. */
function serviceOrder(latency: Latency, rate: number | undefined, seconds: number): Order {
  const device = deviceOf('vm1', servedSink(latency));
  const ping = `ping --device ${device} --seconds ${seconds} --dst ${NOBODY}${paceOf(rate)}`;
  return { vm: 'vm1', command: `${ping} ${AGENT_WAITS.notify}` };
}
