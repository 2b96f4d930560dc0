/** Builds the in-VM agent when it is missing or older than its sources. */
import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { packageRoot } from '../../native/load.ts';
import { cacheRoot } from '../cache.ts';
import { withLock } from '../lock.ts';
import { VmError } from './errors.ts';

let built: Promise<string> | undefined;

/** Beside the sources, or in the cache where a package is installed for everybody and this user may not write there. */
async function buildFolder(folder: string): Promise<string> {
  try {
    await access(folder, constants.W_OK);
    return join(folder, 'build');
  } catch {
    return join(cacheRoot(), 'agent');
  }
}

async function build(): Promise<string> {
  const folder = join(packageRoot(), 'guest-driver', 'agent');
  const out = await buildFolder(folder);
  const binary = join(out, 'ptnet-agent');
  // make decides whether anything is to be done; two processes at once must not write the same objects.
  await withLock(join(tmpdir(), `ptnetmap-agent-${process.getuid?.() ?? 0}.lock`), async () => {
    const result = await execa('make', ['-s', '-C', folder, `BUILD=${out}`], { all: true, reject: false });
    if (result.failed)
      throw new VmError(`${folder}: the agent does not build:\n${result.all || result.shortMessage}`);
  });
  if (!existsSync(binary)) throw new VmError(`${binary}: make did not create it`);
  return binary;
}

/** The path of the agent, built once per process. */
export function agentBinary(): Promise<string> {
  built ??= build();
  return built;
}
