// How much of a worker's CPU time went into moving packets: a worker that polls has its CPU whether there is work or not.
import type { WorkerStats } from '../../native/engine.ts';

type Counted = Pick<WorkerStats, 'cpuSeconds' | 'rounds' | 'busyRounds'>;

const NOTHING: Counted = { cpuSeconds: 0, rounds: 0, busyRounds: 0 };

/** The share of rounds that moved something, of 1, between two looks. */
export function busyShare(before: Counted, now: Counted): number {
  const rounds = now.rounds - before.rounds;
  return rounds > 0 ? Math.min((now.busyRounds - before.busyRounds) / rounds, 1) : 0;
}

/** Adds up, from look to look, the CPU time of rounds that moved something: it never falls. */
export class WorkerLoad {
  #seen: readonly Counted[] = [];
  #busySeconds: number[] = [];

  add(workers: readonly Counted[]): readonly number[] {
    this.#busySeconds = workers.map((now, i) => {
      const before = this.#seen[i] ?? NOTHING;
      return (this.#busySeconds[i] ?? 0) + (now.cpuSeconds - before.cpuSeconds) * busyShare(before, now);
    });
    this.#seen = workers;
    return this.#busySeconds;
  }
}
