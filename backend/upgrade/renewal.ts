// A host that somebody manages (systemd, the guard), who would take its end for the service's: it starts the process itself that goes on in its place.
import type { ChildProcess } from 'node:child_process';
import { VERSION } from '../version.ts';
import type { Wire } from './wire.ts';

/** For the new process to load, to take everything over, and to serve. */
const PATIENCE_MS = 30_000;

export interface Manager {
  /** Starts the process that is to go on in the place of the host with this run-dir. */
  start(runDir: string): ChildProcess;
  /** That process is the host from now on. @returns whether it is known that it was heard. @throws Error when it was not */
  succeed(pid: number): boolean;
  /** Its death would have another process go on: it must be known before it serves which one that is. */
  readonly keeps: boolean;
}

/** One that is under way: whoever has asked for it waits to hear how it ends. */
export class Renewal {
  readonly #asker: Wire;
  readonly #child: ChildProcess;
  readonly #timer: NodeJS.Timeout;
  #why = '';
  #over = false;

  /** @param ended hears, once, that it has come to nothing, and why. */
  constructor(asker: Wire, child: ChildProcess, ended: (why: string) => void, patienceMs = PATIENCE_MS) {
    this.#asker = asker;
    this.#child = child;
    const fail = (why: string) => {
      if (this.#over) return;
      this.#tell({ kind: 'failed', why: this.#why === '' ? why : this.#why });
      ended(this.#why === '' ? why : this.#why);
    };
    this.#timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`the new process did not serve within ${patienceMs / 1000} s, and was ended`);
    }, patienceMs);
    child.on('error', (error) => fail(`the new process could not be started: ${error.message}`));
    child.on('exit', (code, signal) =>
      fail(
        `the new process ended: ${signal ?? `exit code ${code}`}: what it has said is where this host's output goes`,
      ),
    );
    this.#send({ kind: 'renewing', pid: this.pid });
  }

  /** 0: it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Why the process is about to end. */
  because(why: string): void {
    this.#why ||= why;
  }

  succeeded(): void {
    this.#tell({ kind: 'renewed', pid: this.pid, version: VERSION });
  }

  /** The host ends in the middle of it. */
  close(): void {
    if (this.#over) return;
    this.#child.kill('SIGKILL');
    this.#tell({ kind: 'failed', why: 'the host ended' });
  }

  #tell(message: Parameters<Wire['send']>[0]): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#send(message);
    this.#asker.close();
  }

  #send(message: Parameters<Wire['send']>[0]): void {
    try {
      this.#asker.send(message);
    } catch {
      // Whoever has asked has gone, which changes nothing.
    }
  }
}
