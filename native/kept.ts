// Sessions that outlive the process that serves them: where it is written how far each is, and what of it is stored.
import { memfdCreate } from './os.ts';

/** Blocks of sessions, in memory that outlives the process. */
export class KeptArea {
  readonly fd: number;

  constructor(blocks: number, fd?: number) {
    this.fd = fd ?? memfdCreate('ptnetmap-sessions', 64 * blocks, { seal: true });
  }
}

export interface KeptSession {
  readonly socket: number;
  readonly block: number;
  readonly pipe: readonly [number, number];
}

export interface TakenKeptSession extends KeptSession {
  readonly applied?: { readonly ordinal: number; readonly answer: Uint8Array } | undefined;
}
