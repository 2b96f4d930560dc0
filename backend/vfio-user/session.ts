// One client's connection to one device: checks the order of messages, dispatches them, answers, and cleans up.
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type { PciDevice } from '../../pci/index.ts';
import { ProtocolError } from '../errors.ts';
import type { Complaints } from './complaints.ts';
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

export interface SessionOptions {
  /** The kick thread's number for the connection. */
  id: number;
  device: PciDevice;
  hooks: VfioUserHooks;
  transport: Transport;
  complaints: Complaints;
}

export class Session {
  readonly id: number;
  readonly device: PciDevice;
  readonly hooks: VfioUserHooks;
  readonly dma = new DmaTable();
  readonly irqs: Interrupts;
  readonly #transport: Transport;
  readonly #complaints: Complaints;
  #limits: ClientLimits = { maxMsgFds: DEFAULT_MAX_MSG_FDS };
  #state: 'new' | 'attached' | 'closed' = 'new';

  constructor({ id, device, hooks, transport, complaints }: SessionOptions) {
    this.id = id;
    this.device = device;
    this.hooks = hooks;
    this.#transport = transport;
    this.#complaints = complaints;
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

  /** Takes one whole message; its descriptors are the session's from here on. Never throws. */
  receive(bytes: Uint8Array, fds: readonly number[]): void {
    const header = decodeHeader(bytes);
    if (this.#state === 'closed') closeFds(fds);
    else if (header === undefined || header.size !== bytes.length) {
      closeFds(fds);
      const said = header === undefined ? '' : `, its header says ${header.size}`;
      this.#complaints.add('malformed message', `message of ${bytes.length} bytes${said}: hanging up`);
      this.close();
    } else {
      const message = new Message(header, bytes, fds);
      try {
        this.#answer(message);
      } finally {
        message.close();
      }
    }
  }

  /** Drops what the client left and hangs up. May be called again. */
  close(): void {
    if (this.#state === 'closed') return;
    const attached = this.#state === 'attached';
    this.#state = 'closed';
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

  #answer(message: Message): void {
    const { header } = message;
    const type = header.flags & FLAG.TYPE;
    if (type === FLAG.REPLY) {
      this.#complaints.add('unexpected reply', `${commandName(header.command)}: a reply to nothing: ignored`);
      return;
    }
    try {
      if (type !== FLAG.COMMAND) throw new ProtocolError(EINVAL, `message type ${type}: 0 or 1 expected`);
      const { payload, fds } = this.#run(message);
      this.#send(header, encodeReply(header, payload), fds);
      // After the reply, so that what the host does next cannot come before it.
      if (header.command === VFIO_USER.VERSION) this.#attach();
    } catch (error) {
      this.#refuse(header, error);
    }
  }

  #run(message: Message): Reply {
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
    const { reply, limits } = negotiate(decodeVersion(message.payload));
    this.#limits = limits;
    return { payload: reply, fds: [] };
  }

  #attach(): void {
    // Sending the reply may have found that the client is gone.
    if (this.#state !== 'new') return;
    this.#state = 'attached';
    if (!this.#guard('onAttach', () => this.hooks.onAttach(this))) this.close();
  }

  #refuse(header: Header, error: unknown): void {
    const refusal = error instanceof ProtocolError ? error : undefined;
    const errno = refusal?.errno ?? EIO;
    const known = HANDLERS.has(header.command) || header.command === VFIO_USER.VERSION;
    const command = known ? commandName(header.command) : 'unknown command';
    const text = `${commandName(header.command)}: ${error instanceof Error ? error.message : String(error)}`;
    const cause = `${command} ${getSystemErrorName(-errno)}`;
    // Not the peer's fault: our own code failed, and the log must say where.
    if (refusal === undefined) this.#complaints.add(cause, text, { level: 'error', details: { err: error } });
    else this.#complaints.add(cause, text);
    this.#send(header, encodeError(header, errno), []);
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

function checkFds(message: Message, most: number): void {
  if (message.fds.length > most) {
    throw new ProtocolError(EINVAL, `${message.fds.length} descriptors: at most ${most} expected`);
  }
}
