// `ptnet up --guard`: this process becomes the guard, which starts the host and starts it again with what it has stored when it dies.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { handover } from '../../native/handover.ts';
import { packageRoot } from '../../native/load.ts';
import { PtnetError } from '../errors.ts';

const PROGRAM = join(packageRoot(), 'native', 'guard', 'build', 'ptnet-guard');

/** After so long of service the process is started that goes on next: not while others are busy with a host that has come back. */
const SPARE_MS = 1000;

/** @throws PtnetError when it cannot; else it does not return. */
export function becomeGuard(): never {
  const [entry, ...args] = process.argv.slice(1);
  const host = [
    process.execPath,
    ...process.execArgv,
    entry!,
    ...args.map((arg) => (arg === '--guard' ? '--keep' : arg)),
  ];
  // It goes with the guard.
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-guard-'));
  try {
    const options = ['--spare-ms', String(SPARE_MS)];
    return handover.becomeProgram(PROGRAM, [...options, join(folder, 'notify'), ...host]);
  } catch (error) {
    throw new PtnetError('ERR_GUARD', `--guard: ${(error as Error).message}: 'npm run build' would make it`, {
      cause: error,
    });
  }
}
