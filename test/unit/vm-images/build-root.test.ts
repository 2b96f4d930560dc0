/** Commands in a tree of packages: it cannot be changed, and what is mounted into it can. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runInTree } from '../../../vm-images/build-root.ts';
import { ArtifactError } from '../../../vm-images/errors.ts';

/** The machine's own usr/ will do as a tree. */
const TREE = '/';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-tree-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a script sees the tree and what is mounted, and nothing else of the machine', async () => {
  writeFileSync(join(folder, 'in'), 'from outside');
  const printed = await runInTree(TREE, 'cat /src/in; tr a-z A-Z < /src/in > /src/out; ls -d /*', {
    '/src': folder,
  });
  expect(printed).toMatch(/^from outside/);
  expect(printed.split('\n').at(-1)).toBe('/usr');
  expect(printed).not.toContain('/etc');
  expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('FROM OUTSIDE');
});

test('the environment is not the machine’s, and the tree cannot be changed', async () => {
  process.env.PTNET_LEAK = '1';
  try {
    expect(await runInTree(TREE, 'echo "[$PTNET_LEAK] $LC_ALL"', {})).toBe('[] C');
  } finally {
    delete process.env.PTNET_LEAK;
  }
  await expect(runInTree(TREE, 'touch /usr/ptnet-test', {})).rejects.toThrow(/Read-only/);
  expect(existsSync('/usr/ptnet-test')).toBe(false);
});

test('a script that fails is an error with what it printed, and leaves no mount and no folder', async () => {
  const roots = () => readdirSync(tmpdir()).filter((name) => name.startsWith('ptnet-root-'));
  const before = roots();
  const failing = runInTree(TREE, 'echo to stdout; echo to stderr >&2; false; echo never', {});
  await expect(failing).rejects.toThrow(ArtifactError);
  await expect(failing).rejects.toThrow('exit code 1:\nto stdout\nto stderr');
  await expect(failing).rejects.not.toThrow('never');
  expect(roots().filter((name) => !before.includes(name))).toEqual([]);
});
