// What is read as a configuration: a file of some length, and nothing that has no end.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readConfigFile } from '../../../../backend/config/read-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'ptnet-read-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'host.yaml');
const MOST = 16 * 2 ** 20;

test('a file is read whole, an empty one too, up to the limit', () => {
  for (const text of ['', 'vms: {}\n', 'x'.repeat(MOST)]) {
    writeFileSync(file, text);
    expect(readConfigFile(file) === text).toBe(true);
  }
});

test('one that is longer is refused', () => {
  truncateSync(file, MOST + 1);
  expect(() => readConfigFile(file)).toThrow(`${file}: cannot be read: it has more than ${MOST} bytes`);
});

test.each([
  ['/dev/zero', `/dev/zero: cannot be read: it has more than ${MOST} bytes`],
  ['/dev/urandom', `/dev/urandom: cannot be read: it has more than ${MOST} bytes`],
  [folder, `${folder}: cannot be read: EISDIR`],
  ['/nowhere', "open '/nowhere': 'ptnet init /nowhere' makes one"],
])('%s is refused', (path, message) => expect(() => readConfigFile(path)).toThrow(message));
