// Sessions that outlive the process that serves them: where it is written how far each is, and what of it is stored.
import type { Handle } from './addon.ts';
import { loadAddon } from './load.ts';

const addon = loadAddon('native', 'ptnetmap') as {
  keptAreaOpen(blocks: number, fd?: number): Handle<'kept'>;
  keptAreaFd(area: Handle<'kept'>): number;
};

/** Blocks of sessions, in memory that outlives the process. */
export class KeptArea {
  readonly handle: Handle<'kept'>;

  /** @param fd of a process that has died; it stays the caller's. @throws Error with `code` EINVAL when it is another memory */
  constructor(blocks: number, fd?: number) {
    this.handle = addon.keptAreaOpen(blocks, fd);
  }

  /** It stays the area's. */
  get fd(): number {
    return addon.keptAreaFd(this.handle);
  }
}

/** What of a session is to outlive the process. */
export interface KeptSession {
  readonly socket: number;
  /** Of the area. */
  readonly block: number;
  /** Through which answers go. */
  readonly pipe: readonly [number, number];
}

export interface TakenKeptSession extends KeptSession {
  /** The last message whose effects are known to be there, with what is answered to it. */
  readonly applied?: { readonly ordinal: number; readonly answer: Uint8Array } | undefined;
}
