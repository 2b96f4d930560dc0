// Files that clients of the control API hand to the host: descriptors, over a Unix socket of their own. Each has a name that
// nobody can guess, and waits for the request that says what is to become of it.
import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { Channel, closePeerFd, dup } from '../../native/os.ts';
import type { Complaints } from '../complaints.ts';
import { goOnListening, listen } from './listen.ts';

/** A file that nobody has asked for by then is closed, and its client hung up on. */
const WAIT_MS = 10_000;
/** So many clients at a time, each with one file; more are hung up on. */
export const FILES_MAX = 32;
const NAME_BYTES = 16;

interface Handed {
  readonly name: string;
  /** undefined: none has come yet, or somebody has taken it. */
  fd: number | undefined;
  close(): void;
}

export class HandedFiles {
  readonly #server = createServer({ pauseOnConnect: true }, (socket) => this.#greet(socket));
  readonly #handed = new Map<string, Handed>();
  readonly #complaints: Complaints;

  private constructor(complaints: Complaints) {
    this.#complaints = complaints;
  }

  /** @param path of the socket, which is this user's alone. @throws Error of listen(2) or bind(2) */
  static async start(path: string, complaints: Complaints): Promise<HandedFiles> {
    const files = new HandedFiles(complaints);
    await listen(files.#server, { path }, complaints);
    return files;
  }

  /** With a socket that listens already, which is taken. @throws Error */
  static adopt(socket: number, complaints: Complaints): HandedFiles {
    const files = new HandedFiles(complaints);
    goOnListening(files.#server, socket, complaints);
    return files;
  }

  /** A file by the name that its client was told; it is the caller's from now on, a peer's descriptor. undefined: there is none. */
  take(name: string): number | undefined {
    const handed = this.#handed.get(name);
    const fd = handed?.fd;
    if (handed) handed.fd = undefined;
    return fd;
  }

  get server(): Server {
    return this.#server;
  }

  close(): void {
    this.#server.close();
    for (const handed of this.#handed.values()) handed.close();
  }

  /** From here on the connection is a channel's, which takes descriptors; Node's socket has read nothing of it. */
  #greet(socket: Socket): void {
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    try {
      if (this.#handed.size < FILES_MAX) this.#receive(Channel.fromFd(dup(fd)));
    } catch (err) {
      // No descriptor is left for it.
      this.#complaints.add('socket', (err as Error).message, { details: { err } });
    } finally {
      socket.destroy();
    }
  }

  #receive(channel: Channel): void {
    const name = randomBytes(NAME_BYTES).toString('hex');
    const timer = setTimeout(() => handed.close(), WAIT_MS).unref();
    const handed: Handed = {
      name,
      fd: undefined,
      close: () => {
        clearTimeout(timer);
        channel.close();
        this.#handed.delete(name);
        if (handed.fd !== undefined) closePeerFd(handed.fd);
      },
    };
    this.#handed.set(name, handed);
    let asked = false;
    channel.start(
      (_bytes, fds) => {
        const [fd, ...more] = fds;
        // One file, once: whatever else comes is none of the protocol's.
        if (asked || fd === undefined || more.length > 0) {
          for (const each of fds) closePeerFd(each);
          handed.close();
          return;
        }
        asked = true;
        handed.fd = fd;
        try {
          channel.send(Buffer.from(`${name}\n`));
        } catch {
          // It has hung up without waiting for the name.
          handed.close();
        }
      },
      () => handed.close(),
    );
  }
}
