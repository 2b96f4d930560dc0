// What the commands need of the process that they run in; tests give them another one.
import { readFileSync } from 'node:fs';

/** Exit codes: what the user has to change is told from what went wrong on the way. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

export interface Io {
  /** Results: what another program may read. */
  out(text: string): void;
  /** Everything that is said to people beside the results. */
  err(text: string): void;
  /** Where results go, if that is a terminal. */
  readonly terminal?: Terminal;
  /** Resolves when somebody asks the process to end. */
  untilStopped(): Promise<void>;
}

export interface Terminal {
  /** As it is now. */
  readonly columns: number;
  readonly rows: number;
  readonly stream: NodeJS.WritableStream;
}

export interface ProcessIo extends Io {
  /** Waits for what has been printed; `code`, or that of a failure when stdout has not taken all of it. */
  exitCode(code: number): Promise<number>;
}

/** The real process. A second signal ends it at once, by the signal's own default. */
export function processIo(): ProcessIo {
  let failure: Error | undefined;
  let gone = false;
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', ...(outlivesTerminal() ? [] : ['SIGHUP' as const])] as const)
      onceAsked(signal, resolve);
    process.stdout.on('error', (error: Error & { code?: string }) => {
      // A reader of the results that goes away (`| head`) is as good as a signal.
      if (error.code === 'EPIPE') {
        gone = true;
        resolve();
      } else if (failure === undefined && !gone) {
        // A full disk is no reason to take its network from a VM: what runs goes on, and says so.
        failure = error;
        process.stderr.write(`ptnet: stdout: ${error.message}: what follows is lost\n`);
      }
    });
    process.stderr.on('error', () => {});
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    ...(process.stdout.isTTY && { terminal: processTerminal() }),
    untilStopped: () => stopped,
    exitCode: async (code) => {
      await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
      await new Promise((resolve) => setImmediate(resolve));
      return failure === undefined ? code : code || EXIT_FAILED;
    },
  };
}

function processTerminal(): Terminal {
  const { stdout } = process;
  return {
    get columns() {
      return stdout.columns;
    },
    get rows() {
      return stdout.rows;
    },
    stream: stdout,
  };
}

/** Whether who has started it wants it to go on when the terminal is closed, as nohup does: SIGHUP, the first signal, is ignored. */
function outlivesTerminal(): boolean {
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${ignored}`) & 1n) === 1n;
}

/** Stays on, not once: whoever ends child processes at a signal would then take the signal's default, before all is cleaned up. */
function onceAsked(signal: NodeJS.Signals, asked: () => void): void {
  let before = false;
  process.on(signal, () => {
    if (before) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
    before = true;
    asked();
  });
}
