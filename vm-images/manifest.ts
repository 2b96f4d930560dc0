/** The list of what was unpacked into a cache folder, with checksums, so that a damaged cache is noticed. */
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArtifactError } from './errors.ts';

const MANIFEST = 'manifest.json';

export interface Manifest {
  /** The Debian packages, by file name, and the SHA-256 of each: what apt had verified. */
  readonly packages: Readonly<Record<string, string>>;
  /** Every file by path: its SHA-256, or for a symbolic link '-> target'. */
  readonly files: Readonly<Record<string, string>>;
}

export async function sha256(path: string): Promise<string> {
  // Not by a stream: most files are small, and there are thousands of them.
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Paths of all that is not a directory below `root`, relative to it, sorted. */
export async function listFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

async function fingerprint(path: string): Promise<string> {
  return (await lstat(path)).isSymbolicLink() ? `-> ${await readlink(path)}` : await sha256(path);
}

/** Files that are read at once. */
const BATCH = 32;

/** Each file with what it is now; undefined where it cannot be read. */
async function* fingerprints(
  root: string,
  files: readonly string[],
): AsyncGenerator<readonly [file: string, found: string | undefined]> {
  for (let at = 0; at < files.length; at += BATCH) {
    const batch = files.slice(at, at + BATCH);
    const found = await Promise.all(
      batch.map((file) => fingerprint(join(root, file)).catch(() => undefined)),
    );
    for (const [i, file] of batch.entries()) yield [file, found[i]];
  }
}

/** Writes the manifest of everything below `root`. */
export async function writeManifest(root: string, packages: Record<string, string>): Promise<void> {
  const files: Record<string, string> = {};
  for await (const [file, found] of fingerprints(root, await listFiles(root))) {
    if (found === undefined) throw new ArtifactError(`${join(root, file)}: cannot be read`);
    files[file] = found;
  }
  const manifest: Manifest = { packages, files };
  await writeFile(join(root, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
}

/** Says what is wrong with the folder, or undefined when every file is what the manifest says. */
export async function findDamage(root: string): Promise<string | undefined> {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(await readFile(join(root, MANIFEST), 'utf8')) as Manifest;
    if (typeof manifest.files !== 'object' || Object.keys(manifest.files).length === 0)
      throw new Error('no files');
  } catch {
    return `${MANIFEST} cannot be read`;
  }
  for await (const [file, found] of fingerprints(root, Object.keys(manifest.files))) {
    if (found === undefined) return `${file} is missing`;
    if (found !== manifest.files[file]) return `${file} was changed`;
  }
  return undefined;
}
