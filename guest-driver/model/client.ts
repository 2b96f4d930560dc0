// The vfio-user connection of a client: sends requests, matches replies by message id, and lets tests send anything.
import { constants } from 'node:os';
import { Channel, closeFd } from '../../native/os.ts';
import { errnoName, VfioUserError } from './errors.ts';
import { Framer, type Message } from './framer.ts';
import { encodeMessage, MESSAGE_FLAG, MESSAGE_TYPE } from './messages.ts';

const { EPIPE, EPROTO, ETIMEDOUT, EOPNOTSUPP } = constants.errno;

/** QEMU gives up on a reply after 5 s; a loaded test machine gets more before we say that an answer is missing. */
const REPLY_TIMEOUT_MS = 20_000;

export interface RequestOptions {
  fds?: readonly number[];
  /** The reply that is expected: with an errno other than 0 the reply is returned if it has it, else it is an error. */
  expectErrno?: number;
  timeoutMs?: number;
  /** Extra header flags, or a size that is not the true one: for bad-input tests. */
  flags?: number;
  size?: number;
}

/** An answer. Its descriptors are the caller's: take them or close them with dropFds(). */
export interface Reply extends Message {
  errno: number;
}

/** Answers what the server asks of us (DMA_READ, DMA_WRITE); returns the payload of the reply, or an errno. */
export type CommandHandler = (command: number, payload: Uint8Array) => Uint8Array | number;

interface Pending {
  command: number;
  settle: (message: Message) => void;
  fail: (error: VfioUserError) => void;
}

export function dropFds(message: { fds: number[] }): void {
  for (const fd of message.fds.splice(0)) closeFd(fd);
}

export class VfioUserClient {
  /** Used in messages: the socket's path, or what fromChannel() was told. */
  readonly name: string;
  /** Resolves when the connection is gone: 0 when either side closed it, else an errno. Never rejects. */
  readonly closed: Promise<number>;
  /** Answers that no request waits for, oldest first: what raw() provoked. */
  readonly unmatched: Message[] = [];
  onCommand: CommandHandler = () => EOPNOTSUPP;
  readonly #channel: Channel;
  readonly #framer = new Framer();
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #open = true;
  #paused = false;
  #resolveClosed: (errno: number) => void = () => {};
  #wakeUnmatched: () => void = () => {};
  #wakeIdle: () => void = () => {};

  private constructor(channel: Channel, name: string) {
    this.name = name;
    this.#channel = channel;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    channel.start(
      (bytes, fds) => this.#onData(bytes, fds),
      (errno) => this.#shutDown(errno === 0 ? EPIPE : Math.abs(errno), Math.abs(errno)),
    );
  }

  /** @throws the system's error when nobody listens. */
  static connect(path: string): VfioUserClient {
    return new VfioUserClient(Channel.connect(path), path);
  }

  static fromChannel(channel: Channel, name = 'vfio-user'): VfioUserClient {
    return new VfioUserClient(channel, name);
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** The socket, for a native loop that owns it while we are paused. */
  get fd(): number {
    return this.#channel.fd;
  }

  /** Sends a request and resolves to its reply. @throws VfioUserError for an errno other than the expected one. */
  async request(command: number, payload?: Uint8Array, options: RequestOptions = {}): Promise<Reply> {
    const message = await this.#exchange(command, payload, options);
    const { errno, flags } = message.header;
    const refused = (flags & MESSAGE_FLAG.ERROR) !== 0 ? errno : 0;
    const expected = options.expectErrno ?? 0;
    if (refused !== expected) {
      dropFds(message);
      const what = expected === 0 ? undefined : `got ${errnoName(refused)}, expected ${errnoName(expected)}`;
      throw new VfioUserError(this.name, command, refused, what);
    }
    return { ...message, errno: refused };
  }

  /** Sends a request that wants no reply. */
  post(command: number, payload?: Uint8Array, fds: readonly number[] = []): void {
    this.#assertUsable(command);
    const flags = MESSAGE_TYPE.COMMAND | MESSAGE_FLAG.NO_REPLY;
    this.#channel.send(encodeMessage({ msgId: this.#takeId(), command, flags }, payload), fds);
  }

  /** Sends bytes as they are; answers to them end up in `unmatched`. */
  raw(bytes: Uint8Array, fds: readonly number[] = []): void {
    this.#channel.send(bytes, fds);
  }

  /** The oldest answer that no request waited for; undefined after `timeoutMs` or when the connection ends first. */
  async nextUnmatched(timeoutMs: number): Promise<Message | undefined> {
    if (this.unmatched.length === 0 && this.#open) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#wakeUnmatched = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.unmatched.shift();
  }

  /** Waits for every answer that is due, then hands the socket to a native loop. */
  async pause(): Promise<void> {
    while (this.#pending.size > 0) {
      await new Promise<void>((resolve) => {
        this.#wakeIdle = resolve;
      });
    }
    this.#assertUsable(0);
    this.#paused = true;
    this.#channel.pause();
  }

  /** Takes the socket back. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#open) this.#channel.resume();
  }

  /** Hangs up. Requests that are under way fail with EPIPE. */
  close(): void {
    if (this.#open) this.#shutDown(EPIPE, 0);
  }

  async #exchange(
    command: number,
    payload: Uint8Array | undefined,
    options: RequestOptions,
  ): Promise<Message> {
    this.#assertUsable(command);
    const msgId = this.#takeId();
    const fields = { msgId, command, flags: options.flags ?? MESSAGE_TYPE.COMMAND };
    const bytes = encodeMessage(
      options.size === undefined ? fields : { ...fields, size: options.size },
      payload,
    );
    return await new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        this.#pending.delete(msgId);
        if (this.#pending.size === 0) this.#wakeIdle();
      };
      const fail = (error: Error) => {
        finish();
        reject(error);
      };
      const limit = options.timeoutMs ?? REPLY_TIMEOUT_MS;
      const timer = setTimeout(() => {
        fail(new VfioUserError(this.name, command, ETIMEDOUT, `no reply within ${limit} ms`));
      }, limit);
      const settle = (message: Message) => {
        finish();
        resolve(message);
      };
      this.#pending.set(msgId, { command, settle, fail });
      try {
        this.#channel.send(bytes, options.fds ?? []);
      } catch (error) {
        fail(error as Error);
      }
    });
  }

  #assertUsable(command: number): void {
    if (!this.#open) throw new VfioUserError(this.name, command, EPIPE, 'the connection is closed');
    if (this.#paused) throw new Error(`${this.name}: a native loop owns the socket: wait for its end`);
  }

  #takeId(): number {
    do {
      this.#nextId = (this.#nextId + 1) & 0xffff;
    } while (this.#pending.has(this.#nextId));
    return this.#nextId;
  }

  #onData(bytes: Uint8Array, fds: number[]): void {
    let messages: Message[];
    try {
      messages = this.#framer.push(bytes, fds);
    } catch {
      dropFds({ fds });
      this.#shutDown(EPROTO, EPROTO);
      return;
    }
    for (const message of messages) this.#onMessage(message);
  }

  #onMessage(message: Message): void {
    const { msgId, command, flags } = message.header;
    if ((flags & MESSAGE_TYPE.MASK) === MESSAGE_TYPE.COMMAND) {
      this.#answer(message);
      return;
    }
    const pending = this.#pending.get(msgId);
    if (pending && pending.command === command) {
      pending.settle(message);
      return;
    }
    this.unmatched.push(message);
    this.#wakeUnmatched();
  }

  #answer(message: Message): void {
    const { msgId, command, flags } = message.header;
    dropFds(message);
    const answer = this.onCommand(command, message.payload);
    if ((flags & MESSAGE_FLAG.NO_REPLY) !== 0) return;
    const reply =
      typeof answer === 'number'
        ? encodeMessage({ msgId, command, flags: MESSAGE_TYPE.REPLY | MESSAGE_FLAG.ERROR, errno: answer })
        : encodeMessage({ msgId, command, flags: MESSAGE_TYPE.REPLY }, answer);
    this.#channel.send(reply);
  }

  #shutDown(failWith: number, reason: number): void {
    if (!this.#open) return;
    this.#open = false;
    this.#channel.close();
    for (const message of this.unmatched) dropFds(message);
    dropFds({ fds: this.#framer.takeLeftOver() });
    for (const { command, fail } of [...this.#pending.values()]) {
      fail(new VfioUserError(this.name, command, failWith, `the connection ended: ${errnoName(failWith)}`));
    }
    this.#wakeUnmatched();
    this.#resolveClosed(reason);
  }
}
