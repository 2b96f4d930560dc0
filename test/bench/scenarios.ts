// What is measured, as data: a path, and what is sent over it.

/** One sender, one receiver: everything is varied on these. */
export const PAIR_PATHS = [
  'guest-to-host',
  'host-to-guest',
  'guest-to-guest-pipe',
  'guest-to-guest-vale',
] as const;

/** Others on one switch; `duplex` is a pair with both directions at once, and counts both. */
export const VALE_PATHS = [
  'vale-duplex',
  'vale-1-to-3-unicast',
  'vale-1-to-3-broadcast',
  'vale-3-to-1',
] as const;

/** Those of the kernel that two guests' packets go by: from the interface of one over a bridge to that of the other. */
export const KERNEL_PATHS = [
  'guest-to-guest-tap',
  'guest-to-guest-af-packet',
  'guest-to-guest-af-xdp',
] as const;

/** `guest-to-guest-vale`, both guests with a virtio-net header. */
export const HEADER_PATH = 'vale-vnet-hdr';

/** To the host's kernel, which has no use for it: packets of 64 KiB with a virtio-net header. */
export const BULK_PATH = 'guest-to-tap-vnet-hdr';
/** The most that a guest's loop sends. */
export const BULK_SIZE = 65535;

/** Programs of the host that use netmap's ABI, in the place of one guest or of both. */
export const APPLICATION_PATHS = [
  'application-to-host',
  'application-to-application-pipe',
  'application-to-application-vale',
  'application-to-guest-vale',
] as const;

export type PairPath = (typeof PAIR_PATHS)[number];
export type KernelPath = (typeof KERNEL_PATHS)[number];
export type PathName =
  | PairPath
  | (typeof VALE_PATHS)[number]
  | KernelPath
  | (typeof APPLICATION_PATHS)[number]
  | typeof HEADER_PATH
  | typeof BULK_PATH;

/** The guests that several are on the `vale-` paths. */
export const VALE_MANY = 3;

/**
 * What the guests do with a packet's bytes. `full`: every byte is written by the sender and checked by the receiver;
 * `stamp`: so is the number in its first cache line; `none`: neither touches a buffer.
 */
export type Payload = 'none' | 'stamp' | 'full';

export interface Scenario {
  readonly path: PathName;
  /** Real VMs and the agent, not driver models. */
  readonly vm: boolean;
  /** Bytes of a packet. */
  readonly size: number;
  /** Rings in use in the direction of the traffic. */
  readonly rings: number;
  /** Slots that a guest takes or fills before it publishes an index. */
  readonly burst: number;
  readonly payload: Payload;
  /** Guests whose driver is not ours: see the loops' option. */
  readonly rhythm?: 'foreign';
  /** Of the host, where that is compared. */
  readonly policy?: ForeignPolicy;
}

/** What adaptive polling costs is told by a host that polls all the time. */
export const FOREIGN_POLICIES = ['poll', 'adaptive'] as const;
export type ForeignPolicy = (typeof FOREIGN_POLICIES)[number];
export const FOREIGN_PATHS = ['guest-to-host', 'host-to-guest'] as const;
export const FOREIGN_PAYLOADS = ['none', 'stamp'] as const;
/** What netmap's packet generator publishes at once. */
const FOREIGN_BURST = 512;

const BASE = { vm: false, size: 60, rings: 1, burst: 256, payload: 'none' } as const;
export const SIZES = [60, 256, 1024, 1514, 9000] as const;
/** A source puts a packet into one buffer, and those of VMs have netmap's usual size. */
export const ONE_BUFFER_SIZES = SIZES.filter((size) => size <= 2048);
const RINGS = [2, 4];
const BURSTS = [1, 8, 64, 512];
/** Where the cost of a cache line and the cost of bytes show. */
export const STAMPED_SIZES = [60, 1514] as const;

const withSizes = (base: Scenario, sizes: readonly number[], payload: Payload): Scenario[] =>
  sizes.map((size) => ({ ...base, size, payload }));

const withRingsAndBursts = (base: Scenario): Scenario[] => [
  ...RINGS.map((rings) => ({ ...base, rings })),
  ...BURSTS.map((burst) => ({ ...base, burst })),
];

/** One thing at a time is varied; everything at once would be hundreds of scenarios that nobody reads. */
function modelScenarios(path: PairPath): Scenario[] {
  const base: Scenario = { path, ...BASE };
  return [
    ...withSizes(base, SIZES, 'none'),
    ...withSizes(base, SIZES, 'stamp'),
    ...withSizes(base, SIZES, 'full'),
    ...withRingsAndBursts(base),
  ];
}

function valeScenarios(path: PathName): Scenario[] {
  const base: Scenario = { path, ...BASE };
  return [
    ...withSizes(base, SIZES, 'none'),
    ...withSizes(base, STAMPED_SIZES, 'stamp'),
    ...withSizes(base, STAMPED_SIZES, 'full'),
    ...withRingsAndBursts(base),
  ];
}

function applicationScenarios(path: PathName): Scenario[] {
  const base: Scenario = { path, ...BASE };
  const rings = path === 'application-to-application-pipe' ? RINGS : [];
  return [
    ...withSizes(base, STAMPED_SIZES, 'none'),
    ...withSizes(base, STAMPED_SIZES, 'stamp'),
    ...withSizes(base, [BASE.size], 'full'),
    ...rings.map((count) => ({ ...base, rings: count })),
  ];
}

function vmScenarios(path: PairPath): Scenario[] {
  const base: Scenario = { path, ...BASE, vm: true };
  return [
    ...withSizes(base, path === 'host-to-guest' ? ONE_BUFFER_SIZES : SIZES, 'none'),
    ...withSizes(base, STAMPED_SIZES, 'stamp'),
    ...withSizes(base, STAMPED_SIZES, 'full'),
    ...withRingsAndBursts(base),
  ];
}

const foreignScenarios = (vm: boolean): Scenario[] =>
  FOREIGN_PATHS.flatMap((path) =>
    FOREIGN_PAYLOADS.flatMap((payload) =>
      FOREIGN_POLICIES.map(
        (policy): Scenario => ({
          path,
          ...BASE,
          vm,
          burst: FOREIGN_BURST,
          payload,
          rhythm: 'foreign',
          policy,
        }),
      ),
    ),
  );

export const SCENARIOS: readonly Scenario[] = [
  ...PAIR_PATHS.flatMap(modelScenarios),
  ...KERNEL_PATHS.flatMap((path) => [
    ...withSizes({ path, ...BASE }, STAMPED_SIZES, 'none'),
    ...withSizes({ path, ...BASE }, STAMPED_SIZES, 'stamp'),
  ]),
  ...APPLICATION_PATHS.flatMap(applicationScenarios),
  ...withSizes({ path: BULK_PATH, ...BASE }, [BULK_SIZE], 'none'),
  ...foreignScenarios(false),
  ...VALE_PATHS.flatMap(valeScenarios),
  ...withSizes({ path: HEADER_PATH, ...BASE }, STAMPED_SIZES, 'none'),
  ...PAIR_PATHS.flatMap(vmScenarios),
  ...foreignScenarios(true),
];

/** Its name in reports. */
export const nameOf = ({ path, vm }: Pick<Scenario, 'path' | 'vm'>): string => (vm ? `vm ${path}` : path);

/** What `--only` is matched with, and what progress shows. */
export function labelOf(scenario: Scenario): string {
  return rowLabel({ ...scenario, name: nameOf(scenario) });
}

export function rowLabel(row: Omit<Scenario, 'path' | 'vm'> & { readonly name: string }): string {
  const how = `${row.name} size=${row.size} rings=${row.rings} burst=${row.burst} payload=${row.payload}`;
  return row.rhythm ? `${how} rhythm=${row.rhythm} policy=${row.policy}` : how;
}

/** The one way that a scenario with both directions at once is compared with. */
export function oneWayOf(scenario: Scenario): Scenario | undefined {
  return scenario.path === 'vale-duplex' ? { ...scenario, path: 'guest-to-guest-vale' } : undefined;
}

/** The path without a header that one with it is compared with. */
export function plainOf(scenario: Scenario): Scenario | undefined {
  return scenario.path === HEADER_PATH ? { ...scenario, path: 'guest-to-guest-vale' } : undefined;
}

/** The guests alone that one with an application is compared with. */
export function guestsOf(scenario: Scenario): Scenario | undefined {
  return scenario.path === 'application-to-guest-vale'
    ? { ...scenario, path: 'guest-to-guest-vale' }
    : undefined;
}

/** The host that polls all the time, with which an adaptive one is compared. */
export function pollingOf(scenario: Scenario): Scenario | undefined {
  return scenario.policy === 'adaptive' ? { ...scenario, policy: 'poll' } : undefined;
}

/** Attached rings without traffic whose cost is measured. */
export const IDLE_RINGS = [0, 2, 50, 250, 1000] as const;

export const idleLabel = (rings: number): string => `idle rings=${rings}`;

/** Ports of a switch on which one pair is busy. */
export const SWITCH_PORTS = [2, 16, 64, 254] as const;

export const portsLabel = (ports: number): string => `vale-ports ports=${ports}`;

/** Who watches what the busy pair's sender sends: nobody, one who takes everything, one who takes nothing. */
export const MONITORS = ['none', 'reads', 'rests'] as const;
export type MonitorKind = (typeof MONITORS)[number];

export const monitorLabel = (monitor: string): string => `vale-monitor monitor=${monitor}`;

export const MEMORY_LABEL = 'memory-per-port';

export const TAKEOVER_LABEL = 'takeover';

/** Paths whose cycles are counted, where the machine counts any. */
export const CYCLE_PATHS = PAIR_PATHS;

export const cyclesLabel = (path: string): string => `cycles ${path}`;

/**
 * Where the host's instructions are counted. `vale-vnet-hdr`: both ends have a virtio-net header; `-taken`: the sender alone;
 * `-added`: the receiver alone. `vale-monitor-`: the sender's port has a monitor that takes everything, or nothing.
 */
export const INSTRUCTION_PATHS = [
  ...PAIR_PATHS,
  HEADER_PATH,
  'vale-vnet-hdr-taken',
  'vale-vnet-hdr-added',
  'vale-monitor-reads',
  'vale-monitor-rests',
] as const;
export type InstructionPath = (typeof INSTRUCTION_PATHS)[number];

/** Packets that a guest publishes at once where the host's instructions are counted. */
export const INSTRUCTION_BURSTS = [1, 256] as const;

export const instructionsLabel = (path: string, burst: number): string =>
  `instructions ${path} burst=${burst}`;

/** Two applications at the ends of a pipe that wake each other up; without a policy two processes with eventfds. */
export interface PingPong {
  /** Both on the second CPU, or one of them on the first one, which is the worker's. */
  readonly cpus: (typeof PING_PONG_CPUS)[number];
  readonly policy?: (typeof TRICKLE_POLICIES)[number] | undefined;
}

export const PING_PONG_CPUS = ['one', 'two'] as const;
export const PING_PONGS: readonly PingPong[] = PING_PONG_CPUS.flatMap((cpus) => [
  { cpus },
  ...(['poll', 'adaptive', 'notify'] as const).map((policy) => ({ cpus, policy })),
]);

export const pingPongLabel = ({ cpus, policy }: PingPong): string =>
  `ping-pong ${policy === undefined ? 'eventfd' : `applications policy=${policy}`} cpus=${cpus}`;

/** Whose system calls are counted while both have enough to do. */
export const SYSTEM_CALLS = ['application', 'worker'] as const;
export type Busy = (typeof SYSTEM_CALLS)[number];

export const systemCallsLabel = (of: string): string => `system-calls of=${of}`;

/** Packets per second of a guest that has little to send: gaps far longer than it is worth to poll for. */
export const TRICKLE_RATE = 4000;
export const TRICKLE_POLICIES = ['poll', 'adaptive', 'notify'] as const;

export const trickleLabel = (policy: string): string => `trickle policy=${policy}`;
