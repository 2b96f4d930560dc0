// How each path is set up: the host's configuration, the guests, and where packets are counted.
import { stringify } from 'yaml';
import type { JobLoop } from '../../guest-driver/model/index.ts';
import type { PolicyName } from '../../native/engine.ts';
import { withApplications } from './application-plans.ts';
import {
  BULK_PATH,
  HEADER_PATH,
  type KernelPath,
  type PathName,
  type Scenario,
  VALE_MANY,
} from './scenarios.ts';

/** A driver model in a process of its own, with the devices of one VM, or a program of the host. */
export interface GuestPlan {
  readonly vm: string;
  /** It is a program of the host, which opens this port and sends from this address. */
  readonly application?: { readonly port: string; readonly mac: string };
  /** Bytes of the virtio-net header that its packets begin with; none when it is left out. */
  readonly vnetHdrLen?: number;
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
  /** Commands of a shell that set up a network namespace of its own first; the configuration names it NETNS. */
  readonly network?: string;
  /** Of the host, where it is not the usual one. */
  readonly policy?: PolicyName;
  /** Run to their end before the others start. */
  readonly first: readonly GuestPlan[];
  /** Attached all the time, and doing nothing. */
  readonly idle?: readonly GuestPlan[];
  readonly receivers: readonly GuestPlan[];
  readonly senders: readonly GuestPlan[];
  readonly sent: readonly Counted[];
  readonly received: readonly Counted[];
  /** Nothing may be missing: only a switch drops. */
  readonly lossless: boolean;
}

const BUF_SIZE = 2048;
const SLOTS = 1024;
/** Nothing is copied in a pipe, so a ring can be long enough for a lap to outlast a change of the CPU between the guests. */
const PIPE_SLOTS = 4096;
/** The guests share a CPU: a receiver may have to wait for its turn as long as the sender takes to fill its ring. */
export const PATIENCE_US = 2000;
const RESERVED_BUFFERS = 2;
const VNET_HDR_LEN = 12;

/** Of the i-th guest. They follow each other in the last byte, as a sender to several expects. */
export const macOf = (i: number): string => `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`;
const BROADCAST = 'ff:ff:ff:ff:ff:ff';

/** Slots that a packet takes when its sender is a guest. */
export const slotsOf = (size: number): number => Math.ceil(size / BUF_SIZE);

export const device = (port: string, i = 0) => ({ port, mac: macOf(i) });

/** A driver that is not ours sleeps. */
const inRhythm = ({ rhythm }: Scenario): Partial<JobLoop> => (rhythm ? { rhythm, sleep: true } : {});

/** As its scenario wants it served. */
const servedAs = ({ policy }: Scenario, port: string) => ({ ...device(port), ...(policy && { policy }) });

const sending = (scenario: Scenario, to: Pick<JobLoop, 'dst' | 'spread'> = {}): JobLoop => ({
  op: 'send',
  size: scenario.size,
  frags: slotsOf(scenario.size),
  burst: scenario.burst,
  payload: scenario.payload,
  ...inRhythm(scenario),
  ...to,
});

const receiving = (scenario: Scenario): JobLoop => ({
  op: 'receive',
  burst: scenario.burst,
  payload: scenario.payload,
  ...inRhythm(scenario),
});

const both = (scenario: Scenario, dst: string): JobLoop => ({ ...sending(scenario, { dst }), op: 'duplex' });

function guestToHost(scenario: Scenario): Plan {
  const { rings, payload } = scenario;
  const sink = payload === 'none' ? { verify: false } : { verify: true, payload };
  const port = { 'tx-rings': rings, sink };
  const counted: Counted[] = [{ port: 'null:a', dir: 'tx' }];
  return {
    config: stringify({
      ports: { 'null:a': port },
      vms: { vm1: { devices: [servedAs(scenario, 'null:a')] } },
    }),
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
  // A source puts a packet into one buffer.
  const lan = {
    'buf-size': Math.max(BUF_SIZE, size),
    'buf-num': (rings + 3) * SLOTS + RESERVED_BUFFERS,
  };
  return {
    config: stringify({
      regions: { lan },
      ports: { 'null:a': port },
      vms: { vm1: { region: 'lan', devices: [servedAs(scenario, 'null:a')] } },
    }),
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
  const lan = { 'ring-size': 256 + 16 * PIPE_SLOTS, 'buf-num': 2 * rings * PIPE_SLOTS + RESERVED_BUFFERS };
  const slots = { 'tx-slots': PIPE_SLOTS, 'rx-slots': PIPE_SLOTS };
  const shape = { 'tx-rings': rings, 'rx-rings': rings, ...slots };
  return {
    config: stringify({
      regions: { lan },
      ports: { 'p{1': shape, 'p}1': shape },
      vms: {
        vm1: { region: 'lan', devices: [device('p{1', 0)] },
        vm2: { region: 'lan', devices: [device('p}1', 1)] },
      },
    }),
    first: [],
    receivers: [{ vm: 'vm2', loops: [receiving(scenario)] }],
    senders: [{ vm: 'vm1', loops: [sending(scenario, { dst: macOf(1) })] }],
    sent: [{ port: 'p{1', dir: 'tx' }],
    received: [{ port: 'p}1', dir: 'rx' }],
    lossless: true,
  };
}

const MANY = Array.from({ length: VALE_MANY }, (_, i) => i + 1);
/** A sender takes one for each of its rings. */
const STREAMS_EACH = 32;
const KNOWN_STREAM = 250;

const guest = (i: number, loop: JobLoop): GuestPlan => ({ vm: `vm${i}`, loops: [loop] });

/**
 * A guest makes itself known: what is sent to it is unicast from then on. Nobody has that address, so the others get
 * the packet: whole, and on a stream of its own.
 */
const known = (i: number): GuestPlan =>
  guest(i, { op: 'send', count: 1, dst: '02:00:00:00:02:00', payload: 'full', stream: KNOWN_STREAM + i });

type Roles = Pick<Plan, 'first' | 'receivers' | 'senders'>;

/** Who does what on a switch with as many guests as take part, each with one port. */
const VALE_ROLES = {
  'guest-to-guest-vale': (scenario) => ({
    first: [known(1)],
    receivers: [guest(1, receiving(scenario))],
    senders: [guest(0, sending(scenario, { dst: macOf(1) }))],
  }),
  'vale-duplex': (scenario) => ({
    first: [known(0), known(1)],
    receivers: [],
    senders: [guest(0, both(scenario, macOf(1))), guest(1, both(scenario, macOf(0)))],
  }),
  'vale-1-to-3-unicast': (scenario) => ({
    first: MANY.map(known),
    receivers: MANY.map((i) => guest(i, receiving(scenario))),
    senders: [guest(0, sending(scenario, { dst: macOf(1), spread: VALE_MANY }))],
  }),
  'vale-1-to-3-broadcast': (scenario) => ({
    first: [],
    receivers: MANY.map((i) => guest(i, receiving(scenario))),
    senders: [guest(0, sending(scenario, { dst: BROADCAST }))],
  }),
  'vale-3-to-1': (scenario) => ({
    first: [known(0)],
    receivers: [guest(0, receiving(scenario))],
    // A stream of its own for each: the receiver tells them apart.
    senders: MANY.map((i) => guest(i, { ...sending(scenario, { dst: macOf(0) }), stream: i * STREAMS_EACH })),
  }),
} satisfies Partial<Record<PathName, (scenario: Scenario) => Roles>>;

const numberOf = ({ vm }: GuestPlan): number => Number(vm.slice(2));
const portOf = ({ vm }: GuestPlan): string => `vale0:${vm}`;

function vale(scenario: Scenario, roles: Roles): Plan {
  const { rings } = scenario;
  const guests = [...roles.receivers, ...roles.senders];
  const vms = guests.map((each) => [each.vm, { devices: [device(portOf(each), numberOf(each))] }]);
  const counted = (dir: Counted['dir']) => (each: GuestPlan) => ({ port: portOf(each), dir });
  return {
    config: stringify({
      switches: { vale0: { 'tx-rings': rings, 'rx-rings': rings, 'patience-us': PATIENCE_US } },
      vms: Object.fromEntries(vms),
    }),
    ...roles,
    sent: roles.senders.map(counted('tx')),
    // Both directions at once: who sends receives too.
    received: (roles.receivers.length > 0 ? roles.receivers : roles.senders).map(counted('rx')),
    lossless: false,
  };
}

/** The same guests, with a virtio-net header. */
function withHeader(roles: Roles): Roles {
  const all = (guests: readonly GuestPlan[]) => guests.map((each) => ({ ...each, vnetHdrLen: VNET_HDR_LEN }));
  return { first: all(roles.first), receivers: all(roles.receivers), senders: all(roles.senders) };
}

/** Two interfaces of the kernel's and what is between them, for us and for those who are measured beside us. */
export const bridged = (interfaces: readonly string[]): string =>
  [
    'ip link add br0 type bridge mcast_snooping 0',
    'ip link set dev br0 up',
    ...interfaces.map((name) => `ip link set dev ${name} master br0 up`),
  ].join('\n');

/** Interfaces a and b, each the end of a cable whose other end is in the bridge. One queue each, as AF_XDP has to know. */
export const BRIDGED_CABLES = `for name in a b; do
ip link add name $name numrxqueues 1 type veth peer name $name-br
ip link set dev $name up
done
${bridged(['a-br', 'b-br'])}`;

const BRIDGED_TAPS = `for name in a b; do
ip tuntap add dev $name mode tap
done
${bridged(['a', 'b'])}`;

/** What two guests are behind, and how. */
const KERNEL_PORTS = {
  'guest-to-guest-tap': { network: BRIDGED_TAPS, kind: 'tap', how: { 'vnet-hdr': false } },
  'guest-to-guest-af-packet': { network: BRIDGED_CABLES, kind: 'netmap', how: { access: 'af-packet' } },
  'guest-to-guest-af-xdp': { network: BRIDGED_CABLES, kind: 'netmap', how: { access: 'af-xdp' } },
} as const;

function byTheKernel(scenario: Scenario, path: KernelPath): Plan {
  const { network, kind, how } = KERNEL_PORTS[path];
  const port = { netns: 'NETNS', ...how };
  return {
    network,
    config: stringify({
      ports: { [`${kind}:a`]: port, [`${kind}:b`]: port },
      vms: {
        vm1: { devices: [device(`${kind}:a`, 0)] },
        vm2: { devices: [device(`${kind}:b`, 1)] },
      },
    }),
    first: [],
    receivers: [{ vm: 'vm2', loops: [receiving(scenario)] }],
    senders: [{ vm: 'vm1', loops: [sending(scenario, { dst: macOf(1) })] }],
    sent: [{ port: `${kind}:a`, dir: 'tx' }],
    received: [{ port: `${kind}:b`, dir: 'rx' }],
    // The kernel's queues drop.
    lossless: false,
  };
}

/** Counted is what the kernel has taken: it drops what is of no protocol that it knows. */
function bulk(scenario: Scenario): Plan {
  const counted: Counted[] = [{ port: 'tap:a', dir: 'tx' }];
  const frags = slotsOf(scenario.size + VNET_HDR_LEN);
  return {
    network: '',
    config: stringify({
      ports: { 'tap:a': { netns: 'NETNS' } },
      vms: { vm1: { devices: [device('tap:a')] } },
    }),
    first: [],
    receivers: [],
    senders: [{ vm: 'vm1', vnetHdrLen: VNET_HDR_LEN, loops: [{ ...sending(scenario), frags }] }],
    sent: counted,
    received: counted,
    lossless: true,
  };
}

const pairOnVale = (scenario: Scenario): Plan => vale(scenario, VALE_ROLES['guest-to-guest-vale'](scenario));

const PLANS: Readonly<Record<PathName, (scenario: Scenario) => Plan>> = {
  'guest-to-host': guestToHost,
  'host-to-guest': hostToGuest,
  'guest-to-guest-pipe': pipe,
  'guest-to-guest-tap': (scenario) => byTheKernel(scenario, 'guest-to-guest-tap'),
  'guest-to-guest-af-packet': (scenario) => byTheKernel(scenario, 'guest-to-guest-af-packet'),
  'guest-to-guest-af-xdp': (scenario) => byTheKernel(scenario, 'guest-to-guest-af-xdp'),
  [BULK_PATH]: bulk,
  'application-to-host': (scenario) => withApplications(guestToHost(scenario), ['vm1']),
  'application-to-application-pipe': (scenario) => withApplications(pipe(scenario), ['vm1', 'vm2']),
  'application-to-application-vale': (scenario) => withApplications(pairOnVale(scenario), ['vm0', 'vm1']),
  'application-to-guest-vale': (scenario) => withApplications(pairOnVale(scenario), ['vm0']),
  [HEADER_PATH]: (scenario) => vale(scenario, withHeader(VALE_ROLES['guest-to-guest-vale'](scenario))),
  ...(Object.fromEntries(
    Object.entries(VALE_ROLES).map(([path, roles]) => [
      path,
      (scenario: Scenario) => vale(scenario, roles(scenario)),
    ]),
  ) as Record<keyof typeof VALE_ROLES, (scenario: Scenario) => Plan>),
};

export const planOf = (scenario: Scenario): Plan => PLANS[scenario.path](scenario);
