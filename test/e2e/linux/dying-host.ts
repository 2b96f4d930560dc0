// A host in a process of its own, to be killed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';

const START_MS = 60_000;

export interface DyingHost {
  /** Of vm1. */
  readonly sockets: readonly string[];
  /** Ends it as nothing can be handled; resolves when it is gone. */
  kill(): Promise<void>;
  /** Removes what it leaves behind. */
  close(): Promise<void>;
}

/** `ptnet up` with that configuration, without run-dir. @param names of vm1's sockets. */
export async function dyingHost(yaml: string, names: readonly string[]): Promise<DyingHost> {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-dying-'));
  const runDir = join(folder, 'run');
  const file = join(folder, 'host.yaml');
  writeFileSync(file, `run-dir: ${runDir}\n${yaml}`);
  const main = join(projectRoot(), 'dist/backend/cli/main.js');
  const host = execa(process.execPath, [main, 'up', file], { reject: false, all: true });
  let printed = '';
  host.all.on('data', (bytes: Buffer) => {
    printed += bytes.toString();
  });
  const kill = async () => {
    host.kill('SIGKILL');
    await host;
  };
  const close = async () => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await expect.poll(() => printed, { timeout: START_MS }).toContain('The host is running');
  } catch (error) {
    await close();
    throw error;
  }
  return { sockets: names.map((name) => join(runDir, 'vm1', name)), kill, close };
}
