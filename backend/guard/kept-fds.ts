// The descriptors that outlive a host: each open file is stored once with whoever keeps them, under a name, for as long as a section of the state needs it.
import { fstatSync, readFileSync } from 'node:fs';

/** Who keeps them: the guard, or systemd's descriptor store. */
export interface DescriptorStore {
  /** @throws Error when it is not kept */
  put(name: string, fd: number): void;
  remove(name: string): void;
  /** Waits until all that was said is done: what was removed is closed. @throws Error when it takes too long */
  settle(): void;
}

const NAME = /^f([1-9]\d{0,8})$/;
const nameOf = (number: number): string => `f${number}`;

/** The number that a section of the state means by a name; undefined: it is none of these. */
export const numberOf = (name: string): number | undefined => {
  const match = NAME.exec(name);
  return match ? Number(match[1]) : undefined;
};

/** Stands for what a process that has died had written, until all of it is written anew. */
const LEFT = -1;

/** In the name of a file that has it of a descriptor of this process. */
const OURS = ' at ';

interface Kept {
  readonly number: number;
  readonly users: Set<number>;
}

export class KeptFds {
  readonly #store: DescriptorStore;
  readonly #files = new Map<string, Kept>();
  #last = 0;

  /** @param known which files are stored already, by number, for sections that another process has written: until forgetLeft(). */
  constructor(store: DescriptorStore, known: ReadonlyMap<number, string> = new Map()) {
    this.#store = store;
    for (const [number, file] of known) {
      this.#last = Math.max(this.#last, number);
      if (this.#files.has(file)) store.remove(nameOf(number));
      else this.#files.set(file, { number, users: new Set([LEFT]) });
    }
  }

  /** What a section will need: to be collected, and then to be settled when it is in force. */
  for(section: number): SectionFds {
    const now = new Set<Kept>();
    return {
      add: (fd) => {
        const kept = this.#keep(fd);
        now.add(kept);
        return kept.number;
      },
      settle: () => {
        for (const kept of now) kept.users.add(section);
        for (const kept of this.#files.values()) if (!now.has(kept)) kept.users.delete(section);
        this.#sweep();
      },
    };
  }

  /** What is stored, for another process: a file that only its descriptor tells from others is none of that one's. */
  get files(): readonly (readonly [number, string])[] {
    return [...this.#files].map(([file, { number }]) => [
      number,
      file.includes(OURS) ? `${number} of another process` : file,
    ]);
  }

  /** Nothing is needed any more. */
  clear(): void {
    for (const { number } of this.#files.values()) this.#store.remove(nameOf(number));
    this.#files.clear();
  }

  /** Everything is written anew. */
  forgetLeft(): void {
    this.for(LEFT).settle();
  }

  #keep(fd: number): Kept {
    const file = fileOf(fd);
    const known = this.#files.get(file);
    if (known) return known;
    const kept = { number: ++this.#last, users: new Set<number>() };
    this.#store.put(nameOf(kept.number), fd);
    this.#files.set(file, kept);
    return kept;
  }

  #sweep(): void {
    for (const [file, { number, users }] of this.#files)
      if (users.size === 0) {
        this.#files.delete(file);
        this.#store.remove(nameOf(number));
      }
  }
}

export interface SectionFds {
  /** It is stored when this returns. @returns its number. */
  add(fd: number): number;
  /** Those that were added are what the section needs; what no section needs is stored no more. */
  settle(): void;
}

/**
 * Two descriptors of the same file have the same text. Eventfds share an inode, but have numbers (Linux 5.2); queues of taps share
 * one too, and stay under their descriptors' numbers for as long as they are open.
 */
export function fileOf(fd: number): string {
  const stat = fstatSync(fd, { bigint: true });
  const { dev, ino } = stat;
  if (stat.isCharacterDevice()) return `${dev}:${ino}${OURS}${fd}`;
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  const id = /^eventfd-id:\s*(\d+)$/m.exec(info)?.[1] ?? '';
  const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '0', 8);
  const accessMode = flags & 3;
  return `${dev}:${ino}:${id}:${accessMode}`;
}
