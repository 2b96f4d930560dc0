// The vfio-user server: exports devices on sockets and ties the kick thread's connections to sessions.

import type { KeptArea, KeptSession, TakenKeptSession } from '../../native/kept.ts';
import { Kick, type KickEvents, type ListenerCounters, type ReadSoFar } from '../../native/kick.ts';
import type { PciDevice } from '../../pci/index.ts';
import { type CauseState, Complaints } from '../complaints.ts';
import { errnoName } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { VfioUserHooks } from './hooks.ts';
import { closeFds } from './message.ts';
import {
  ALL_DMA_MAPS,
  KEPT_DATA_XFER_SIZE,
  MAX_DMA_MAPS,
  MAX_MESSAGE_SIZE,
  MAX_RECEIVED_FDS,
  MIN_DMA_MAPS,
} from './protocol.ts';
import { type AppliedMessage, Session } from './session.ts';
import { Turns } from './turns.ts';

export type { VfioUserHooks } from './hooks.ts';
export type { AppliedMessage } from './session.ts';

/** Writes down what a device is, for a process that goes on when this one has died. */
export interface ServerKeeper {
  /** @param applied what its client is answered when this returns; undefined: a client has come or gone. */
  deviceChanged(device: ExportedDevice, applied?: AppliedMessage): void;
}

/** What the server asks of the kick thread; its events go to connect, message and disconnect. */
export type KickSockets = Pick<Kick, 'listen' | 'unlisten' | 'send' | 'release' | 'countersOf'> &
  Partial<KickTaken>;
type KickTaken = Pick<
  Kick,
  | 'adoptFds'
  | 'adoptListener'
  | 'adoptSession'
  | 'adoptKept'
  | 'go'
  | 'keep'
  | 'keptOf'
  | 'listenerSocket'
  | 'sessionSocket'
>;

/** So many are closed in no time, unless one of them waits. */
const CLOSING_FDS_MAX = 16;
const LOOK_MS = 1000;

export interface ExportOptions {
  /** The socket's file mode. */
  mode?: number;
  /** Where what its clients do wrong is counted and said; one of its own when not given. */
  complaints?: Complaints;
  /** A socket that listens there already: it is taken. */
  socket?: number | undefined;
}

/** Only the user that runs the host may attach a VM, unless told otherwise. */
const SOCKET_MODE = 0o600;

/** A device on its socket, from export() to close(). */
export interface ExportedDevice {
  readonly path: string;
  readonly device: PciDevice;
  /** The client that is there now. */
  readonly session: Session | undefined;
  /** What its clients did wrong, by cause, since it was exported. */
  readonly counters: Readonly<Record<string, number>>;
  /** What its socket came to. */
  readonly sockets: ListenerCounters;
  /** Ends the session and removes the socket. May be called again. */
  close(): void;
}

/** What a device has counted that another process counts on from. */
export interface ListenerCounts extends Pick<ListenerCounters, 'refused' | 'starved'> {
  readonly complaints: readonly CauseState[];
}

class Exported implements ExportedDevice {
  readonly path: string;
  readonly device: PciDevice;
  readonly hooks: VfioUserHooks;
  readonly complaints: Complaints;
  session: Session | undefined;
  /** Of another process, in whose place this one listens. */
  #before = { refused: 0, starved: 0 };
  #seen = this.#before;
  readonly #onClose: () => void;
  readonly #sockets: () => ListenerCounters | undefined;
  #last: ListenerCounters = { refused: 0, starved: 0, heldFds: 0, maxFds: 0, closingFds: 0 };

  constructor(
    at: { path: string; device: PciDevice; hooks: VfioUserHooks; complaints: Complaints },
    onClose: () => void,
    sockets: () => ListenerCounters | undefined,
  ) {
    this.path = at.path;
    this.device = at.device;
    this.hooks = at.hooks;
    this.complaints = at.complaints;
    this.#onClose = onClose;
    this.#sockets = sockets;
  }

  get counters(): Readonly<Record<string, number>> {
    return this.complaints.counters;
  }

  /** Its counters; once it is closed, the last ones. */
  get sockets(): ListenerCounters {
    const { refused, starved } = this.#before;
    const now = this.#sockets();
    if (now) this.#last = { ...now, refused: now.refused + refused, starved: now.starved + starved };
    return this.#last;
  }

  countOn({ refused, starved, complaints }: ListenerCounts): void {
    this.#seen = this.#before = { refused, starved };
    this.complaints.countOn(complaints);
  }

  look(): void {
    const { complaints } = this;
    const { refused, starved, heldFds, maxFds, closingFds } = this.sockets;
    const [moreRefused, moreStarved] = [refused - this.#seen.refused, starved - this.#seen.starved];
    this.#seen = { refused, starved };
    if (moreRefused > 0) {
      const text =
        'a second client, while the first one is connected: hung up: one VM for a device would be right';
      complaints.add('second client', text, { times: moreRefused });
    }
    if (moreStarved > 0) {
      const text =
        heldFds >= maxFds
          ? `its clients hold all ${maxFds} descriptors of its share, so the next one has to wait`
          : 'EMFILE: no descriptor left to accept its client with, which has to wait: a greater limit (ulimit -n) would be right';
      complaints.add('no descriptor left', text, { times: moreStarved });
    }
    if (closingFds > CLOSING_FDS_MAX) {
      const text = `${closingFds} descriptors that its client sent wait to be closed (${heldFds} of at most ${maxFds} are open): one of them keeps the close waiting`;
      complaints.add('close waits', text);
    }
    complaints.sumUp();
  }

  close(): void {
    this.#onClose();
  }
}

/** Where a kick thread's events go: it has to be there before the server that it is made for. */
class Relay implements KickEvents {
  server: VfioUserServer | undefined;

  connect(listener: number, id: number): void {
    this.server?.connect(listener, id);
  }

  message(id: number, message: Uint8Array, fds: number[], done: () => void, ordinal?: number): void {
    if (this.server === undefined) closeFds(fds);
    else this.server.message(id, message, fds, done, ordinal);
  }

  disconnect(id: number, errno: number): void {
    this.server?.disconnect(id, errno);
  }
}

const relays = new WeakMap<KickSockets, Relay>();

export class VfioUserServer implements KickEvents {
  readonly #kick: KickSockets;
  readonly #log: Logger;
  readonly #turns = new Turns();
  #timer: NodeJS.Timeout | undefined;
  /** Where sessions are kept; undefined: they are not. */
  #blocks: KeptArea | undefined;
  #keeper: ServerKeeper | undefined;
  /** By the kick thread's number for the socket. */
  readonly #exported = new Map<number, Exported>();
  /** By the kick thread's number for the connection. */
  readonly #sessions = new Map<number, Session>();

  /** A kick thread for one server; close it after the server. */
  static createKick(): Kick {
    const relay = new Relay();
    const kick = new Kick(relay);
    relays.set(kick, relay);
    return kick;
  }

  /** With a kick thread from elsewhere, whoever made it passes its events on. */
  constructor(kick: KickSockets, log: Logger) {
    this.#kick = kick;
    this.#log = log;
    const relay = relays.get(kick);
    if (relay !== undefined) relay.server = this;
  }

  /** Listens on `path` for the device's client. @throws SystemError when the socket cannot be made. */
  export(path: string, device: PciDevice, hooks: VfioUserHooks, options: ExportOptions = {}): ExportedDevice {
    const limits = { maxMessageSize: MAX_MESSAGE_SIZE, maxFds: MAX_RECEIVED_FDS };
    const listener =
      options.socket === undefined
        ? this.#kick.listen(path, { mode: options.mode ?? SOCKET_MODE, ...limits })
        : this.#kick.adoptListener!(options.socket, path, limits);
    const complaints = options.complaints ?? new Complaints(this.#log, device.name);
    const exported = new Exported(
      { path, device, hooks, complaints },
      () => this.#withdraw(listener),
      () => (this.#exported.has(listener) ? this.#kick.countersOf(listener) : undefined),
    );
    this.#exported.set(listener, exported);
    this.#timer ??= setInterval(() => this.look(), LOOK_MS).unref();
    return exported;
  }

  /** From now on its sessions are such as another process can go on with when this one has died. Before the first export(). */
  keepIn(blocks: KeptArea): void {
    this.#blocks = blocks;
    this.#kick.keep!(blocks);
  }

  get blocks(): KeptArea | undefined {
    return this.#blocks;
  }

  /** Who writes down what they are, from now on. */
  keepBy(keeper: ServerKeeper): void {
    this.#keeper = keeper;
  }

  /** What is stored of a device's session; undefined: there is none, or it is not kept. */
  keptSession({ session }: ExportedDevice): KeptSession | undefined {
    return session && this.#blocks && this.#kick.keptOf!(session.id);
  }

  /** Ends all sessions and removes all sockets; the kick thread stays its owner's. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const listener of [...this.#exported.keys()]) this.#withdraw(listener);
  }

  /** Clients that are here now. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** The sockets of a device, and what has been read of its client's next message; all of it stays the kick thread's. */
  sockets(device: ExportedDevice): { listener: number; session: ReadSoFar | undefined } {
    const listener = this.#listenerOf(device);
    return {
      listener: this.#kick.listenerSocket!(listener),
      session: device.session && this.#kick.sessionSocket!(device.session.id),
    };
  }

  /** For another process. */
  countsOf(device: ExportedDevice): ListenerCounts {
    const { refused, starved } = device.sockets;
    return { refused, starved, complaints: this.#exported.get(this.#listenerOf(device))!.complaints.state };
  }

  /** Counts on from what another process has counted. */
  countOn(device: ExportedDevice, counts: ListenerCounts): void {
    this.#exported.get(this.#listenerOf(device))!.countOn(counts);
  }

  /** A client that was another process's; all descriptors are taken. */
  adopt(device: ExportedDevice, socket: ReadSoFar, others: readonly number[], maxDmaMaps: number): Session {
    const listener = this.#listenerOf(device);
    this.#kick.adoptFds!(listener, others);
    const id = this.#kick.adoptSession!(listener, socket);
    return this.#admit(this.#exported.get(listener)!, id, maxDmaMaps);
  }

  /** A client that was served by a process that has died; all descriptors are taken. */
  adoptKept(
    device: ExportedDevice,
    kept: TakenKeptSession,
    others: readonly number[],
    maxDmaMaps: number,
  ): Session {
    const listener = this.#listenerOf(device);
    this.#kick.adoptFds!(listener, others);
    const id = this.#kick.adoptKept!(listener, kept);
    return this.#admit(this.#exported.get(listener)!, id, maxDmaMaps);
  }

  #listenerOf(device: ExportedDevice): number {
    return [...this.#exported].find(([, exported]) => exported === device)![0];
  }

  /** A client came: the kick thread's event. */
  connect(listener: number, id: number): void {
    const exported = this.#exported.get(listener);
    if (exported === undefined) {
      this.#kick.release(id);
      return;
    }
    // The kick thread lets one client in at a time; if one is still here, it has gone without a word.
    exported.session?.close();
    this.#admit(exported, id, this.#shareOfDmaMaps());
    // Nothing is read of it before it is written down.
    this.#keeper?.deviceChanged(exported);
    if (this.#blocks) this.#kick.go!(id);
    exported.complaints.add('client connected', 'client connected', { level: 'debug' });
  }

  #admit(exported: Exported, id: number, maxDmaMaps: number): Session {
    const { device, hooks, complaints } = exported;
    const transport = {
      send: (bytes: Uint8Array, fds: readonly number[]): void => this.#kick.send(id, bytes, fds),
      close: (): void => {
        this.#sessions.delete(id);
        exported.session = undefined;
        complaints.add('client gone', 'client gone', { level: 'debug' });
        this.#kick.release(id);
        this.#keeper?.deviceChanged(exported);
      },
    };
    const keep = (applied: AppliedMessage) => this.#keeper?.deviceChanged(exported, applied);
    const maxDataXfer = this.#blocks && KEPT_DATA_XFER_SIZE;
    const session = new Session({ id, device, hooks, transport, complaints, maxDmaMaps, maxDataXfer, keep });
    exported.session = session;
    this.#sessions.set(id, session);
    return session;
  }

  /** A whole message came: the kick thread's event. */
  message(id: number, message: Uint8Array, fds: readonly number[], done: () => void, ordinal?: number): void {
    const session = this.#sessions.get(id);
    // It was under way when the session was closed.
    if (session === undefined) closeFds(fds);
    else {
      session.enqueue(message, fds, done, ordinal);
      this.#turns.add(session);
    }
  }

  /** A client is gone, or sent something that is no message: the kick thread's event. */
  disconnect(id: number, errno: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.after(() => {
      if (errno !== 0) session.complain(`connection ${errnoName(errno)}`, explain(errno));
      session.close();
    });
    this.#turns.add(session);
  }

  /** Says what clients have done that no message tells of; about once a second anyway. */
  look(): void {
    for (const exported of this.#exported.values()) exported.look();
  }

  #shareOfDmaMaps(): number {
    const share = Math.floor(ALL_DMA_MAPS / this.#exported.size);
    return Math.min(Math.max(share, MIN_DMA_MAPS), MAX_DMA_MAPS);
  }

  #withdraw(listener: number): void {
    const exported = this.#exported.get(listener);
    if (exported === undefined) return;
    exported.session?.close();
    exported.look();
    this.#exported.delete(listener);
    exported.complaints.sumUp({ all: true });
    this.#kick.unlisten(listener);
  }
}

function explain(errno: number): string {
  const name = errnoName(errno);
  if (name === 'EMSGSIZE' || name === 'E2BIG') {
    return `message too large or with too many descriptors: at most ${MAX_MESSAGE_SIZE} bytes, ${MAX_RECEIVED_FDS} descriptors`;
  }
  if (name === 'EMFILE') return 'EMFILE: no descriptor left for what it sends: hanging up';
  if (name === 'EDQUOT') return "holds more descriptors than its share of this process's: hanging up";
  return name === 'EPROTO' ? 'malformed message: hanging up' : `connection lost: ${name}`;
}
