/** The programs of a Linux guest, unpacked from Debian's packages: for its image, and to be run on the machine itself. */
import { lstat, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { USERLAND } from './artifacts.ts';
import { ensureArtifact } from './cache.ts';
import type { CpioEntry } from './cpio.ts';
import { listFiles } from './manifest.ts';

/** The path of the dynamic loader, relative to the root. */
export const LOADER = 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2';
const LIBRARIES = 'usr/lib/x86_64-linux-gnu';

/** How a program of the unpacked userland is run on the machine itself: a command and what comes before its arguments. */
export async function userlandCommand(program: string): Promise<[string, ...string[]]> {
  const root = await ensureArtifact(USERLAND);
  return [join(root, LOADER), '--library-path', join(root, LIBRARIES), join(root, program)];
}

/** The C library loads it when a thread is cancelled. */
const LOADED_LATER = ['libgcc_s.so.1'];

/** Paths, relative to the userland's root, of the libraries that its programs load. */
async function librariesOf(root: string, programs: readonly string[]): Promise<string[]> {
  const found = new Set(LOADED_LATER);
  for (const program of programs) {
    const list = ['--library-path', join(root, LIBRARIES), '--list', join(root, program)];
    const { stdout } = await execa(join(root, LOADER), list);
    for (const [path] of stdout.matchAll(/\/\S+\.so\S*/g)) found.add(basename(path));
  }
  return [...found].sort().map((name) => join(LIBRARIES, name));
}

/** What lies at `from`, to be at `path`; a symbolic link as what it points at if `follow`. */
export async function entryOf(from: string, path: string, follow: boolean): Promise<CpioEntry> {
  const status = await lstat(from);
  if (status.isSymbolicLink() && !follow) {
    return { path, kind: 'symlink', target: await readlink(from) };
  }
  return { path, kind: 'file', mode: 0o755, data: await readFile(from) };
}

/** The programs of the userland and the libraries that they load. */
export async function programEntries(): Promise<CpioEntry[]> {
  const root = await ensureArtifact(USERLAND);
  const programs = (await listFiles(root)).filter((file) => /^usr\/s?bin\//.test(file));
  const linked: string[] = [];
  for (const program of programs) {
    const isLink = (await lstat(join(root, program))).isSymbolicLink();
    if (!isLink && basename(program) !== 'busybox') linked.push(program);
  }
  const libraries = await librariesOf(root, linked);
  return await Promise.all([
    ...programs.map((file) => entryOf(join(root, file), file, false)),
    ...libraries.map((file) => entryOf(join(root, file), file, true)),
  ]);
}
