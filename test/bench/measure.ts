// One measurement: a host of its own, guests in processes of their own, and the rate between two looks at the counters.
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostStats } from '../../backend/host-stats.ts';
import { TestHost } from '../harness/host.ts';
import { Netns } from '../harness/netns.ts';
import { cpusBetween, readCpu } from './cpu.ts';
import { checkResults, checkTraffic, killAll, startGuests, stopGuests } from './guests.ts';
import { PLACED_ENGINE, PLACED_WORKER } from './placement.ts';
import type { Counted, Plan } from './plans.ts';

export interface MeasureOptions {
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** What takes place of the sleep between the two looks; it gets the processes of the host and its guests. */
  readonly during?: (pids: readonly number[]) => Promise<void>;
}

/** Packets per second, and what they cost. */
export interface Rates {
  readonly sent: number;
  readonly received: number;
  /** Doorbells of all rings of the ports in use. */
  readonly kicks: number;
  /** Processors in use meanwhile: by the host, and by all guests together. */
  readonly cpus?: { readonly host: number; readonly guests: number };
}

/** The counters of both ends at one instant. */
export interface Reading {
  /** ms */
  readonly time: number;
  readonly sent: number;
  readonly received: number;
  readonly kicks: number;
}

/** Caches, page tables and the scheduler are warm after so long: this share of the measured time, and at least so much. */
const WARM_UP_SHARE = 0.2;
const WARM_UP_MS_MIN = 50;
const FIRST_PACKET_MS_MAX = 10_000;
/** Looking at the counters may be interrupted; a look that took longer is not an instant. */
const LOOK_MS_MAX = 0.5;
const LOOKS_MAX = 20;

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

export function count({ ports }: HostStats, counted: readonly Counted[]): number {
  return sum(
    counted.flatMap(({ port, dir }) => {
      const found = ports.find(({ name }) => name === port);
      if (!found) throw new RangeError(`${port}: the host has no such port`);
      return found.rings.filter((ring) => ring.dir === dir).map(({ packets }) => packets);
    }),
  );
}

function kicksOf({ ports }: HostStats, { sent, received }: Pick<Plan, 'sent' | 'received'>): number {
  const names = new Set([...sent, ...received].map(({ port }) => port));
  return sum(
    ports.filter(({ name }) => names.has(name)).flatMap(({ rings }) => rings.map(({ kicks }) => kicks)),
  );
}

/** Looks until a look took next to no time, and takes the quickest when none did. */
export function readAt(
  plan: Pick<Plan, 'sent' | 'received'>,
  stats: () => HostStats,
  clock: () => number,
): Reading {
  let best: { reading: Reading; took: number } | undefined;
  for (let i = 0; i < LOOKS_MAX; i++) {
    const before = clock();
    const now = stats();
    const took = clock() - before;
    if (best && took >= best.took) continue;
    const reading = {
      time: before + took / 2,
      sent: count(now, plan.sent),
      received: count(now, plan.received),
      kicks: kicksOf(now, plan),
    };
    best = { reading, took };
    if (took <= LOOK_MS_MAX) break;
  }
  return best!.reading;
}

/** Both rates over the same time. */
export function ratesBetween(first: Reading, last: Reading): Rates {
  const seconds = (last.time - first.time) / 1000;
  if (!(seconds > 0)) throw new RangeError(`${first.time} to ${last.time} ms: no time between two readings`);
  return {
    sent: (last.sent - first.sent) / seconds,
    received: (last.received - first.received) / seconds,
    kicks: (last.kicks - first.kicks) / seconds,
  };
}

/** Runs a plan once. What is sent before the warm-up has ended, or after the last look, does not count. */
export async function measure(plan: Plan, options: MeasureOptions): Promise<Rates> {
  if (plan.network === undefined) return await measureIn('', plan, options);
  const net = await Netns.open(plan.network);
  try {
    return await measureIn(net.path, plan, options);
  } finally {
    await net.close();
  }
}

async function measureIn(netns: string, plan: Plan, options: MeasureOptions): Promise<Rates> {
  const { policy } = plan;
  const engine =
    policy === undefined ? PLACED_ENGINE : `engine: ${JSON.stringify({ policy, ...PLACED_WORKER })}\n`;
  const host = await TestHost.start(engine + plan.config.replaceAll('NETNS', netns));
  try {
    return await run(host, plan, options);
  } catch (error) {
    const warnings = host.warnings().slice(0, 3).join('; ');
    const message = (error as Error).message;
    throw new Error(warnings === '' ? message : `${message} (host: ${warnings})`, { cause: error });
  } finally {
    await host.close();
  }
}

async function run(host: TestHost, plan: Plan, options: MeasureOptions): Promise<Rates> {
  const idle = await startGuests(host, plan.idle ?? []);
  try {
    return await runTraffic(host, plan, options);
  } finally {
    killAll(idle);
  }
}

async function runTraffic(
  host: TestHost,
  plan: Plan,
  { seconds, signal, during }: MeasureOptions,
): Promise<Rates> {
  const first = await startGuests(host, plan.first);
  for (const guest of first) guest.go();
  const firstResults = await Promise.all(first.map(async ({ done }) => await done));
  checkResults(firstResults.flat(), plan.lossless);
  // Receivers first: a sender that finds nobody is not what is measured.
  const guests = await startGuests(host, [...plan.receivers, ...plan.senders]);
  try {
    for (const guest of guests) guest.go();
    // No other ports: a look at hundreds of them would take time from what is measured.
    const names = new Set([...plan.sent, ...plan.received].map(({ port }) => port));
    const read = () =>
      readAt(
        plan,
        () => host.host.stats(names),
        () => performance.now(),
      );
    await firstPacket(read, signal);
    await sleep(Math.max(WARM_UP_MS_MIN, seconds * 1000 * WARM_UP_SHARE), undefined, { signal });
    const pids = guests.map(({ pid }) => pid);
    const firstCpu = readCpu(pids);
    const start = read();
    await (during?.([process.pid, ...pids]) ?? sleep(seconds * 1000, undefined, { signal }));
    const end = read();
    const cpus = cpusBetween(firstCpu, readCpu(pids));
    checkResults(await stopGuests(guests), plan.lossless);
    for (const { sink } of host.host.stats().ports) if (sink) checkTraffic(sink, plan.lossless);
    return { ...ratesBetween(start, end), cpus };
  } finally {
    killAll(guests);
  }
}

async function firstPacket(read: () => Reading, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + FIRST_PACKET_MS_MAX;
  while (read().received === 0) {
    if (performance.now() > deadline) throw new Error(`no packet arrived in ${FIRST_PACKET_MS_MAX / 1000} s`);
    await sleep(2, undefined, { signal });
  }
}
