// The machine's own limits, against which throughput is judged.
import { loadAddon } from './load.ts';

/**
 * `slots`: two threads passing 16-byte slots through a ring of 1024, published 256 at a time, in slots.
 * `slots+copy`: the receiver also copies the 60 bytes of each slot's buffer into a buffer of its own, in slots.
 * `memory`: one thread copying what is in no cache, in bytes.
 * `core-to-core`: threads on the first two CPUs that wait for each other's store to one cache line, in round trips.
 * `switch`: two threads that yield one CPU to each other, in changes from one to the other.
 */
export type LimitName = 'slots' | 'slots+copy' | 'memory' | 'core-to-core' | 'switch';

interface Addon {
  measureLimit(limit: LimitName, seconds: number): Promise<{ perSecond: number }>;
}

const addon = loadAddon('native', 'ptnetmap') as Addon;

/**
 * Measures in threads of its own, after a warm-up; the event loop goes on.
 * @param seconds above 0, at most 60
 * @throws RangeError, TypeError for a wrong argument; Error when this machine cannot do it: `core-to-core` takes two CPUs
 */
export async function measureLimit(limit: LimitName, seconds: number): Promise<{ perSecond: number }> {
  return await addon.measureLimit(limit, seconds);
}
