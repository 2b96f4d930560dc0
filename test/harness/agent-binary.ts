/** Builds the in-VM agent when it is missing or older than its sources. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { withLock } from '../../vm-images/lock.ts';
import { VmError } from './errors.ts';
import { projectRoot } from './paths.ts';

let built: Promise<string> | undefined;

async function build(): Promise<string> {
  const folder = join(projectRoot(), 'guest-driver', 'agent');
  const binary = join(folder, 'build', 'ptnet-agent');
  // make decides whether anything is to be done; two test runs at once must not write the same objects.
  await withLock(join(tmpdir(), `ptnetmap-agent-${process.getuid?.() ?? 0}.lock`), async () => {
    const result = await execa('make', ['-s', '-C', folder], { all: true, reject: false });
    if (result.failed) throw new VmError(`${folder}: the agent does not build:\n${result.all ?? ''}`);
  });
  if (!existsSync(binary)) throw new VmError(`${binary}: make did not create it`);
  return binary;
}

/** The path of the agent, built once per process. */
export function agentBinary(): Promise<string> {
  built ??= build();
  return built;
}
