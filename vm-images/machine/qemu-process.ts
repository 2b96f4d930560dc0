/** One running QEMU: spawned so that it cannot outlive this process, and killed only by its own pid. */
import type { Readable, Writable } from 'node:stream';
import { execa, type ResultPromise } from 'execa';
import type { Qemu } from '../fetch.ts';
import { VmError } from './errors.ts';
import type { Logs } from './logs.ts';

const OPTIONS = {
  stdin: 'pipe',
  stdout: 'pipe',
  stderr: 'pipe',
  buffer: false,
  reject: false,
  cleanup: true,
} as const;
const STDERR_KEPT = 4000;

export interface Exit {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

export class QemuProcess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly exited: Promise<Exit>;
  readonly #child: ResultPromise<typeof OPTIONS>;
  #stderr = '';
  #running = true;

  private constructor(child: ResultPromise<typeof OPTIONS>, pid: number, logs: Logs) {
    this.#child = child;
    this.pid = pid;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    child.stderr.on('data', (bytes: Buffer) => {
      logs.append('qemu.log', bytes);
      this.#stderr = (this.#stderr + bytes.toString()).slice(-STDERR_KEPT);
    });
    this.exited = child.then((result) => {
      this.#running = false;
      return { exitCode: result.exitCode, signal: result.signal };
    });
  }

  /**
   * setpriv has the kernel kill QEMU when this process dies in a way that runs no handler (SIGKILL);
   * execa's `cleanup` covers all others. setpriv becomes QEMU: the pid is QEMU's own.
   * @param within a command that becomes QEMU in the same way.
   */
  static spawn(qemu: Qemu, args: readonly string[], logs: Logs, within: readonly string[] = []): QemuProcess {
    const program = [qemu.binary, ...qemu.argsPrefix, ...args];
    const command = ['setpriv', '--pdeathsig', 'KILL', '--', ...within, ...program];
    logs.writeCommand(command.slice(4));
    const child = execa(command[0]!, command.slice(1), OPTIONS);
    if (child.pid === undefined) throw new VmError('setpriv: cannot be started: install util-linux');
    return new QemuProcess(child, child.pid, logs);
  }

  kill(signal: NodeJS.Signals): void {
    // The pid of a process that has ended may be another's by now.
    if (this.#running) this.#child.kill(signal);
  }

  /** How it ended and what it said last. */
  describe(exit: Exit): string {
    const how = exit.signal === undefined ? `exit code ${exit.exitCode}` : exit.signal;
    const said = this.#stderr.trim();
    return `QEMU ended with ${how}${said === '' ? '' : `: ${said}`}`;
  }
}
