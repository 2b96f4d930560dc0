/** Runs commands in a Linux guest over a virtio-serial port: a request is a line and its input, an answer a line and its output. */
import type { Socket } from 'node:net';
import { VmError } from '../../vm-images/machine/errors.ts';

const READY = 'READY\n';

export interface ShellResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

interface Running {
  readonly resolve: (result: ShellResult) => void;
  readonly reject: (error: Error) => void;
}

/** The numbers of an answer's line, or undefined while it is not whole. */
function headerOf(bytes: Buffer): { numbers: number[]; length: number } | undefined {
  const end = bytes.indexOf('\n');
  if (end < 0) return undefined;
  return { numbers: bytes.subarray(0, end).toString().split(' ').map(Number), length: end + 1 };
}

/** One port: it runs one command at a time. A guest that starts again greets again, and what ran there then fails. */
export class GuestShell {
  readonly #socket: Socket;
  readonly #vm: string;
  #bytes = Buffer.alloc(0);
  #running: Running | undefined;
  #greeted: Promise<void>;
  #greet: () => void = () => {};
  #dead: Error | undefined;
  #awaiting = true;

  constructor(vm: string, socket: Socket) {
    this.#vm = vm;
    this.#socket = socket;
    this.#greeted = this.#awaitGreeting();
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', () => {});
    socket.on('close', () => this.fail(new VmError(`${vm}: the shell's connection was closed`)));
  }

  /** Resolves when the guest's end is there. */
  async ready(): Promise<void> {
    await this.#greeted;
    if (this.#dead) throw this.#dead;
  }

  /** From now on the guest is expected to greet again. */
  restart(): void {
    this.#greeted = this.#awaitGreeting();
  }

  async run(command: string, input: Uint8Array = new Uint8Array()): Promise<ShellResult> {
    if (this.#running) throw new VmError(`${this.#vm}: a shell runs one command at a time`);
    return await new Promise<ShellResult>((resolve, reject) => {
      this.#running = { resolve, reject };
      if (this.#dead) {
        this.fail(this.#dead);
        return;
      }
      this.#socket.write(`${Buffer.from(command).toString('base64')} ${input.length}\n`);
      if (input.length > 0) this.#socket.write(input);
    });
  }

  /** Ends what runs, and all that comes later, with `error`. */
  fail(error: Error): void {
    this.#dead ??= error;
    this.#greet();
    this.#end(error);
  }

  #awaitGreeting(): Promise<void> {
    this.#awaiting = true;
    return new Promise<void>((resolve) => {
      this.#greet = resolve;
    });
  }

  #end(error: Error): void {
    const running = this.#running;
    this.#running = undefined;
    running?.reject(error);
  }

  /** What came before a greeting is of a guest that is no more. */
  #greeting(): void {
    const at = this.#bytes.indexOf(READY);
    if (at < 0) return;
    this.#bytes = this.#bytes.subarray(at + READY.length);
    this.#awaiting = false;
    this.#end(new VmError(`${this.#vm}: the guest has restarted`));
    this.#greet();
  }

  #receive(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    if (this.#awaiting || this.#bytes.indexOf(READY) === 0) this.#greeting();
    const header = headerOf(this.#bytes);
    if (!this.#running || !header) return;
    const [code = -1, out = 0, err = 0] = header.numbers;
    const rest = this.#bytes.subarray(header.length);
    if (rest.length < out + err) return;
    this.#bytes = rest.subarray(out + err);
    const { resolve } = this.#running;
    this.#running = undefined;
    resolve({ code, stdout: rest.subarray(0, out), stderr: rest.subarray(out, out + err) });
  }
}
