/** The cpio writer, checked with a reader written from the format's description. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CpioEntry, writeCpio } from '../../../vm-images/cpio.ts';
import { buildInitramfs, initramfsEntries } from '../../../vm-images/initramfs.ts';

interface Read {
  name: string;
  ino: number;
  mode: number;
  nlink: number;
  mtime: number;
  rdev: [number, number];
  data: Buffer;
}

const align = (offset: number) => (offset + 3) & ~3;

/** Reads up to and without the trailer; the archive must end right after it. */
function readCpio(archive: Buffer): Read[] {
  const entries: Read[] = [];
  for (let at = 0; ; ) {
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const field = (index: number) => {
      const text = archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8);
      expect(text).toMatch(/^[0-9a-f]{8}$/);
      return Number.parseInt(text, 16);
    };
    const nameSize = field(11);
    const name = archive.toString('utf8', at + 110, at + 110 + nameSize - 1);
    expect(archive[at + 110 + nameSize - 1]).toBe(0);
    const start = align(at + 110 + nameSize);
    const data = archive.subarray(start, start + field(6));
    const entry = { ino: field(0), mode: field(1), nlink: field(4), mtime: field(5) };
    const rdev: [number, number] = [field(9), field(10)];
    at = align(start + data.length);
    if (name === 'TRAILER!!!') {
      expect(at).toBe(archive.length);
      return entries;
    }
    entries.push({ name, ...entry, rdev, data: Buffer.from(data) });
  }
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ptnet-cpio-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('each kind of entry carries its type, mode, data and device number', () => {
  const entries = readCpio(
    writeCpio([
      { path: '/dev', kind: 'directory' },
      { path: 'dev/console', kind: 'character device', major: 5, minor: 1 },
      { path: 'init', kind: 'file', mode: 0o755, data: Buffer.from('#!') },
      { path: 'sbin', kind: 'symlink', target: 'bin' },
    ]),
  );
  expect(
    entries.map(({ name, mode, nlink, rdev, data }) => [name, mode, nlink, rdev, data.toString()]),
  ).toEqual([
    ['dev', 0o040755, 2, [0, 0], ''],
    ['dev/console', 0o020600, 1, [5, 1], ''],
    ['init', 0o100755, 1, [0, 0], '#!'],
    ['sbin', 0o120777, 1, [0, 0], 'bin'],
  ]);
  expect(new Set(entries.map(({ ino }) => ino)).size).toBe(entries.length);
});

test('names and data of any length come back as they were written', () => {
  const path = fc.stringMatching(/^[a-zé.-]{1,40}$/).filter((name) => name !== 'TRAILER!!!');
  const file = fc.record({ path, data: fc.uint8Array({ maxLength: 70 }) });
  fc.assert(
    fc.property(fc.array(file, { maxLength: 6 }), (files) => {
      const entries = files.map((entry): CpioEntry => ({ ...entry, kind: 'file' }));
      const archive = writeCpio(entries);
      expect(archive.length % 4).toBe(0);
      const read = readCpio(archive);
      expect(read.map(({ name, data }) => [name, [...data]])).toEqual(
        files.map(({ path, data }) => [path, [...data]]),
      );
    }),
    { seed: 1, numRuns: 200 },
  );
});

test.each(['', '/', 'a\0b'])('the path %j is refused', (path) => {
  expect(() => writeCpio([{ path, kind: 'directory' }])).toThrow('not a path');
});

test('an initramfs has the program as /init, and its console before anything is mounted', async () => {
  const agent = Buffer.from('\x7fELF of the agent');
  await writeFile(join(folder, 'agent'), agent);
  const out = join(folder, 'initramfs.gz');
  await buildInitramfs(join(folder, 'agent'), out);
  const entries = new Map(readCpio(gunzipSync(await readFile(out))).map((entry) => [entry.name, entry]));
  expect(entries.get('init')).toMatchObject({ mode: 0o100755, data: agent });
  expect(entries.get('dev/console')).toMatchObject({ mode: 0o020600, rdev: [5, 1] });
  for (const name of ['dev', 'proc', 'sys']) expect(entries.get(name)?.mode).toBe(0o040755);
  const names = [...entries.keys()];
  expect(names.indexOf('dev')).toBeLessThan(names.indexOf('dev/console'));
});

test('what an initramfs has beside /init comes last', () => {
  const more: CpioEntry[] = [
    { path: 'bin', kind: 'directory' },
    { path: 'bin/sh', kind: 'symlink', target: 'busybox' },
  ];
  expect(initramfsEntries(Buffer.from('#!/bin/sh'), more).slice(-2)).toEqual(more);
});

test('the same input gives the same archive', async () => {
  const agent = join(folder, 'same');
  await writeFile(agent, 'agent');
  await buildInitramfs(agent, join(folder, 'a.gz'));
  await buildInitramfs(agent, join(folder, 'b.gz'));
  expect(await readFile(join(folder, 'a.gz'))).toEqual(await readFile(join(folder, 'b.gz')));
});
