/** Which QEMUs this machine has already, and whether they speak vfio-user; nothing is fetched. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { QEMU } from './artifacts.ts';
import { artifactFolder } from './cache.ts';
import { probe, unpackedQemu } from './fetch.ts';

const PROGRAM = 'qemu-system-x86_64';

export interface InstalledQemu {
  /** `path`: where a shell finds it; `cache`: Debian's, unpacked into the cache. */
  readonly from: 'path' | 'cache';
  /** The program to spawn, and what comes before QEMU's own arguments. */
  readonly binary: string;
  readonly argsPrefix: readonly string[];
  /** Of one that will do. */
  readonly version?: string;
  /** Why it will not do; undefined: it will. */
  readonly why?: string;
}

function inPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

export async function installedQemus(): Promise<InstalledQemu[]> {
  const found: InstalledQemu[] = [];
  const system = inPath(PROGRAM);
  if (system !== undefined)
    found.push({ from: 'path', binary: system, argsPrefix: [], ...(await probe(system, [])) });
  const root = artifactFolder(QEMU);
  if (existsSync(root)) {
    const command = unpackedQemu(root);
    found.push({ from: 'cache', ...command, ...(await probe(command.binary, command.argsPrefix)) });
  }
  return found;
}
