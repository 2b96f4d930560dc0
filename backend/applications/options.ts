// The options of a request: each is taken by what understands it, and what nobody has taken says so in its status.
import { constants } from 'node:os';
import { ProtocolError } from '../errors.ts';
import type { Option } from './wire.ts';

const { EOPNOTSUPP } = constants.errno;

export class Options {
  readonly #options: readonly Option[];
  /** In the order of the request. */
  readonly statuses: number[];
  /** What is to be written back, by its place in the request. */
  readonly contents = new Map<number, Uint8Array>();

  constructor(options: readonly Option[]) {
    this.#options = options;
    this.statuses = options.map(() => EOPNOTSUPP);
  }

  /** The content of one, whose status is 0 from now on; undefined: it was not given. */
  take(type: number): Uint8Array | undefined {
    const index = this.#options.findIndex((option) => option.type === type);
    if (index >= 0) this.statuses[index] = 0;
    return this.#options[index]?.bytes;
  }

  /** What one that was taken is to say from now on. */
  give(type: number, bytes: Uint8Array): void {
    this.contents.set(
      this.#options.findIndex((option) => option.type === type),
      bytes,
    );
  }

  /** What was taken was not right after all. */
  refuse(type: number, errno: number, message: string): never {
    const index = this.#options.findIndex((option) => option.type === type);
    if (index >= 0) this.statuses[index] = errno;
    throw new ProtocolError(errno, message);
  }

  /** @throws ProtocolError EOPNOTSUPP when there is one that nobody has taken. */
  checkAllTaken(): void {
    const left = this.#options.find((_, index) => this.statuses[index] === EOPNOTSUPP);
    if (left) throw new ProtocolError(EOPNOTSUPP, `option ${left.type}: not for this`);
  }
}

/** A request with options that failed: their statuses go with the reply. */
export class RefusedOptions extends ProtocolError {
  readonly statuses: readonly number[];
  constructor(errno: number, statuses: readonly number[], cause: Error) {
    super(errno, cause.message, { cause });
    this.statuses = statuses;
  }
}
