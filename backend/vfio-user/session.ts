// One client's connection to one device: checks the order of messages, dispatches them, answers, and cleans up.
import { constants } from 'node:os';
import type { PciDevice } from '../../pci/index.ts';
import type { Complaints } from '../complaints.ts';
import { errnoName, ProtocolError } from '../errors.ts';
import { DmaTable } from './dma.ts';
import { HANDLERS, type Reply } from './handlers.ts';
import type { VfioUserHooks } from './hooks.ts';
import { Interrupts } from './irqs.ts';
import { closeFds, Message } from './message.ts';
import { commandName, DEFAULT_MAX_MSG_FDS, FLAG, VFIO_USER } from './protocol.ts';
import { type ClientLimits, negotiate } from './version.ts';
import { decodeHeader, decodeVersion, encodeError, encodeReply, type Header } from './wire.ts';

const { EINVAL, EIO, ENOSYS } = constants.errno;

/** Where answers go. */
export interface Transport {
  /** The descriptors stay the caller's. */
  send(bytes: Uint8Array, fds: readonly number[]): void;
  close(): void;
}

/** A message that has been dealt with, before it is answered. */
export interface AppliedMessage {
  /** Among those of its session. */
  readonly ordinal: number;
  /** Empty: none is wanted. */
  readonly answer: Uint8Array;
  /** With it the client has finished VFIO_USER_VERSION. */
  readonly attached: boolean;
}

/** Those that can change what is known of a session or its device. */
const EFFECTIVE: ReadonlySet<number> = new Set([
  VFIO_USER.VERSION,
  VFIO_USER.DMA_MAP,
  VFIO_USER.DMA_UNMAP,
  VFIO_USER.DEVICE_SET_IRQS,
  VFIO_USER.REGION_WRITE,
  VFIO_USER.REGION_WRITE_MULTI,
  VFIO_USER.DEVICE_RESET,
]);

export interface SessionOptions {
  /** The kick thread's number for the connection. */
  id: number;
  device: PciDevice;
  hooks: VfioUserHooks;
  transport: Transport;
  complaints: Complaints;
  /** Its share of the DMA maps; as many as one may have when not given. */
  maxDmaMaps?: number | undefined;
  /** Of bytes at once; as many as one may ever send when not given. */
  maxDataXfer?: number | undefined;
  /** Writes down what has changed: before a client hears of it. */
  keep?: ((applied: AppliedMessage) => void) | undefined;
}

/** What is known of a client, beside its maps and interrupts. */
export interface SessionState {
  readonly limits: ClientLimits;
  /** VFIO_USER_VERSION has been. */
  readonly attached: boolean;
}

/** A message whose turn has not come. */
interface Waiting {
  run(): Generator<void, void>;
  drop(): void;
}

export class Session {
  readonly id: number;
  readonly device: PciDevice;
  readonly hooks: VfioUserHooks;
  readonly dma: DmaTable;
  readonly irqs: Interrupts;
  readonly #transport: Transport;
  readonly #complaints: Complaints;
  readonly #keep: SessionOptions['keep'];
  readonly #maxDataXfer: number | undefined;
  #limits: ClientLimits = { maxMsgFds: DEFAULT_MAX_MSG_FDS };
  #state: 'new' | 'attached' | 'closed' = 'new';
  readonly #queue: Waiting[] = [];
  /** The message that is being dealt with, between two pieces. */
  #current: Generator<void, void> | undefined;
  #stepping = false;

  constructor(options: SessionOptions) {
    const { id, device, hooks, transport, complaints, maxDmaMaps, maxDataXfer, keep } = options;
    this.id = id;
    this.device = device;
    this.hooks = hooks;
    this.#transport = transport;
    this.#complaints = complaints;
    this.#keep = keep;
    this.#maxDataXfer = maxDataXfer;
    this.dma = new DmaTable(maxDmaMaps);
    this.irqs = new Interrupts(device.msixVectors, (vector, count) =>
      hooks.onInterruptsChanged(vector, count),
    );
  }

  get state(): 'new' | 'attached' | 'closed' {
    return this.#state;
  }

  get limits(): ClientLimits {
    return this.#limits;
  }

  /** Goes on where the session of another process was; nobody is told. */
  restore({ limits, attached }: SessionState): void {
    this.#limits = limits;
    this.#state = attached ? 'attached' : 'new';
  }

  /** Takes one whole message and deals with it at once; its descriptors are the session's from here on. Never throws. */
  receive(bytes: Uint8Array, fds: readonly number[]): void {
    this.enqueue(bytes, fds, () => {});
    while (this.step());
  }

  /**
   * Takes one whole message, to be dealt with by step(); `done` is called then. Its descriptors are the session's.
   * @param ordinal among the session's messages, where they are numbered.
   */
  enqueue(bytes: Uint8Array, fds: readonly number[], done: () => void, ordinal = 0): void {
    if (this.#state === 'closed') {
      closeFds(fds);
      done();
    } else this.#queue.push({ run: () => this.#take(bytes, fds, done, ordinal), drop: () => closeFds(fds) });
  }

  /** Between two pieces of a message. */
  get busy(): boolean {
    return this.#current !== undefined;
  }

  /** Does something when all messages that came so far have been dealt with. */
  after(then: () => void): void {
    this.#queue.push({ run: () => once(then), drop: () => {} });
  }

  /** Does a piece of what waits. @return whether there is more. Never throws. */
  step(): boolean {
    this.#current ??= this.#queue.shift()?.run();
    if (this.#current === undefined) return false;
    const current = this.#current;
    this.#stepping = true;
    const { done } = current.next();
    this.#stepping = false;
    // It may have closed the session, and everything with it.
    if (done === true && this.#current === current) this.#current = undefined;
    return this.#current !== undefined || this.#queue.length > 0;
  }

  *#take(
    bytes: Uint8Array,
    fds: readonly number[],
    done: () => void,
    ordinal: number,
  ): Generator<void, void> {
    const header = decodeHeader(bytes);
    if (header === undefined || header.size !== bytes.length) {
      closeFds(fds);
      const said = header === undefined ? '' : `, its header says ${header.size}`;
      this.#complaints.add('malformed message', `message of ${bytes.length} bytes${said}: hanging up`);
      this.close();
    } else {
      const message = new Message(header, bytes, fds);
      try {
        yield* this.#answer(message, ordinal);
      } finally {
        message.close();
      }
    }
    done();
  }

  /** Drops what the client left and hangs up. May be called again. */
  close(): void {
    if (this.#state === 'closed') return;
    const attached = this.#state === 'attached';
    this.#state = 'closed';
    for (const { drop } of this.#queue.splice(0)) drop();
    // What waits for its next piece gives back what it holds; what is closing us does so when it returns.
    if (!this.#stepping) this.#current?.return();
    this.#current = undefined;
    if (attached) {
      this.#guard('onDetach', () => this.hooks.onDetach(this));
      this.#guard('reset', () => this.device.reset());
    }
    this.irqs.clear();
    this.dma.clear();
    this.#guard('close', () => this.#transport.close());
  }

  /** Counts and logs something that the client did wrong outside of a message. */
  complain(cause: string, text: string): void {
    this.#complaints.add(cause, text);
  }

  *#answer(message: Message, ordinal: number): Generator<void, void> {
    const { header } = message;
    const type = header.flags & FLAG.TYPE;
    if (type === FLAG.REPLY) {
      this.#complaints.add('unexpected reply', `${commandName(header.command)}: a reply to nothing: ignored`);
      return;
    }
    try {
      if (type !== FLAG.COMMAND) throw new ProtocolError(EINVAL, `message type ${type}: 0 or 1 expected`);
      const result = this.#run(message);
      const { payload, fds } = 'payload' in result ? result : yield* result;
      const answer = encodeReply(header, payload);
      this.#apply(header, ordinal, answer, header.command === VFIO_USER.VERSION);
      this.#send(header, answer, fds);
      // After the reply, so that what the host does next cannot come before it.
      if (header.command === VFIO_USER.VERSION) this.#attach();
    } catch (error) {
      this.#refuse(header, ordinal, error);
    }
  }

  #apply(header: Header, ordinal: number, answer: Uint8Array, attached: boolean): void {
    if (!this.#keep || this.#state === 'closed' || !EFFECTIVE.has(header.command)) return;
    const wanted = (header.flags & FLAG.NO_REPLY) === 0;
    this.#keep({ ordinal, answer: wanted ? answer : new Uint8Array(), attached });
  }

  #run(message: Message): Reply | Generator<void, Reply> {
    const { command } = message.header;
    if (command === VFIO_USER.VERSION) return this.#version(message);
    if (this.#state === 'new') {
      throw new ProtocolError(EINVAL, 'VFIO_USER_VERSION must come first', { fatal: true });
    }
    const handler = HANDLERS.get(command);
    if (handler === undefined) throw new ProtocolError(ENOSYS, 'unknown');
    checkFds(message, handler.maxFds);
    return handler.run(this, message);
  }

  #version(message: Message): Reply {
    if (this.#state !== 'new') throw new ProtocolError(EINVAL, 'may come once only', { fatal: true });
    checkFds(message, 0);
    const { reply, limits } = negotiate(decodeVersion(message.payload), this.dma.max, this.#maxDataXfer);
    this.#limits = limits;
    return { payload: reply, fds: [] };
  }

  #attach(): void {
    // Sending the reply may have found that the client is gone.
    if (this.#state !== 'new') return;
    this.#state = 'attached';
    if (!this.#guard('onAttach', () => this.hooks.onAttach(this))) this.close();
  }

  #refuse(header: Header, ordinal: number, error: unknown): void {
    const refusal = error instanceof ProtocolError ? error : undefined;
    const errno = refusal?.errno ?? EIO;
    const known = HANDLERS.has(header.command) || header.command === VFIO_USER.VERSION;
    const command = known ? commandName(header.command) : 'unknown command';
    const text = `${commandName(header.command)}: ${error instanceof Error ? error.message : String(error)}`;
    const cause = `${command} ${errnoName(errno)}`;
    // Not the peer's fault: our own code failed, and the log must say where.
    if (refusal === undefined) this.#complaints.add(cause, text, { level: 'error', details: { err: error } });
    else this.#complaints.add(cause, text);
    const answer = encodeError(header, errno);
    this.#apply(header, ordinal, answer, false);
    this.#send(header, answer, []);
    if (refusal?.fatal || this.#state === 'new') this.close();
  }

  #send(header: Header, bytes: Uint8Array, fds: readonly number[]): void {
    if ((header.flags & FLAG.NO_REPLY) !== 0 || this.#state === 'closed') return;
    try {
      this.#transport.send(bytes, fds);
    } catch (error) {
      this.#complaints.add('send', `reply not sent: ${String(error)}`, { details: { err: error } });
      this.close();
    }
  }

  /** What the host does in a hook is not the client's affair, and must not keep us from cleaning up. */
  #guard(step: string, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      this.#complaints.add(step, `${step}: ${String(error)}`, { level: 'error', details: { err: error } });
      return false;
    }
  }
}

function* once(run: () => void): Generator<void, void> {
  yield run();
}

function checkFds(message: Message, most: number): void {
  if (message.fds.length > most) {
    throw new ProtocolError(EINVAL, `${message.fds.length} descriptors: at most ${most} expected`);
  }
}
