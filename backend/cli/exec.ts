// `ptnet exec`: runs a program of this machine that gets a running host behind /dev/netmap.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type ExecOptions, execEnvironment } from '../applications/environment.ts';
import { PtnetError } from '../errors.ts';

const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
/** What a shell adds to a signal's number. */
const BY_SIGNAL = 128;

/** Resolves with its exit code, as a shell has it. @throws PtnetError when it cannot be started. */
export async function exec(program: string, args: readonly string[], options: ExecOptions): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit', env: execEnvironment(options, process.env) });
  // The terminal sends these to the program too, which decides.
  const ignore = () => {};
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, ignore);
  for (const signal of FORWARDED) process.on(signal, forward);
  try {
    return await new Promise((done, fail) => {
      child.on('error', (error) =>
        fail(new PtnetError('ERR_EXEC', `${program}: ${error.message}`, { cause: error })),
      );
      child.on('exit', (code, signal) => done(code ?? BY_SIGNAL + constants.signals[signal!]));
    });
  } finally {
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.off(signal, ignore);
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}
