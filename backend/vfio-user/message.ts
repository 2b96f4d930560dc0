// One message as it came from a peer: it owns its descriptors until a handler takes them.
import { closeFd } from '../../native/os.ts';
import { HEADER_SIZE } from './protocol.ts';
import type { Header } from './wire.ts';

export class Message {
  readonly header: Header;
  readonly payload: Uint8Array;
  #fds: number[];

  constructor(header: Header, bytes: Uint8Array, fds: readonly number[]) {
    this.header = header;
    this.payload = bytes.subarray(HEADER_SIZE);
    this.#fds = [...fds];
  }

  /** For looking at; they stay the message's. */
  get fds(): readonly number[] {
    return this.#fds;
  }

  /** The descriptors are the caller's from here on. */
  takeFds(): number[] {
    const fds = this.#fds;
    this.#fds = [];
    return fds;
  }

  /** Closes what nobody took. */
  close(): void {
    closeFds(this.takeFds());
  }
}

export function closeFds(fds: readonly number[]): void {
  for (const fd of fds) closeFd(fd);
}
