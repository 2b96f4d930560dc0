// Starts guests as child processes and reads what they report.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { packageRoot } from '../../native/load.ts';
import { GuestError } from './errors.ts';
import type { ApplicationJob, DuoJob, GuestJob, JobLine, JobReady, JobResult } from './job.ts';

export interface SpawnedGuest {
  readonly pid: number;
  /** Resolves once the ports are created. */
  readonly ready: Promise<JobReady>;
  /** Resolves when the loops run, or have ended without. */
  readonly began: Promise<void>;
  /** One result per loop, when the process has ended: its devices are another one's to have. Rejects when the guest failed or died before it had any. */
  readonly done: Promise<JobResult[]>;
  /** Last reported, one per loop. */
  readonly progress: { sent: number; received: number }[];
  /** Starts the loops of a job with `hold`. */
  go(): void;
  /** Ends the loops; `done` has what they did until then. */
  stop(): void;
  kill(signal?: NodeJS.Signals): void;
}

interface Outcome<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function outcome<T>(): Outcome<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // A caller may look at only one of ready and done.
  promise.catch(() => {});
  return { promise, resolve, reject };
}

export interface SpawnOptions {
  /** The guest stays on it, as a virtual CPU that is pinned would. */
  readonly cpu?: number;
  /** Beside our own environment. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a guest process; it ends with its loops, with us, or with stop() or kill(). */
export function spawnGuest(
  job: GuestJob | DuoJob | ApplicationJob,
  { cpu, env = {} }: SpawnOptions = {},
): SpawnedGuest {
  const main = join(packageRoot(), 'dist', 'guest-driver', 'model', 'main.js');
  if (!existsSync(main)) throw new GuestError(`${main}: not built: run 'npm run build'`);
  const command = [process.execPath, main, JSON.stringify(job)];
  const [program, ...args] = cpu === undefined ? command : ['taskset', '--cpu-list', `${cpu}`, ...command];
  const child = execa(program!, args, {
    env,
    stdin: 'pipe',
    stderr: 'inherit',
    buffer: false,
    reject: false,
  });
  // The child may be gone before it reads an order.
  child.stdin.on('error', () => {});
  const ready = outcome<JobReady>();
  const began = outcome<void>();
  const done = outcome<JobResult[]>();
  const progress: { sent: number; received: number }[] = [];
  let results: JobResult[] | undefined;
  const onLine = (line: JobLine) => {
    if ('ready' in line) ready.resolve(line.ready);
    else if ('progress' in line) {
      progress.splice(0, progress.length, ...line.progress);
      began.resolve();
    } else if ('results' in line) results = line.results;
    else fail(new GuestError(line.error));
  };
  const fail = (error: Error) => {
    ready.reject(error);
    done.reject(error);
  };
  const read = async () => {
    for await (const line of child.iterable()) onLine(JSON.parse(line) as JobLine);
    const { exitCode, signal } = await child;
    if (results) return done.resolve(results);
    fail(
      new GuestError(
        `guest process ${child.pid}: ended (${signal ?? `exit code ${exitCode}`}) without a result`,
      ),
    );
  };
  read()
    .catch(fail)
    .finally(() => began.resolve());
  return {
    pid: child.pid!,
    ready: ready.promise,
    began: began.promise,
    done: done.promise,
    progress,
    go: () => child.stdin.write('go\n'),
    stop: () => child.stdin.write('stop\n'),
    kill: (signal = 'SIGKILL') => child.kill(signal),
  };
}
