/** The cache of unpacked artifacts: filled by one process at a time, checked against a manifest before each use. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { downloadPackages } from './apt.ts';
import type { Artifact } from './artifacts.ts';
import { ArtifactError } from './errors.ts';
import { withLock } from './lock.ts';
import { findDamage, listFiles, sha256, writeManifest } from './manifest.ts';
import { progress } from './progress.ts';

/** Where artifacts are kept: `$PTNET_CACHE` or ~/.cache/ptnetmap. */
export function cacheRoot(): string {
  return process.env.PTNET_CACHE || join(homedir(), '.cache', 'ptnetmap');
}

/** A description that changes gets a folder of its own; what an older one left is not mistaken for it. */
export function artifactFolder(artifact: Artifact, root = cacheRoot()): string {
  const description = JSON.stringify({ ...artifact, keep: artifact.keep.map((pattern) => pattern.source) });
  return join(
    root,
    `${artifact.name}-${createHash('sha256').update(description).digest('hex').slice(0, 12)}`,
  );
}

/** bookworm's packages have files outside usr/ that later ones have in there; systems have links from one to the other. */
const merged = (file: string): string => file.replace(/^(s?bin|lib\w*)\//, 'usr/$1/');

/** Unpacks the packages into `scratch` and moves what the artifact wants of them into `into`. */
async function unpack(artifact: Artifact, debs: string[], scratch: string, into: string): Promise<void> {
  for (const deb of debs) await execa('dpkg-deb', ['-x', deb, scratch]);
  for (const file of await listFiles(scratch)) {
    const path = merged(file);
    if (!artifact.keep.some((pattern) => pattern.test(path))) continue;
    await mkdir(dirname(join(into, path)), { recursive: true });
    await rename(join(scratch, file), join(into, path));
  }
  const packages: Record<string, string> = {};
  for (const deb of debs) packages[basename(deb)] = await sha256(deb);
  await writeManifest(into, packages);
}

/** Fetches an artifact into a folder beside its final one, then puts it in place with one rename. */
async function fill(artifact: Artifact, folder: string): Promise<void> {
  const build = await mkdtemp(`${folder}.build-`);
  try {
    progress(`fetching ${artifact.packages.join(', ')} of Debian ${artifact.suite} into ${folder}`);
    const debs = await downloadPackages(join(build, 'apt'), artifact);
    progress(`unpacking ${debs.length} ${debs.length === 1 ? 'package' : 'packages'}`);
    const tree = join(build, 'tree');
    await mkdir(tree);
    await unpack(artifact, debs, join(build, 'scratch'), tree);
    await rm(folder, { recursive: true, force: true });
    await rename(tree, folder);
  } finally {
    await rm(build, { recursive: true, force: true });
  }
}

/** The folder with the artifact, complete and undamaged; fetched when it is not there. */
export async function ensureArtifact(artifact: Artifact, fetch = fill): Promise<string> {
  const folder = artifactFolder(artifact);
  if ((await findDamage(folder)) === undefined) return folder;
  await withLock(join(cacheRoot(), 'lock'), async () => {
    // Another process may have filled it while this one waited for the lock.
    const damage = await findDamage(folder);
    if (damage === undefined) return;
    if ((await listFiles(folder).catch(() => [])).length > 0) {
      progress(`${folder}: ${damage}: fetching it again`);
    }
    await fetch(artifact, folder);
  });
  const damage = await findDamage(folder);
  if (damage !== undefined) throw new ArtifactError(`${folder}: ${damage} right after it was fetched`);
  return folder;
}
