/** The cache: checked before use, filled once, rebuilt when damaged, locked between processes. */
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Artifact } from '../../../vm-images/artifacts.ts';
import { artifactFolder, cacheRoot, ensureArtifact } from '../../../vm-images/cache.ts';
import { withLock } from '../../../vm-images/lock.ts';
import { findDamage, writeManifest } from '../../../vm-images/manifest.ts';

const ARTIFACT: Artifact = {
  name: 'thing',
  suite: 'sid',
  packages: ['thing'],
  dependencies: 'all',
  keep: [/^bin/],
};

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'ptnet-cache-'));
  vi.stubEnv('PTNET_CACHE', root);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

/** Stands in for apt. */
const fetchThing = vi.fn(async (_artifact: Artifact, folder: string) => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, 'bin'), { recursive: true });
  await writeFile(join(folder, 'bin', 'thing'), 'contents');
  await symlink('thing', join(folder, 'bin', 'alias'));
  await writeManifest(folder, { 'thing_1_amd64.deb': 'ab' });
});
beforeEach(() => {
  fetchThing.mockClear();
});

test('an artifact is fetched once and then found', async () => {
  const folder = await ensureArtifact(ARTIFACT, fetchThing);
  expect(folder.startsWith(join(root, 'thing-'))).toBe(true);
  expect(await ensureArtifact(ARTIFACT, fetchThing)).toBe(folder);
  expect(fetchThing).toHaveBeenCalledTimes(1);
});

test('who comes while it is being fetched waits and does not fetch it again', async () => {
  const folders = await Promise.all([1, 2, 3].map(() => ensureArtifact(ARTIFACT, fetchThing)));
  expect(new Set(folders).size).toBe(1);
  expect(fetchThing).toHaveBeenCalledTimes(1);
});

test('an artifact that is described differently has another folder', () => {
  expect(artifactFolder({ ...ARTIFACT, keep: [/^sbin/] })).not.toBe(artifactFolder(ARTIFACT));
  expect(artifactFolder({ ...ARTIFACT, suite: 'forky' })).not.toBe(artifactFolder(ARTIFACT));
});

test.each<[string, (folder: string) => Promise<void>]>([
  ['bin/thing was changed', (folder) => appendFile(join(folder, 'bin/thing'), '!')],
  ['bin/thing is missing', (folder) => unlink(join(folder, 'bin/thing'))],
  [
    'bin/alias was changed',
    async (folder) => {
      await unlink(join(folder, 'bin/alias'));
      await symlink('/elsewhere', join(folder, 'bin/alias'));
    },
  ],
  ['manifest.json cannot be read', (folder) => writeFile(join(folder, 'manifest.json'), '{"files":{')],
  ['manifest.json cannot be read', (folder) => writeFile(join(folder, 'manifest.json'), '{"files":{}}')],
])('a damaged cache (%s) is noticed, reported and rebuilt', async (damage, inflict) => {
  const folder = await ensureArtifact(ARTIFACT, fetchThing);
  await inflict(folder);
  expect(await findDamage(folder)).toBe(damage);
  await ensureArtifact(ARTIFACT, fetchThing);
  expect(fetchThing).toHaveBeenCalledTimes(2);
  expect(process.stderr.write).toHaveBeenCalledWith(`ptnetmap: ${folder}: ${damage}: fetching it again\n`);
  expect(await findDamage(folder)).toBeUndefined();
  expect(await readFile(join(folder, 'bin/thing'), 'utf8')).toBe('contents');
});

test('a fetch that fails leaves nothing that looks complete, and the lock free', async () => {
  const failing = () => Promise.reject(new Error('no network'));
  await expect(ensureArtifact(ARTIFACT, failing)).rejects.toThrow('no network');
  expect(await readdir(root)).toEqual(['lock']);
  await ensureArtifact(ARTIFACT, fetchThing);
});

test('the cache is in the home directory unless PTNET_CACHE says otherwise', () => {
  expect(cacheRoot()).toBe(root);
  vi.stubEnv('PTNET_CACHE', '');
  vi.stubEnv('HOME', '/home/somebody');
  expect(cacheRoot()).toBe('/home/somebody/.cache/ptnetmap');
});

test('a lock excludes other processes while it is held, and only then', async () => {
  const path = join(root, 'deep', 'lock');
  const tryLock = () => execa('flock', ['--nonblock', path, 'true'], { reject: false });
  const result = await withLock(path, async () => {
    expect((await tryLock()).exitCode).toBe(1);
    return 'result';
  });
  expect(result).toBe('result');
  expect((await tryLock()).exitCode).toBe(0);
  await expect(withLock(path, () => Promise.reject(new Error('inside')))).rejects.toThrow('inside');
  expect((await tryLock()).exitCode).toBe(0);
});
