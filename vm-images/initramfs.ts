/** Builds the initramfs of a test VM: its /init, mostly the agent, and the few nodes that it needs before it mounts anything. */
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type CpioEntry, writeCpio } from './cpio.ts';

const MOUNT_POINTS = ['dev', 'proc', 'sys', 'run', 'tmp'];

/** The kernel opens /dev/console as descriptors 0 to 2 of /init before anything is mounted. */
const CONSOLE: CpioEntry = { path: 'dev/console', kind: 'character device', mode: 0o600, major: 5, minor: 1 };

/** The entries of an initramfs whose /init is `init`: a statically linked program, or a script for one of `more`. */
export function initramfsEntries(init: Uint8Array, more: readonly CpioEntry[] = []): CpioEntry[] {
  return [
    ...MOUNT_POINTS.map((path): CpioEntry => ({ path, kind: 'directory' })),
    CONSOLE,
    { path: 'init', kind: 'file', mode: 0o755, data: init },
    ...more,
  ];
}

/** Writes a gzip-compressed initramfs with these entries to `out`. */
export async function writeInitramfs(entries: readonly CpioEntry[], out: string): Promise<void> {
  await writeFile(out, await promisify(gzip)(writeCpio(entries), { level: 1 }));
}

/** Writes a gzip-compressed initramfs to `out`, with the program at `agentPath` as /init. */
export async function buildInitramfs(agentPath: string, out: string): Promise<void> {
  await writeInitramfs(initramfsEntries(await readFile(agentPath)), out);
}
