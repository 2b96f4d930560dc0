// Which latencies are measured, as data: what is timed, how rings are served, and what else is sent meanwhile.

/**
 * `round-trip`: from the intended time of a packet until its echo is seen by the sender.
 * `publish-to-service`: from a guest's store of head until hwcur moves, the ring being polled.
 * `kick-to-service`: the same with the ring parked, so that a doorbell is rung.
 * `packet-to-interrupt`: from the sender's publication until a receiver that sleeps has woken up.
 */
export type Timed = 'round-trip' | 'publish-to-service' | 'kick-to-service' | 'packet-to-interrupt';
export type LatencyPath = 'pipe' | 'vale' | 'null';

export interface Latency {
  readonly timed: Timed;
  readonly path: LatencyPath;
  /** Real VMs and the agent, not driver models. */
  readonly vm?: true;
  readonly policy: 'poll' | 'adaptive' | 'notify';
  readonly load: string;
  /** Both models by turns in one thread; otherwise each has a process of its own. */
  readonly guests?: 'one-thread';
  /** Of the highest rate; undefined: so few packets that each finds everything at rest. */
  readonly share?: number;
  /** Only `kick-to-service`: an I/O BAR's doorbell keeps the guest waiting, a memory BAR's does not. */
  readonly bar0?: 'io' | 'mem';
}

export const POLICIES = ['poll', 'adaptive', 'notify'] as const;
const SHARES = [0.1, 0.5, 0.99];
/** At nearly all of the highest rate a packet waits for those before it, whoever shares a thread with whom. */
const ONE_THREAD_SHARES = [0.1, 0.5];
/** Packets per second that leave time for an adaptive worker to park and for guests to fall asleep. */
export const IDLE_RATE = 4000;

/** Emulated code takes longer than what it waits for: fewer loads tell as much. */
const VM_SHARE = 0.5;

const percent = (share: number): string => `${share * 100}%`;

const vmRoundTrips: readonly Latency[] = POLICIES.flatMap((policy): Latency[] => {
  const base = { timed: 'round-trip', path: 'pipe', vm: true, policy } as const;
  return [
    { ...base, load: 'idle' },
    { ...base, load: percent(VM_SHARE), share: VM_SHARE },
  ];
});

/** What the host's part takes, seen from one VM. Two VMs have no common clock, so nothing is timed from one to another. */
const services = (vm: Pick<Latency, 'vm'>): readonly Latency[] => [
  { ...vm, timed: 'publish-to-service', path: 'null', policy: 'poll', load: 'idle' },
  { ...vm, timed: 'kick-to-service', path: 'null', policy: 'notify', load: 'idle', bar0: 'io' },
  { ...vm, timed: 'kick-to-service', path: 'null', policy: 'notify', load: 'idle', bar0: 'mem' },
];

const roundTrips = (path: LatencyPath): Latency[] =>
  POLICIES.flatMap((policy): Latency[] => [
    { timed: 'round-trip', path, policy, load: 'idle' },
    ...SHARES.map((share): Latency => {
      return { timed: 'round-trip', path, policy, load: percent(share), share };
    }),
  ]);

/** Without the changes of a CPU that two models need to share it: what is left is the way of the data. */
const oneThread = (path: LatencyPath): Latency[] => {
  const base = { timed: 'round-trip', path, policy: 'poll', guests: 'one-thread' } as const;
  return [
    { ...base, load: 'idle' },
    ...ONE_THREAD_SHARES.map((share): Latency => ({ ...base, load: percent(share), share })),
  ];
};

export const LATENCIES: readonly Latency[] = [
  ...roundTrips('pipe'),
  ...roundTrips('vale'),
  ...oneThread('pipe'),
  ...oneThread('vale'),
  ...services({}),
  { timed: 'packet-to-interrupt', path: 'pipe', policy: 'poll', load: 'idle' },
  { timed: 'packet-to-interrupt', path: 'pipe', policy: 'notify', load: 'idle' },
  ...vmRoundTrips,
  ...services({ vm: true }),
];

export const latencyName = ({ timed, path, bar0, vm }: Latency): string =>
  `${vm ? 'vm ' : ''}${timed} ${path}${bar0 === undefined ? '' : ` bar0=${bar0}`}`;

/** What tells one latency from another. */
export interface LatencyKey extends Pick<Latency, 'policy' | 'load' | 'guests'> {
  readonly name: string;
}

/** As `--only` and comparisons name it. */
export const latencyKeyLabel = ({ name, policy, load, guests }: LatencyKey): string =>
  `latency ${name} policy=${policy} load=${load}${guests === undefined ? '' : ` ${guests}`}`;

export const latencyLabel = (latency: Latency): string =>
  latencyKeyLabel({ ...latency, name: latencyName(latency) });
