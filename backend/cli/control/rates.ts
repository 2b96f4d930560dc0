// What happened a second, between two readings of a host's figures.
import type { StatsState } from '../../control/index.ts';
import { busyShare } from '../../metrics/worker-load.ts';

export interface RingRate {
  readonly dir: 'tx' | 'rx';
  readonly ring: number;
  readonly pps: number;
  readonly bps: number;
  readonly drops: Readonly<Record<string, number>>;
  readonly kicks: number;
  readonly interrupts: number;
}

export interface PortRate {
  readonly name: string;
  readonly vm?: string;
  readonly rings: readonly RingRate[];
}

export interface WorkerRate {
  readonly worker: number;
  /** Shares of 1. */
  readonly cpu: number;
  readonly busy: number;
  readonly sleeps: number;
  readonly wakeups: number;
}

export interface Rates {
  readonly time: string;
  readonly seconds: number;
  readonly ports: readonly PortRate[];
  readonly workers: readonly WorkerRate[];
}

type Ring = StatsState['ports'][number]['rings'][number];
type Counted = Pick<Ring, 'dir' | 'ring' | 'packets' | 'bytes' | 'drops'> & Partial<Ring>;

/** What came between the two; a thing that was not there before is not counted yet. */
export function ratesBetween(before: StatsState, now: StatsState): Rates {
  const seconds = (Date.parse(now.time) - Date.parse(before.time)) / 1000;
  const per = (a: number | undefined, b: number | undefined): number =>
    // A counter that is lower belongs to something that was made anew.
    seconds <= 0 || a === undefined || b === undefined ? 0 : Math.max(b - a, 0) / seconds;
  const ringRate = (was: Counted, is: Counted): RingRate => ({
    dir: is.dir,
    ring: is.ring,
    pps: per(was.packets, is.packets),
    bps: 8 * per(was.bytes, is.bytes),
    drops: Object.fromEntries(
      Object.entries(is.drops).flatMap(([cause, count]) => {
        const rate = per(was.drops[cause as keyof Counted['drops']], count);
        return rate > 0 ? [[cause, rate]] : [];
      }),
    ),
    kicks: per(was.kicks, is.kicks),
    interrupts: per(was.interrupts, is.interrupts),
  });
  const old = new Map(
    [...before.ports, ...before.members].map((port) => [port.name, port.rings as readonly Counted[]]),
  );
  const ports = [...now.ports, ...now.members].map((port): PortRate => {
    const vm = 'vm' in port ? port.vm : undefined;
    const rings = (port.rings as readonly Counted[]).flatMap((ring) => {
      const was = old.get(port.name)?.find((other) => other.dir === ring.dir && other.ring === ring.ring);
      return was ? [ringRate(was, ring)] : [];
    });
    return { name: port.name, ...(vm !== undefined && { vm }), rings };
  });
  const workers = now.workers.map((is, worker) => {
    const was = before.workers[worker] ?? is;
    return {
      worker,
      cpu: per(was.cpuSeconds, is.cpuSeconds),
      busy: busyShare(was, is),
      sleeps: per(was.sleeps, is.sleeps),
      wakeups: per(was.wakeups, is.wakeups),
    };
  });
  return { time: now.time, seconds, ports, workers };
}
