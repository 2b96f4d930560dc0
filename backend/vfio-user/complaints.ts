// Counts what a peer does wrong and logs it by cause: the first time, then each time the count has grown tenfold.
import type { Logger } from '../log.ts';

/** A peer cannot make more causes than this, whatever it sends. */
const MAX_CAUSES = 256;
const OTHER = 'other';

export class Complaints {
  readonly #log: Logger;
  readonly #object: string;
  readonly #counters = new Map<string, number>();

  /** `object` is what every line begins with: the device and so the VM. */
  constructor(log: Logger, object: string) {
    this.#log = log;
    this.#object = object;
  }

  get counters(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counters);
  }

  add(cause: string, text: string, level: 'warn' | 'error' = 'warn', details: object = {}): void {
    const key = this.#counters.has(cause) || this.#counters.size < MAX_CAUSES ? cause : OTHER;
    const count = (this.#counters.get(key) ?? 0) + 1;
    this.#counters.set(key, count);
    if (!isPowerOfTen(count)) return;
    const times = count === 1 ? '' : ` (${count} times)`;
    this.#log[level](
      { device: this.#object, cause: key, count, ...details },
      `${this.#object}: ${text}${times}`,
    );
  }
}

function isPowerOfTen(count: number): boolean {
  return /^10*$/.test(String(count));
}
