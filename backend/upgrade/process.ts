// Whether another process runs no more.
import { readFileSync } from 'node:fs';

/** Without the event loop. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Nothing of it runs; its parent may not know it yet. */
function ended(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const state = stat[stat.lastIndexOf(')') + 2];
    return state === 'Z' || state === 'X';
  } catch {
    return true;
  }
}

/** Waits for it, so long and no longer. */
export function hasEnded(pid: number, withinMs: number): boolean {
  for (const until = performance.now() + withinMs; performance.now() < until; sleep(2))
    if (ended(pid)) return true;
  return ended(pid);
}
