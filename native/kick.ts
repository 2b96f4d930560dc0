// The native reader of the vfio-user sockets: one thread a host, which answers doorbells by itself.
import type { KeptArea, KeptSession, TakenKeptSession } from './kept.ts';
import { loadAddon } from './load.ts';
import { sumOf } from './sum.ts';

export interface KickEvents {
  /** A client has connected to a listener. */
  connect(listener: number, session: number): void;
  /**
   * A whole message, header included, that was no doorbell. The receiver owns the descriptors, and calls `done` when it has
   * dealt with it: as long as it is behind, no more is read. A kept session's have an ordinal, from 1 on; others 0.
   */
  message(session: number, message: Uint8Array, fds: number[], done: () => void, ordinal?: number): void;
  /** errno 0: the peer has closed; else positive: its messages were malformed, or the connection failed. Then call release(). */
  disconnect(session: number, errno: number): void;
}

export interface ListenOptions {
  /** Of the socket file. */
  mode?: number;
  maxMessageSize?: number;
  maxFds?: number;
}

/** Ring i is at `offset + i * stride` of the region. */
export interface DoorbellWindow {
  region: number;
  offset: number;
  stride: number;
}

/** What a listener's clients came to, besides their messages. */
export interface ListenerCounters {
  /** Clients that came while another one was there. */
  readonly refused: number;
  /** Times that a client had to wait because there was no descriptor left, or none of its share. */
  readonly starved: number;
  /** Descriptors that its clients sent and that are open, and how many may be. */
  readonly heldFds: number;
  readonly maxFds: number;
  /** Those of them that are being closed: if they stay, the close waits for what the client has done to them. */
  readonly closingFds: number;
}

/** Of all sockets together. */
export interface KickCounters {
  readonly doorbells: number;
  readonly messages: number;
  /** Doorbells that took long to be served by the reader of the sockets itself. */
  readonly slowServices: number;
}

interface NativeKick {
  listen(path: string, mode: number, maxMessageSize: number, maxFds: number): number;
  unlisten(listener: number): void;
  send(session: number, message: Uint8Array, fds: readonly number[]): void;
  setDoorbells(session: number, region: number, offset: number, stride: number, target: object): void;
  clearDoorbells(session: number): void;
  delivered(session: number, bytes: number, fds: number): void;
  release(session: number): void;
  eventfd(session: number): number;
  countersOf(listener: number): ListenerCounters;
  counters(): KickCounters;
  close(): void;
  pause(): void;
  resume(): void;
  settled(sessions: number): boolean;
  listenerSocket(listener: number): number;
  sessionSocket(session: number): ReadSoFar;
  adoptListener(socket: number, path: string, maxMessageSize: number, maxFds: number): number;
  adoptFds(listener: number, fds: readonly number[]): void;
  adoptSession(listener: number, socket: ReadSoFar): number;
  keep(area: KeptArea['handle']): void;
  go(session: number): void;
  keptOf(session: number): KeptSession | undefined;
  adoptKept(listener: number, kept: TakenKeptSession): number;
}

export interface Piece {
  readonly bytes: Uint8Array;
  readonly fds: number[];
}

/** A session's socket, what has been read of a message that has begun, and answers that the peer has not taken yet; the descriptors stay the session's. */
export interface ReadSoFar extends Piece {
  readonly fd: number;
  readonly unsent: readonly Piece[];
}

const addon = loadAddon('native', 'ptnetmap') as {
  Kick: new (
    connect: KickEvents['connect'],
    message: (session: number, message: Uint8Array, fds: number[], ordinal: number) => void,
    disconnect: KickEvents['disconnect'],
  ) => NativeKick;
};

const DEFAULT_MODE = 0o600;
const DEFAULT_MAX_MESSAGE = 2 ** 20 + 4096;
const DEFAULT_MAX_FDS = 16;

export class Kick {
  #last: KickCounters | undefined;
  /** Of another process, in whose place this one serves. */
  #before: KickCounters | undefined;
  readonly #native: NativeKick;

  /** @throws SystemError when the thread cannot be started. */
  constructor(events: KickEvents) {
    this.#native = new addon.Kick(
      (listener, session) => events.connect(listener, session),
      (session, message, fds, ordinal) => {
        const [bytes, count] = [message.length, fds.length];
        const done = () => this.#native.delivered(session, bytes, count);
        events.message(session, message, fds, done, ordinal);
      },
      (session, errno) => events.disconnect(session, errno),
    );
  }

  /** One client at a time. @throws SystemError, as EADDRINUSE when the path is taken. */
  listen(path: string, options: ListenOptions = {}): number {
    const { mode = DEFAULT_MODE, maxMessageSize = DEFAULT_MAX_MESSAGE, maxFds = DEFAULT_MAX_FDS } = options;
    return this.#native.listen(path, mode, maxMessageSize, maxFds);
  }
  /** Closes and removes the socket; a session that came through it goes on. */
  unlisten(listener: number): void {
    this.#native.unlisten(listener);
  }
  /** The descriptors stay the caller's. What the socket cannot take now is queued, within bounds. */
  send(session: number, message: Uint8Array, fds: readonly number[] = []): void {
    this.#native.send(session, message, fds);
  }
  /** From now on the thread answers these writes and rings `target` (an attachment's doorbell target). */
  setDoorbells(session: number, window: DoorbellWindow, target: object): void {
    this.#native.setDoorbells(session, window.region, window.offset, window.stride, target);
  }
  /** When it returns, no doorbell of the session is being delivered. */
  clearDoorbells(session: number): void {
    this.#native.clearDoorbells(session);
  }
  /** Sessions that come from now on are kept, where that can be; none is read before go(). */
  keep(area: KeptArea): void {
    this.#native.keep(area.handle);
  }
  /** What of it is stored is: it may be read. */
  go(session: number): void {
    this.#native.go(session);
  }
  /** Descriptors that stay the session's; undefined: it is not kept. */
  keptOf(session: number): KeptSession | undefined {
    return this.#native.keptOf(session);
  }
  /**
   * A client of a process that has died, of a listener that has none; its descriptors are taken, also when this throws.
   * @throws SystemError: EPROTO when nobody knows how far it was
   */
  adoptKept(listener: number, kept: TakenKeptSession): number {
    return this.#native.adoptKept(listener, kept);
  }
  /** Closes the connection; its listener takes the next client. */
  release(session: number): void {
    this.#native.release(session);
  }
  /**
   * An eventfd that the session's client is to have too: it counts as one of the client's until it is closed.
   * @throws SystemError EDQUOT when the client holds all that it may.
   */
  eventfd(session: number): number {
    return this.#native.eventfd(session);
  }
  countersOf(listener: number): ListenerCounters {
    return this.#native.countersOf(listener);
  }
  /** Once it is closed, the last ones. */
  get counters(): KickCounters {
    return this.#last ?? sumOf(this.#native.counters(), this.#before);
  }
  /** Counts on from what another process has counted. */
  countOn(before: KickCounters): void {
    this.#before = before;
  }
  /** Reads no session and accepts nobody from now on: another process is to go on with all of it, or resume() comes. */
  pause(): void {
    this.#native.pause();
  }
  resume(): void {
    this.#native.resume();
  }
  /** Paused: whether its owner knows of all sessions and has dealt with all that was read. */
  settled(sessions: number): boolean {
    return this.#native.settled(sessions);
  }
  /** The descriptor stays the listener's. */
  listenerSocket(listener: number): number {
    return this.#native.listenerSocket(listener);
  }
  sessionSocket(session: number): ReadSoFar {
    return this.#native.sessionSocket(session);
  }
  /** As listen(), with a socket that listens there already, and is taken. @throws SystemError */
  adoptListener(socket: number, path: string, options: ListenOptions = {}): number {
    const { maxMessageSize = DEFAULT_MAX_MESSAGE, maxFds = DEFAULT_MAX_FDS } = options;
    return this.#native.adoptListener(socket, path, maxMessageSize, maxFds);
  }
  /** Descriptors that a listener's client has sent to another process; they count as its, and stay the caller's. */
  adoptFds(listener: number, fds: readonly number[]): void {
    this.#native.adoptFds(listener, fds);
  }
  /** A listener's client, which connect() does not tell of; all descriptors are taken. @throws SystemError */
  adoptSession(listener: number, socket: ReadSoFar): number {
    return this.#native.adoptSession(listener, socket);
  }
  close(): void {
    this.#last = this.counters;
    this.#native.close();
  }
}
