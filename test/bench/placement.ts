// Who runs where while something is measured: the worker has the first CPU to itself, the guests have the others.
import { cpus } from 'node:os';

const COUNT = cpus().length;

/** With one CPU there is nothing to place. */
const PLACED = COUNT > 1;

/** Goes in front of a host's configuration. */
export const PLACED_ENGINE = PLACED ? 'engine: { cpus: [0] }\n' : '';

/** The CPU of the i-th guest. */
export function cpuOfGuest(i: number): { cpu?: number } {
  return PLACED ? { cpu: 1 + (i % (COUNT - 1)) } : {};
}
