// Descriptors of every kind that a vfio-user peer could attach to a message, right and wrong ones.
import { closeSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { closeFd, eventfd, memfdCreate, socketPair } from '../../../../native/os.ts';

export const FD_KINDS = [
  'memory',
  'read-only',
  'write-only',
  'small',
  'sealed',
  'eventfd',
  'socket',
  'device',
  'folder',
] as const;
export type FdKind = (typeof FD_KINDS)[number];

/** Enough for every map that the generators make. */
export const MEMORY_SIZE = 16 * 0x1000;

/** One descriptor of each kind; whoever sends one sends a duplicate. */
export class Palette {
  readonly #fds: Readonly<Record<FdKind, number>>;
  readonly #all: number[];

  constructor() {
    const memory = memfdCreate('fuzz memory', MEMORY_SIZE);
    const [socket, other] = socketPair();
    this.#fds = {
      memory,
      'read-only': openSync(`/proc/self/fd/${memory}`, 'r'),
      'write-only': openSync(`/proc/self/fd/${memory}`, 'a'),
      small: memfdCreate('fuzz small', 100),
      sealed: memfdCreate('fuzz sealed', MEMORY_SIZE, { seal: true }),
      eventfd: eventfd(),
      socket,
      device: openSync('/dev/zero', 'r+'),
      folder: openSync(tmpdir(), 'r'),
    };
    this.#all = [...Object.values(this.#fds), other];
  }

  fd(kind: FdKind): number {
    return this.#fds[kind];
  }

  close(): void {
    for (const fd of this.#all.splice(0)) {
      if (fd === this.#fds.folder) closeSync(fd);
      else closeFd(fd);
    }
  }
}
