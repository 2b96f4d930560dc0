// What the demonstration asks of a guest, whether it is a driver model or a real VM.
import type { End } from './paths.ts';

export interface Traffic {
  /** Those that the host has taken. */
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly corrupt: number;
  /** From the first packet to the last. */
  readonly seconds: number;
}

export interface Guests {
  readonly kind: 'model' | 'vm';
  /** Sends full, numbered packets for so long. */
  send(end: End, options: { seconds: number; dst: string }): Promise<Traffic>;
  /** Receives for so long, or until nothing has come for `idleMs` after something has. */
  receive(end: End, options: { seconds: number; idleMs?: number }): Promise<Receiver>;
  close(): Promise<void>;
}

/** A guest that is receiving, or about to: a sender may start. */
export interface Receiver {
  readonly done: Promise<Traffic>;
}
