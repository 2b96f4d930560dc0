// Where sockets go: folders are made, leftovers removed, and a host that is there is not pushed aside.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigurationError } from '../../../backend/errors.ts';
import { claimSocket } from '../../../backend/sockets.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-sockets-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the folder is made, with its parents', () => {
  claimSocket(join(folder, 'a/b/c.sock'));
  expect(existsSync(join(folder, 'a/b'))).toBe(true);
});

test('a folder that cannot be made is an error, not a loop', () => {
  expect(() => claimSocket('/proc/nope/vm1/mem.sock')).toThrow(ConfigurationError);
  expect(() => claimSocket('/proc/nope/vm1/mem.sock')).toThrow(/run-dir: ENOENT/);
});

test('a socket that a host serves is left alone; one that nobody serves any more is removed', async () => {
  const path = join(folder, 'x.sock');
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  expect(() => claimSocket(path)).toThrow('served by another host');
  expect(existsSync(path)).toBe(true);
  await new Promise((resolve) => server.close(resolve));
  writeFileSync(path, '');
  expect(() => claimSocket(path)).toThrow('not a socket');
});
