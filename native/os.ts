// What Node does not offer of the operating system: memfds, eventfds, shared mappings, descriptors over Unix sockets.
import { loadAddon } from './load.ts';

/**
 * Errors thrown here are shaped like Node's SystemError: `message` is "SYSCALL: CODE: text, object", with `code`,
 * `errno` (negative) and `syscall`.
 */
interface OsAddon {
  memfdCreate(name: string, size: number, options?: MemfdOptions): number;
  eventfd(initial?: number): number;
  eventfdSignal(fd: number): void;
  eventfdDrain(fd: number): bigint;
  pollReadable(fd: number, timeoutMs: number): boolean;
  dup(fd: number): number;
  closeFd(fd: number): void;
  closePeerFd(fd: number): void;
  signalPeerFd(fd: number): boolean;
  awaitPeerCloses(): void;
  socketPair(): [number, number];
  inspectFd(fd: number): FdInfo;
  peerCredentials(socket: number): PeerCredentials;
  setNonblocking(fd: number): void;
  sendDatagram(address: string, text: string, fds: readonly number[], patienceMs: number): void;
  Mapping: new (fd: number, offset: number, length: number, writable: boolean) => Mapping;
  Watch: new (fd: number, callback: () => void) => Watch;
  Channel: new (source: string | number) => NativeChannel;
}

const addon = loadAddon('native', 'ptnetmap') as OsAddon;

/** Who is at the other end of a Unix socket. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface MemfdOptions {
  /** Fix the size for ever (F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL). */
  seal?: boolean;
  hugetlb?: boolean;
}

/** What a descriptor is, for checking those that a peer sent. */
export interface FdInfo {
  /** 'memory' is a memfd or a file on tmpfs or hugetlbfs; 'file' any other that has a path: it is asked nothing. */
  readonly kind: 'memory' | 'file' | 'eventfd' | 'other';
  /** This and the next three are 0 unless it is memory. */
  readonly size: bigint;
  readonly device: bigint;
  readonly inode: bigint;
  /** Offsets and lengths of mappings must be multiples of it; the huge page's size for hugetlbfs. */
  readonly pageSize: number;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly nonblocking: boolean;
  /** The file can never shrink, so a mapping of it never faults. */
  readonly shrinkSealed: boolean;
  /** The file cannot be mapped for writing any more. */
  readonly writeSealed: boolean;
}

/** Shared memory as an ArrayBuffer. Only unmap() and the end of the environment unmap, never the garbage collector. */
export interface Mapping {
  readonly buffer: ArrayBuffer;
  /** 0n once unmapped. */
  readonly address: bigint;
  readonly length: number;
  /**
   * Detaches the buffer first, so that views get length 0 instead of faulting. May be called again.
   * @throws Error when ArrayBuffer.prototype.transfer() moved the memory to another buffer: it stays mapped then.
   */
  unmap(): void;
}

export interface Watch {
  close(): void;
}

/** Creates a memfd of `size` bytes, close-on-exec. */
export function memfdCreate(name: string, size: number, options: MemfdOptions = {}): number {
  return addon.memfdCreate(name, size, options);
}

/** Creates an eventfd, non-blocking and close-on-exec. */
export function eventfd(initial = 0): number {
  return addon.eventfd(initial);
}

/** Adds one; never waits. */
export function eventfdSignal(fd: number): void {
  addon.eventfdSignal(fd);
}

/** The count since the last drain, 0n when there is none. */
export function eventfdDrain(fd: number): bigint {
  return addon.eventfdDrain(fd);
}

/** Waits, blocking the thread, until `fd` is readable; false when `timeoutMs` have passed (-1: no limit). */
export function pollReadable(fd: number, timeoutMs: number): boolean {
  return addon.pollReadable(fd, timeoutMs);
}

/** Calls `callback` on the event loop as long as `fd` is readable: the callback must drain it. */
export function watchReadable(fd: number, callback: () => void): Watch {
  return new addon.Watch(fd, callback);
}

export function dup(fd: number): number {
  return addon.dup(fd);
}

/** One that came with a message to the kick thread is closed as closePeerFd does. */
export function closeFd(fd: number): void {
  addon.closeFd(fd);
}

/** Closes what a peer has too, on a thread that nobody waits for: the last close can take as long as a peer likes. */
export function closePeerFd(fd: number): void {
  addon.closePeerFd(fd);
}

/**
 * Adds one to a peer's eventfd. One that came with a message to the kick thread is signalled soon, on a thread of its peer's:
 * that can take as long as the peer likes. False, and nothing is done, when the peer has kept too much waiting.
 */
export function signalPeerFd(fd: number): boolean {
  return addon.signalPeerFd(fd);
}

/** Waits, blocking the thread, until all that is done: for tests that count descriptors. */
export function awaitPeerCloses(): void {
  addon.awaitPeerCloses();
}

/** A connected pair of Unix stream sockets. */
export function socketPair(): [number, number] {
  return addon.socketPair();
}

export function inspectFd(fd: number): FdInfo {
  return addon.inspectFd(fd);
}

/** Who was at the other end of a Unix socket when it connected (SO_PEERCRED). @throws SystemError ENOTSOCK */
export function peerCredentials(socket: number): PeerCredentials {
  return addon.peerCredentials(socket);
}

export function setNonblocking(fd: number): void {
  addon.setNonblocking(fd);
}

/**
 * Sends a datagram to a Unix socket, a path or `@NAME` for an abstract one; the descriptors stay the caller's. Waits so long for
 * whoever is to read it, and not at all when nothing is said. @throws SystemError: EAGAIN when nobody has
 */
export function sendDatagram(
  address: string,
  text: string,
  fds: readonly number[] = [],
  patienceMs = 0,
): void {
  addon.sendDatagram(address, text, fds, patienceMs);
}

/** Maps `length` bytes of `fd`, shared. */
export function mapFd(fd: number, options: { offset?: number; length: number; writable?: boolean }): Mapping {
  // Not markAsUntransferable: Node has done so by itself, and a second mark is a key without which Node 24 ends the process
  // when unmap() detaches.
  return new addon.Mapping(fd, options.offset ?? 0, options.length, options.writable ?? false);
}

interface NativeChannel {
  readonly fd: number;
  readonly peerProcess: number;
  start(onData: (bytes: Uint8Array, fds: number[]) => void, onClose: (errno: number) => void): void;
  pause(): void;
  resume(): void;
  send(bytes: Uint8Array, fds?: readonly number[]): void;
  close(): void;
}

/**
 * A Unix stream socket with descriptor passing, on the event loop. Does no framing: descriptors come with the read
 * that held the first byte they were sent with, and earlier bytes may stand before that byte.
 */
export class Channel {
  readonly #native: NativeChannel;

  private constructor(native: NativeChannel) {
    this.#native = native;
  }

  static connect(path: string): Channel {
    return new Channel(new addon.Channel(path));
  }

  /** Takes over `fd`. */
  static fromFd(fd: number): Channel {
    return new Channel(new addon.Channel(fd));
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#native.fd;
  }

  /** The process at the other end, of a connection made here the one that listens; 0 when it cannot be seen from here. */
  get peerProcess(): number {
    return this.#native.peerProcess;
  }

  /** onData owns the descriptors it gets. onClose comes once, unless close() is called first; 0: the peer closed. */
  start(onData: (bytes: Uint8Array, fds: number[]) => void, onClose: (errno: number) => void): void {
    this.#native.start(onData, onClose);
  }

  /** Sends what is queued, then stops reading: a native loop may now own the socket. */
  pause(): void {
    this.#native.pause();
  }

  resume(): void {
    this.#native.resume();
  }

  /** Queues when the socket is full; the descriptors stay the caller's. */
  send(bytes: Uint8Array, fds: readonly number[] = []): void {
    this.#native.send(bytes, fds);
  }

  close(): void {
    this.#native.close();
  }
}
