// A QEMU that has this process's terminal, and does not outlive it.
import { execa } from 'execa';
import { PtnetError } from '../errors.ts';
import type { Io } from './io.ts';

export interface QemuExit {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** It was told to end. */
  readonly asked: boolean;
}

/**
 * Runs it until it ends; when this process is asked to end, QEMU is, in the way in which it ends properly.
 * setpriv has the kernel kill it when this process goes without a word, and becomes QEMU: what it says is on stderr.
 */
export async function runQemu(command: readonly string[], io: Pick<Io, 'untilStopped'>): Promise<QemuExit> {
  const args = ['--pdeathsig', 'KILL', '--', ...command];
  const child = execa('setpriv', args, { stdio: 'inherit', reject: false, cleanup: false });
  let asked = false;
  let running = true;
  void io.untilStopped().then(() => {
    asked = true;
    // The number of a process that has ended may be another's by now.
    if (running) child.kill('SIGTERM');
  });
  const { exitCode, signal, code } = await child;
  running = false;
  if (code === 'ENOENT')
    throw new PtnetError('ERR_NO_SETPRIV', 'setpriv: not found: install util-linux', { cause: code });
  return { exitCode, signal, asked };
}
