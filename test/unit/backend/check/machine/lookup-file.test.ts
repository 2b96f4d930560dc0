// The file of a lookup plug-in, as `ptnet check` looks at it: compiled ones, and what is none.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LOOKUP_VERSION, lookupFileProblem } from '../../../../../backend/check/machine/lookup-file.ts';
import { lookupPlugin } from '../../../../harness/lookup-plugin.ts';
import { projectRoot } from '../../../../harness/paths.ts';

const folder = mkdtempSync(join(tmpdir(), 'ptnet-lookup-file-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const uid = process.getuid!();
const problem = (name: string, as = uid) => lookupFileProblem(at(name), as)?.[0];

beforeAll(() => {
  for (const name of ['recorder', 'of_tomorrow', 'without_symbol']) {
    copyFileSync(lookupPlugin(name), at(`${name}.so`));
    chmodSync(at(`${name}.so`), 0o644);
  }
});

const copy = (name: string, mode = 0o644) => {
  copyFileSync(at('recorder.so'), at(name));
  chmodSync(at(name), mode);
  return name;
};

test('the version is that of the header', () => {
  const header = readFileSync(join(projectRoot(), 'native/include/ptnetmap/lookup.h'), 'utf8');
  expect(header).toContain(`#define PTNET_LOOKUP_VERSION ${LOOKUP_VERSION}\n`);
});

test('one that a host takes, stripped too', async () => {
  expect(problem('recorder.so')).toBeUndefined();
  await execa('strip', [at(copy('stripped.so'))]);
  expect(problem('stripped.so')).toBeUndefined();
});

test('another version of the interface, and no symbol', () => {
  expect(problem('of_tomorrow.so')).toBe(
    `'${at('of_tomorrow.so')}' is made for version ${LOOKUP_VERSION + 1} of the interface, and this host has ${LOOKUP_VERSION}`,
  );
  expect(problem('without_symbol.so')).toBe(`'${at('without_symbol.so')}' has no symbol ptnet_lookup_plugin`);
});

test.each([0o664, 0o646, 0o666])('mode %o: others may write it', (mode) => {
  expect(problem(copy('open.so', mode))).toContain('may be written by others than its owner');
});

test('it is neither root’s nor this user’s', () => {
  const name = copy('foreign.so');
  if (uid === 0) chownSync(at(name), 1, 1);
  expect(problem(name, uid + 2)).toMatch(/belongs to uid \d+, whose code it would be in the host/);
});

test('what is no plug-in at all, or the start of one', async () => {
  expect(problem('nowhere.so')).toContain('ENOENT');
  await execa('mkfifo', [at('fifo')]);
  expect(problem('fifo')).toContain('is not a file with a program in it');
  writeFileSync(at('text.so'), 'x'.repeat(100), { mode: 0o644 });
  expect(problem('text.so')).toContain('is no shared object for x86-64');
  const whole = readFileSync(at('recorder.so'));
  for (let bytes = 1; bytes < whole.length; bytes += Math.ceil(bytes / 9)) {
    writeFileSync(at('cut.so'), whole.subarray(0, bytes), { mode: 0o644 });
    expect(problem('cut.so'), `${bytes} bytes`).toContain(at('cut.so'));
  }
});
