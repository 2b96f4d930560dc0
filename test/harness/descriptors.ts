// Counts this process's descriptors and mappings, for tests that must find nothing left behind.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { awaitPeerCloses, closeFd, eventfd, eventfdSignal } from '../../native/os.ts';

// A thread that has signalled once keeps a descriptor for it.
const signalled = eventfd();
eventfdSignal(signalled);
closeFd(signalled);

/** The open descriptors of this process and what they point at. */
export function openFds(): string[] {
  awaitPeerCloses();
  const found: string[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      found.push(`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`);
    } catch {
      // The descriptor of the listing itself.
    }
  }
  return found.sort();
}

/** How many mappings of this process have `name` in their path. */
export function mappingsOf(name: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(name)).length;
}
