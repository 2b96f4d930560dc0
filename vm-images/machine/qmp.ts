/** A client of QMP, QEMU's control protocol: one JSON object a line, commands with ids, events in between. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { QmpError, VmError } from './errors.ts';

const COMMAND_TIMEOUT_MS = 30_000;
/** Events that nobody has waited for yet; the oldest are forgotten. */
const EVENTS_KEPT = 1000;

export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface Message extends Partial<QmpEvent> {
  readonly QMP?: unknown;
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { class: string; desc: string };
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Qmp {
  readonly #socket: Socket;
  readonly #record: (line: string) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #events: QmpEvent[] = [];
  #greeted: (() => void) | undefined;
  #nextId = 1;
  #rest = '';
  #closed: Error | undefined;

  private constructor(socket: Socket, record: (line: string) => void) {
    this.#socket = socket;
    this.#record = record;
    socket.setEncoding('utf8');
    socket.on('data', (text) => this.#receive(String(text)));
    socket.on('error', (error) => this.#close(new VmError(`QMP: ${error.message}`)));
    socket.on('close', () => this.#close(new VmError('QMP: QEMU closed the connection')));
  }

  /** Waits for QEMU's greeting and leaves negotiation mode. */
  static async open(socket: Socket, record: (line: string) => void = () => {}): Promise<Qmp> {
    const qmp = new Qmp(socket, record);
    await qmp.#expect('greeting', COMMAND_TIMEOUT_MS, ({ resolve, reject }) => {
      qmp.#greeted = () => resolve(undefined);
      qmp.#pending.set(0, { resolve, reject });
    });
    qmp.#pending.delete(0);
    await qmp.command('qmp_capabilities');
    return qmp;
  }

  /** Resolves with the command's `return`; rejects with a QmpError when QEMU refuses it. */
  command(
    name: string,
    args?: Readonly<Record<string, unknown>>,
    options: { timeoutMs?: number } = {},
  ): Promise<unknown> {
    const id = this.#nextId++;
    return this.#expect(name, options.timeoutMs ?? COMMAND_TIMEOUT_MS, ({ resolve, reject }) => {
      this.#pending.set(id, {
        resolve: (message) => {
          const { error, return: value } = message as Message;
          if (error) reject(new QmpError(name, error));
          else resolve(value);
        },
        reject,
      });
      if (this.#closed) reject(this.#closed);
      else this.#send({ execute: name, ...(args && { arguments: args }), id });
    }).finally(() => this.#pending.delete(id));
  }

  /** Resolves with the first event of this name that `matches`, counting those that came already. */
  waitForEvent(
    name: string,
    matches: (event: QmpEvent) => boolean = () => true,
    options: { timeoutMs?: number } = {},
  ): Promise<QmpEvent> {
    const wanted = (event: QmpEvent) => event.event === name && matches(event);
    const seen = this.#events.findIndex(wanted);
    if (seen >= 0) return Promise.resolve(this.#events.splice(seen, 1)[0]!);
    let listener: (event: QmpEvent) => void;
    return this.#expect(`event ${name}`, options.timeoutMs ?? COMMAND_TIMEOUT_MS, ({ resolve, reject }) => {
      const id = this.#nextId++;
      listener = (event) => {
        if (!wanted(event)) return;
        this.#pending.delete(id);
        // Another wait may have taken the same event already.
        const at = this.#events.indexOf(event);
        if (at >= 0) this.#events.splice(at, 1);
        resolve(event);
      };
      this.#listeners.add(listener);
      this.#pending.set(id, { resolve, reject });
      if (this.#closed) reject(this.#closed);
    }).finally(() => this.#listeners.delete(listener)) as Promise<QmpEvent>;
  }

  close(): void {
    this.#socket.destroy();
  }

  #expect(what: string, timeoutMs: number, start: (pending: Pending) => void): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    return new Promise<unknown>((resolve, reject) => {
      timer = setTimeout(() => reject(new VmError(`QMP ${what}: no answer in ${timeoutMs} ms`)), timeoutMs);
      start({ resolve, reject });
    }).finally(() => clearTimeout(timer));
  }

  #send(message: object): void {
    const line = JSON.stringify(message);
    this.#record(`> ${line}`);
    this.#socket.write(`${line}\r\n`);
  }

  #receive(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines.filter((candidate) => candidate.trim() !== '')) {
      this.#record(`< ${line.trim()}`);
      try {
        this.#dispatch(JSON.parse(line) as Message);
      } catch (cause) {
        this.#close(new VmError(`QMP: not a JSON object: ${line.trim()}`, { cause }));
        this.#socket.destroy();
      }
    }
  }

  #dispatch(message: Message): void {
    if (message.QMP !== undefined) this.#greeted?.();
    else if (message.event !== undefined) {
      const event = message as QmpEvent;
      this.#events.push(event);
      if (this.#events.length > EVENTS_KEPT) this.#events.shift();
      for (const listener of [...this.#listeners]) listener(event);
    } else if (message.id !== undefined) this.#pending.get(message.id)?.resolve(message);
    // A parse error has no id: it can only answer the oldest command.
    else this.#pending.values().next().value?.resolve(message);
  }

  #close(error: Error): void {
    this.#closed ??= error;
    for (const pending of [...this.#pending.values()]) pending.reject(error);
  }
}

/** Listens on a Unix socket for the one connection that QEMU makes: no file to poll for, no race with its start. */
export class QmpListener {
  readonly #server: Server;
  readonly #socket: Promise<[Socket]>;

  private constructor(server: Server) {
    this.#server = server;
    this.#socket = once(server, 'connection') as Promise<[Socket]>;
    // close() before a connection leaves this pending; an error is reported by accept().
    this.#socket.catch(() => {});
  }

  static async listen(path: string): Promise<QmpListener> {
    const server = createServer();
    const listener = new QmpListener(server);
    server.listen(path);
    await once(server, 'listening');
    return listener;
  }

  async accept(record?: (line: string) => void): Promise<Qmp> {
    const [socket] = await this.#socket;
    this.#server.close();
    return await Qmp.open(socket, record);
  }

  close(): void {
    this.#server.close();
  }
}
