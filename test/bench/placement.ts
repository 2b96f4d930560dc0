// Who runs where while something is measured: the worker has the first CPU to itself, the guests have the others.
import { cpus } from 'node:os';

const COUNT = cpus().length;

/** With one CPU there is nothing to place. */
const PLACED = COUNT > 1;

export const WORKER_CPU = 0;

/** Of a host's `engine`. */
export const PLACED_WORKER = PLACED ? { cpus: [WORKER_CPU] } : {};

/** Goes in front of a host's configuration that has no `engine`. */
export const PLACED_ENGINE = PLACED ? `engine: ${JSON.stringify(PLACED_WORKER)}\n` : '';

/** For a guest that shares the worker's CPU, so that another one has the second CPU to itself. */
export const besideWorker = (): { cpu?: number } => (PLACED ? { cpu: WORKER_CPU } : {});

/** The CPU of the i-th guest. */
export function cpuOfGuest(i: number): { cpu?: number } {
  return PLACED ? { cpu: 1 + (i % (COUNT - 1)) } : {};
}
