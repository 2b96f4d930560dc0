// QEMU's monitor protocol, as far as it is needed to add devices to a VM that runs.
import { connect, type Socket } from 'node:net';
import { PtnetError } from '../errors.ts';

const ANSWER_MS = 30_000;
const LINE_BYTES_MAX = 2 ** 20;

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly QMP?: unknown;
}

export class Qmp {
  readonly #path: string;
  readonly #socket: Socket;
  readonly #replies: Reply[] = [];
  #failed: Error | undefined;
  #wake: () => void = () => {};
  #rest = '';

  private constructor(path: string, socket: Socket) {
    this.#path = path;
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#onData(text));
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#fail('QEMU has hung up'));
  }

  /** @throws PtnetError when nobody answers as QEMU does. */
  static async connect(path: string): Promise<Qmp> {
    const qmp = new Qmp(path, connect(path));
    const greeting = await qmp.#next();
    if (greeting.QMP === undefined) {
      qmp.close();
      throw new PtnetError(
        'ERR_QMP',
        `${path}: is no QMP socket: '-qmp unix:PATH,server=on,wait=off' would be right`,
      );
    }
    await qmp.execute('qmp_capabilities');
    return qmp;
  }

  /** @throws PtnetError with QEMU's own words. */
  async execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ execute: command, ...(args && { arguments: args }) })}\n`);
    const { error, return: result } = await this.#next();
    if (error) throw new PtnetError('ERR_QMP', `${this.#path}: ${command}: ${error.desc}`);
    return result;
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    if (this.#rest.length > LINE_BYTES_MAX) this.#fail('a line without end');
    for (const line of lines) {
      try {
        const reply = JSON.parse(line) as Reply & { event?: string };
        if (reply.event === undefined) this.#replies.push(reply);
      } catch {
        this.#fail('what it says is no JSON');
      }
    }
    this.#wake();
  }

  #fail(why: string): void {
    this.#failed ??= new PtnetError('ERR_QMP', `${this.#path}: ${why}`);
    this.#socket.destroy();
    this.#wake();
  }

  async #next(): Promise<Reply> {
    const timer = setTimeout(() => this.#fail('QEMU does not answer'), ANSWER_MS);
    try {
      while (this.#replies.length === 0) {
        if (this.#failed) throw this.#failed;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      return this.#replies.shift()!;
    } finally {
      clearTimeout(timer);
    }
  }
}
