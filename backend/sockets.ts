// Where the sockets of devices lie, and making sure that nobody else serves them.
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Channel } from '../native/os.ts';
import { ConfigurationError } from './errors.ts';

export function socketPath(runDir: string, vm: string, device: string): string {
  return join(runDir, vm, `${device}.sock`);
}

/**
 * Makes the folder, and removes what an earlier host left at `path`.
 * @throws ConfigurationError when a host is listening there now, or something else than a socket is in the way.
 */
export function claimSocket(path: string): void {
  try {
    makeFolder(dirname(path));
  } catch (error) {
    throw new ConfigurationError(`run-dir: ${(error as Error).message}`, { cause: error });
  }
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isSocket())
    throw new ConfigurationError(`${path}: not a socket: remove it, or choose another run-dir`);
  if (isServed(path))
    throw new ConfigurationError(`${path}: served by another host: stop it, or choose another run-dir`);
  rmSync(path);
}

/** Not mkdirSync's own recursion: it never ends where a file system refuses folders with ENOENT, as /proc does. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    makeFolder(dirname(folder));
    mkdirSync(folder, { mode: 0o700 });
  }
}

function isServed(path: string): boolean {
  try {
    Channel.connect(path).close();
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== 'ECONNREFUSED';
  }
}
