// What the demonstration asks of a guest, whether it is a driver model or a real VM.
import type { End } from './paths.ts';

/** An address that no guest has. */
export const NOBODY = '02:00:00:00:ff:ff';

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
  /** Sends one packet to nobody, so that a switch knows where this guest is. */
  announce(end: End): Promise<void>;
  /** Receives for so long, or until nothing has come for `idleMs` after something has. */
  receive(end: End, options: { seconds: number; idleMs?: number }): Promise<Receiver>;
  close(): Promise<void>;
}

/** A guest that is receiving, or about to: a sender may start. */
export interface Receiver {
  readonly done: Promise<Traffic>;
}
