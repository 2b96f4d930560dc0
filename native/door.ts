// The door: the socket at which applications of the host ask for ports, with a native thread for each of them.
import type { Handle } from './addon.ts';
import type { Attachment } from './engine.ts';
import { loadAddon } from './load.ts';

/** Who connected, as the kernel said it then (SO_PEERCRED). */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface DoorEvents {
  connect(connection: number, who: Credentials): void;
  /**
   * A request; its one descriptor is the socket for the answer. The receiver owns that, gives it to reply(), and calls
   * delivered() then: one that sends too many requests is not read meanwhile.
   */
  message(connection: number, message: Uint8Array, replyTo: number): void;
  /** errno 0: its last descriptor was closed; else positive. Then call release(). */
  disconnect(connection: number, errno: number): void;
}

export interface DoorCounters {
  readonly connections: number;
  /** More than there may be, or no thread for it. */
  readonly refused: number;
  readonly doorbells: number;
  readonly wakeups: number;
  readonly messages: number;
}

interface NativeDoor {
  serve(
    connection: number,
    part: number,
    target: object,
    doorbells: readonly boolean[],
    interrupts: readonly number[],
  ): void;
  unserve(connection: number, part: number): void;
  wake(connection: number, attachment: Handle<'attachment'>, rings: readonly boolean[]): void;
  delivered(connection: number): void;
  hungUp(connection: number): boolean;
  release(connection: number): void;
  reply(socket: number, bytes: Uint8Array, fds: readonly number[]): void;
  counters(): DoorCounters;
  close(): void;
  pause(): void;
  resume(): void;
  size(): number;
  listener(): number;
  countOn(counters: DoorCounters): void;
}

const addon = loadAddon('native', 'ptnetmap') as {
  Door: new (
    path: string,
    mode: number,
    connect: (connection: number, pid: number, uid: number, gid: number) => void,
    message: (connection: number, message: Uint8Array, fds: [number]) => void,
    disconnect: DoorEvents['disconnect'],
    listener: number | undefined,
  ) => NativeDoor;
};

/** Rings of the port that an application has open (0), or of that one's host side (1). */
export type Part = 0 | 1;

/** What an application has of a port. */
export interface ServedRings {
  /** An attachment's doorbellTarget. */
  readonly target: object;
  /** By ring of the port: which it may ring. */
  readonly doorbells: readonly boolean[];
  /** Eventfds of rings that others have too; each signal is a byte for the application. They are duplicated. */
  readonly interrupts: readonly number[];
}

export class Door {
  readonly #native: NativeDoor;
  #last: DoorCounters | undefined;

  /**
   * @param listener another process's, which is duplicated: nobody is let in before resume(). @throws SystemError when the socket
   * cannot be made, or is none.
   */
  constructor(path: string, mode: number, events: DoorEvents, listener?: number) {
    this.#native = new addon.Door(
      path,
      mode,
      (connection, pid, uid, gid) => events.connect(connection, { pid, uid, gid }),
      (connection, message, [replyTo]) => events.message(connection, message, replyTo),
      (connection, errno) => events.disconnect(connection, errno),
      listener,
    );
  }

  /** From now on, instead of what it had of this part. @throws SystemError */
  serve(connection: number, part: Part, { target, doorbells, interrupts }: ServedRings): void {
    this.#native.serve(connection, part, target, doorbells, interrupts);
  }
  unserve(connection: number, part: Part): void {
    this.#native.unserve(connection, part);
  }
  /**
   * These rings' application, which nobody shares them with, is woken at once, by whoever has something for it; others are by
   * way of their interrupts. @throws SystemError
   */
  wake(connection: number, attachment: Attachment, rings: readonly boolean[]): void {
    this.#native.wake(connection, attachment.handle, rings);
  }
  delivered(connection: number): void {
    this.#native.delivered(connection);
  }
  /** Whether its last descriptor was closed: that comes in turn, and is known at once. */
  hungUp(connection: number): boolean {
    return this.#native.hungUp(connection);
  }
  /** Hangs up. */
  release(connection: number): void {
    this.#native.release(connection);
  }
  /** Answers a request, soon, on a thread that nobody waits for, and closes the socket; the descriptors stay the caller's. */
  reply(socket: number, bytes: Uint8Array, fds: readonly number[]): void {
    this.#native.reply(socket, bytes, fds);
  }
  /** Once it is closed, the last ones. */
  get counters(): DoorCounters {
    return this.#last ?? this.#native.counters();
  }
  /** Who comes waits before it, for this process or another one. */
  pause(): void {
    this.#native.pause();
  }
  resume(): void {
    this.#native.resume();
  }
  /** Connections, also those that nobody has been told of yet. */
  get size(): number {
    return this.#native.size();
  }
  /** Its socket, which stays its own. */
  get listener(): number {
    return this.#native.listener();
  }
  /** It begins with what another process has counted. */
  countOn(counters: DoorCounters): void {
    this.#native.countOn(counters);
  }
  close(): void {
    this.#last ??= this.#native.counters();
    this.#native.close();
  }
}
