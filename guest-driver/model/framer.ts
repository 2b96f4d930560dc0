// Cuts the byte stream of a vfio-user socket into messages and gives each the descriptors that came with it.
import { concatBytes } from './bytes.ts';
import { decodeHeader, HEADER_SIZE, type Header } from './messages.ts';

export interface Message {
  header: Header;
  payload: Uint8Array;
  /** Owned by whoever takes the message. */
  fds: number[];
}

/** Larger than any answer we ask for. */
export const MAX_MESSAGE_SIZE = 16 * 1024 * 1024;

export class Framer {
  #bytes: Uint8Array = new Uint8Array();
  /** Descriptors of the message that has begun but not ended. */
  #fds: number[] = [];

  /**
   * Takes what one read gave. Descriptors travel with a message's first byte and end the read they come in, so they
   * belong to the last message that begins in it.
   * @throws RangeError when the size in a header cannot be.
   */
  push(bytes: Uint8Array, fds: readonly number[]): Message[] {
    this.#bytes = concatBytes([this.#bytes, bytes]);
    const messages: Message[] = [];
    while (this.#bytes.length >= HEADER_SIZE) {
      const header = decodeHeader(this.#bytes);
      if (header.size < HEADER_SIZE || header.size > MAX_MESSAGE_SIZE) {
        throw new RangeError(
          `vfio-user message of ${header.size} bytes: want ${HEADER_SIZE} to ${MAX_MESSAGE_SIZE}`,
        );
      }
      if (this.#bytes.length < header.size) break;
      messages.push({ header, payload: this.#bytes.slice(HEADER_SIZE, header.size), fds: this.#fds });
      this.#fds = [];
      this.#bytes = this.#bytes.subarray(header.size);
    }
    const last = messages.at(-1);
    if (this.#bytes.length > 0 || !last) this.#fds.push(...fds);
    else last.fds.push(...fds);
    return messages;
  }

  /** The descriptors of a message that will never be whole. */
  takeLeftOver(): number[] {
    return this.#fds.splice(0);
  }
}
