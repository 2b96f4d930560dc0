// The server's end of a vfio-user socket in the test's own hands: it records requests and answers as the test says.

import { VfioUserClient } from '../../../../guest-driver/model/client.ts';
import { Channel, closeFd, socketPair } from '../../../../native/os.ts';

export interface Request {
  msgId: number;
  command: number;
  flags: number;
  payload: Buffer;
  fds: number[];
}

export type Answer = { payload?: Uint8Array; fds?: readonly number[]; errno?: number } | undefined;

/** One whole message, written here by hand and not by the client's encoder. */
export function rawMessage(
  msgId: number,
  command: number,
  flags: number,
  errno: number,
  payload: Uint8Array,
): Buffer {
  const bytes = Buffer.alloc(16 + payload.length);
  bytes.writeUInt16LE(msgId, 0);
  bytes.writeUInt16LE(command, 2);
  bytes.writeUInt32LE(bytes.length, 4);
  bytes.writeUInt32LE(flags, 8);
  bytes.writeUInt32LE(errno, 12);
  bytes.set(payload, 16);
  return bytes;
}

export class FakeServer {
  readonly client: VfioUserClient;
  readonly requests: Request[] = [];
  /** Answers a request at once; undefined leaves it to the test. */
  answer: (request: Request) => Answer;
  readonly #channel: Channel;
  #bytes: Buffer = Buffer.alloc(0);
  #fds: number[] = [];
  #wake: () => void = () => {};

  constructor(answer: (request: Request) => Answer = () => undefined) {
    const [near, far] = socketPair();
    this.answer = answer;
    this.#channel = Channel.fromFd(far);
    this.#channel.start(
      (bytes, fds) => this.#onData(bytes, fds),
      () => {},
    );
    this.client = VfioUserClient.fromChannel(Channel.fromFd(near), 'fake');
  }

  reply(request: Request, answer: NonNullable<Answer> = {}): void {
    const errno = answer.errno ?? 0;
    const flags = errno === 0 ? 1 : 0x21;
    const payload = answer.payload ?? new Uint8Array();
    this.send(rawMessage(request.msgId, request.command, flags, errno, payload), answer.fds);
  }

  send(bytes: Uint8Array, fds: readonly number[] = []): void {
    this.#channel.send(bytes, fds);
  }

  /** Resolves when so many requests have come in all. */
  async received(count: number): Promise<Request[]> {
    while (this.requests.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.requests;
  }

  hangUp(): void {
    this.#channel.close();
  }

  close(): void {
    this.client.close();
    this.#channel.close();
    for (const { fds } of this.requests) for (const fd of fds.splice(0)) closeFd(fd);
  }

  #onData(bytes: Uint8Array, fds: number[]): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    this.#fds.push(...fds);
    while (this.#bytes.length >= 16 && this.#bytes.length >= this.#bytes.readUInt32LE(4)) {
      const size = this.#bytes.readUInt32LE(4);
      const request = {
        msgId: this.#bytes.readUInt16LE(0),
        command: this.#bytes.readUInt16LE(2),
        flags: this.#bytes.readUInt32LE(8),
        payload: Buffer.from(this.#bytes.subarray(16, size)),
        fds: this.#fds.splice(0),
      };
      this.#bytes = this.#bytes.subarray(size);
      this.requests.push(request);
      const answer = this.answer(request);
      if (answer && (request.flags & 0x10) === 0) this.reply(request, answer);
      this.#wake();
    }
  }
}
