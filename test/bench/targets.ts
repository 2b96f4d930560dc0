// What the benchmark is to show on a machine with two CPUs, as data, and how much of it a report shows.
import { applications } from './application-targets.ts';
import { costLabel, costStat } from './cost-rows.ts';
import { idle, manyPorts, monitors, takeover } from './cost-targets.ts';
import { LATENCIES, type Latency, latencyKeyLabel, latencyLabel } from './latencies.ts';
import { limitLabel, type RateLimitName } from './limits.ts';
import { type NetKey, netLabel, virtioOf } from './net-paths.ts';
import { peerLabel } from './peers/peer.ts';
import type { Report } from './report.ts';
import {
  BULK_PATH,
  BULK_SIZE,
  HEADER_PATH,
  instructionsLabel,
  type KernelPath,
  labelOf,
  nameOf,
  type PathName,
  pollingOf,
  rowLabel,
  SCENARIOS,
  type Scenario,
  STAMPED_SIZES,
} from './scenarios.ts';
import { atLeast, atMost, below, type Figures, type Target, type Unit, type Wanted } from './target.ts';

export interface TargetRow {
  readonly name: string;
  /** Null: a figure that belongs to a target and is not one. */
  readonly wanted: string | null;
  /** Null: not measured. */
  readonly measured: number | null;
  readonly unit: Unit;
  /** The label that was measured; where several will do, that of the best. */
  readonly of: string | null;
  /** Null when nothing was measured or nothing is wanted. */
  readonly met: boolean | null;
  /** Why it was not measured. */
  readonly why: string | null;
  /** Whether anything of it was part of the run, beside the limits, which always are. */
  readonly selected: boolean;
}

const BASE = { vm: false, size: 60, rings: 1, burst: 256, payload: 'none' } as const;
const path = (name: PathName, more: Partial<Scenario> = {}): string =>
  labelOf({ ...BASE, path: name, ...more });

/** With each number of rings. */
const pipesOf = (name: PathName): string[] =>
  SCENARIOS.filter((scenario) => labelOf(scenario) === path(name, { rings: scenario.rings })).map(labelOf);
const PIPES = pipesOf('guest-to-guest-pipe');

/** A share of a limit, of the same rounds. Without the limit there is none, and the row says 0. */
function ofLimit(name: string, limit: RateLimitName, anyOf: readonly string[], wanted = atLeast(70)): Target {
  return {
    name,
    wanted,
    unit: '%',
    anyOf,
    against: [limitLabel(limit)],
    figure: ({ results }, label) => percent(results.get(label)?.ofLimit || undefined),
  };
}

const percent = (share: number | undefined): number | undefined =>
  share === undefined ? undefined : share * 100;

/** How many times as fast as a peer was in the same rounds. */
function vsPeer(
  name: string,
  peer: string,
  wanted: Wanted | null,
  anyOf: readonly string[],
  size: number = BASE.size,
): Target {
  return {
    name: `${name}, times ${peer}`,
    wanted,
    unit: 'x',
    anyOf,
    against: [peerLabel(peer, size)],
    figure: ({ results }, label) => results.get(label)?.vsPeer[peer],
  };
}

function bothWays(size: number): Target {
  return {
    name: `VALE both ways, ${size} bytes, of one way`,
    wanted: atLeast(80),
    unit: '%',
    anyOf: [path('vale-duplex', { size })],
    against: [path('guest-to-guest-vale', { size })],
    figure: ({ results }, label) => percent(results.get(label)?.vsOneWay),
  };
}

/** testpmd's sender writes headers and its receiver looks at none: stamps are told too, though none are asked for. */
const inVm = (name: PathName, peer: string): Target[] => [
  vsPeer(`VM ${name}, 60 bytes`, peer, atLeast(8), [path(name, { vm: true })]),
  vsPeer(`VM ${name}, 60 bytes, stamped`, peer, null, [path(name, { vm: true, payload: 'stamp' })]),
];

/** An adaptive host and guests whose rhythm is not ours: as fast as one that polls all the time, and left alone as much. */
const foreign: readonly Target[] = SCENARIOS.filter(({ policy }) => policy === 'adaptive').flatMap(
  (scenario) => {
    const name = `${nameOf(scenario)}, foreign rhythm, ${scenario.payload}`;
    const label = labelOf(scenario);
    const polling = labelOf(pollingOf(scenario)!);
    return [
      {
        name: `${name}, adaptive, of poll`,
        wanted: atLeast(95),
        unit: '%',
        anyOf: [label],
        against: [polling],
        figure: ({ results }: Figures) => percent(results.get(label)?.vsPoll),
      },
      {
        name: `${name}, adaptive, kicks`,
        wanted: below(50),
        unit: '/s',
        anyOf: [label],
        against: [],
        figure: ({ results }: Figures) => results.get(label)?.kicks?.median,
      },
    ] satisfies Target[];
  },
);

type Timed = Pick<Latency, 'timed' | 'path' | 'policy' | 'bar0'>;

/** With driver models, at rest. */
function latency(name: string, wanted: Wanted, figure: 'p50' | 'p99', timed: Timed): Target {
  const matches = (each: Latency) =>
    !each.vm &&
    each.load === 'idle' &&
    (['timed', 'path', 'policy', 'bar0'] as const).every((key) => each[key] === timed[key]);
  return {
    name: `${name}, ${figure}`,
    wanted,
    unit: 'µs',
    anyOf: LATENCIES.filter(matches).map(latencyLabel),
    against: [],
    figure: (figures, label) => figures.latency.get(label)?.[figure].median,
  };
}

const kickToService = (bar0: 'io' | 'mem'): Target => {
  const timed = { timed: 'kick-to-service', path: 'null', policy: 'notify', bar0 } as const;
  return latency(`kick to service when parked, bar0=${bar0}`, below(50), 'p99', timed);
};

/** A driver in a Linux guest, beside virtio-net on a tap in the same VM and rounds. */
function vsVirtio(name: string, wanted: Wanted, net: Omit<NetKey, 'driver'>): Target {
  return {
    name: `Linux ${net.path}, ${name}, times virtio-net`,
    wanted,
    unit: 'x',
    anyOf: [netLabel({ ...net, driver: 'ptnet' })],
    against: [netLabel(virtioOf(net))],
    figure: (figures, label) => figures.net.get(label)?.vsVirtio,
  };
}

const nets: readonly Target[] = (['guest-to-host', 'guest-to-guest'] as const).flatMap((path) => [
  vsVirtio('TCP', atLeast(1.5), { path, kind: 'tcp' }),
  vsVirtio('BIG TCP', atLeast(1.5), { path, kind: 'tcp-big' }),
  vsVirtio('UDP of 60 bytes', atLeast(3), { path, kind: 'udp' }),
  vsVirtio('ping', atMost(1), { path, kind: 'ping' }),
]);

/** The guest's interface is a tap of the host's, with a virtio-net header. */
const byTap: readonly Target[] = (['guest-to-host', 'host-to-guest'] as const).map((path) =>
  vsVirtio('TCP by a tap', atLeast(1), { path, kind: 'tcp' }),
);

/** A guest's packets by the kernel: as fast as who does nothing else, and more. */
const byTheKernel: readonly Target[] = STAMPED_SIZES.flatMap((size) => {
  const ours = (name: string, kernelPath: KernelPath, peer: string) =>
    vsPeer(`${name}, ${size} bytes`, peer, atLeast(1.2), [path(kernelPath, { size })], size);
  return [
    ours('tap to tap', 'guest-to-guest-tap', 'testpmd-net-tap'),
    ours('tap to tap', 'guest-to-guest-tap', 'testpmd-af-packet'),
    ours('netmap:veth by AF_PACKET', 'guest-to-guest-af-packet', 'testpmd-af-packet'),
    ours('netmap:veth by AF_XDP', 'guest-to-guest-af-xdp', 'testpmd-af-xdp'),
  ];
});

const VALE = [path('guest-to-guest-vale')];

/** What a virtio-net header costs: little on both ends of a switch, and next to nothing beside 64 KiB. */
const headers: readonly Target[] = [
  {
    name: 'VALE, virtio-net header on both ends, 60 bytes, of none',
    wanted: atLeast(90),
    unit: '%',
    anyOf: [path(HEADER_PATH)],
    against: VALE,
    figure: ({ results }, label) => percent(results.get(label)?.vsPlain),
  },
  {
    name: 'VALE, virtio-net header on both ends, 60 bytes, instructions of none',
    wanted: below(110),
    unit: '%',
    anyOf: [instructionsLabel(HEADER_PATH, 256)],
    against: [instructionsLabel('guest-to-guest-vale', 256)],
    figure: ({ cost }, label) => {
      const [header, none] = [cost.get(label), cost.get(instructionsLabel('guest-to-guest-vale', 256))];
      return header === undefined || !none ? undefined : (header / none) * 100;
    },
  },
  ofLimit(
    'packets of 64 KiB to a tap, virtio-net header, of what one thread copies',
    'memory',
    [path(BULK_PATH, { size: BULK_SIZE })],
    atLeast(80),
  ),
];
const VHOST_USER = 'testpmd-vhost-user';

export const TARGETS: readonly Target[] = [
  ofLimit('pipe, 60 bytes, best of the rings, of the slot-passing limit', 'slots', PIPES),
  ofLimit(
    'pipe of applications, 60 bytes, best of the rings, of the slot-passing limit',
    'slots',
    pipesOf('application-to-application-pipe'),
  ),
  vsPeer('pipe, 60 bytes, best of the rings', VHOST_USER, atLeast(6), PIPES),
  ofLimit('VALE 1 to 1, 60 bytes, of the copying limit', 'slots+copy', VALE),
  vsPeer('VALE 1 to 1, 60 bytes', VHOST_USER, atLeast(2.5), VALE),
  bothWays(60),
  bothWays(1514),
  ...inVm('guest-to-host', 'testpmd-vm-to-host'),
  ...inVm('host-to-guest', 'testpmd-host-to-vm'),
  ...byTheKernel,
  ...headers,
  ...foreign,
  manyPorts,
  ...monitors,
  takeover,
  latency('publish to service while polling', below(2), 'p50', {
    timed: 'publish-to-service',
    path: 'null',
    policy: 'poll',
  }),
  kickToService('io'),
  kickToService('mem'),
  latency('round trip between two polling models, the best', below(3), 'p50', {
    timed: 'round-trip',
    path: 'pipe',
    policy: 'poll',
  }),
  ...idle,
  ...applications,
  ...nets,
  ...byTap,
];

/** What targets are computed from: a report that has none yet. */
export type Measured = Pick<Report, 'limits' | 'results' | 'peers' | 'latency' | 'cost' | 'net' | 'failures'>;

export function targetRows(report: Measured, targets: readonly Target[] = TARGETS): TargetRow[] {
  const figures: Figures = {
    results: new Map(report.results.map((row) => [rowLabel(row), row])),
    latency: new Map(report.latency.map((row) => [latencyKeyLabel(row), row])),
    net: new Map(report.net.map((row) => [netLabel(row), row])),
    cost: new Map(report.cost.map((row) => [costLabel(row), costStat(row).stat.median])),
  };
  const present = new Set([
    ...report.limits.map(({ name }) => limitLabel(name)),
    ...report.peers.map(({ name, size }) => peerLabel(name, size)),
    ...Object.values(figures).flatMap((rows) => [...rows.keys()]),
  ]);
  return targets.map((target) => targetRow(target, figures, present, report.failures));
}

function targetRow(
  target: Target,
  figures: Figures,
  present: ReadonlySet<string>,
  failures: Measured['failures'],
): TargetRow {
  const { name, wanted, unit, anyOf, against } = target;
  const best = bestOf(target, figures);
  const row = { name, wanted: wanted && `${wanted.is} ${wanted.bound} ${unit}`, unit };
  if (best) {
    const measured = Number(best.value.toFixed(3));
    const met = wanted && meets(best.value, wanted);
    return { ...row, measured, of: best.label, met, why: null, selected: true };
  }
  const selected = [...anyOf, ...against].some(
    (label) => !label.startsWith('limit ') && (present.has(label) || label in failures),
  );
  const why = whyNot(target, present, failures);
  return { ...row, measured: null, of: null, met: null, why, selected };
}

function bestOf({ wanted, anyOf, figure }: Target, figures: Figures) {
  const more = wanted === null || wanted.is === '>=' ? 1 : -1;
  return anyOf
    .flatMap((label) => {
      const value = figure(figures, label);
      return value === undefined ? [] : [{ label, value }];
    })
    .sort((a, b) => more * (b.value - a.value))[0];
}

function meets(value: number, { is, bound }: Wanted): boolean {
  switch (is) {
    case '>=':
      return value >= bound;
    case '<=':
      return value <= bound;
    case '<':
      return value < bound;
  }
}

function whyNot(
  { anyOf, against }: Target,
  present: ReadonlySet<string>,
  failures: Measured['failures'],
): string {
  const candidates = anyOf.some((label) => present.has(label)) ? [] : anyOf;
  const missing = [...candidates, ...against].filter((label) => !present.has(label));
  const failed = missing.find((label) => label in failures);
  if (failed !== undefined) return `${failed}: ${failures[failed]}`;
  if (missing.length > 0) return `${missing[0]} was not part of the run`;
  return `no round has both ${anyOf[0]} and ${against[0]}`;
}
