// Holds every file of the tree against the tidy rules.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkDirections, DIRECTIONS } from './directions.ts';
import {
  checkFileLength,
  checkFinished,
  checkFirstSentence,
  checkFunctionLength,
  checkNapi,
  checkNoSwitchedOffTests,
  checkNoUnboundedLog,
  checkReferences,
  FILE_LINES_MAX,
  FUNCTION_LINES_MAX,
} from './rules.ts';
import { ROOT, readTree } from './tree.ts';

const tree = readTree();

test('the tree was found', () => {
  const paths = tree.map(({ path }) => path);
  expect(paths).toContain('pci/registers.ts');
  expect(paths).toContain('native/src/addon/main.cc');
  expect(paths).toContain('test/tidy/tidy.test.ts');
  expect(paths.filter((path) => path.includes('node_modules'))).toEqual([]);
});

test.each([
  ['imports go only in the directions of the table', checkDirections],
  ['every file opens with a sentence that says what it is for', checkFirstSentence],
  [`no file has more than ${FILE_LINES_MAX} lines`, checkFileLength],
  [`no function has more than ${FUNCTION_LINES_MAX} lines`, checkFunctionLength],
  ["only the addons include Node's headers", checkNapi],
  ['no test is switched off', checkNoSwitchedOffTests],
  ['what can come from outside is logged by complaints, which have a rate', checkNoUnboundedLog],
  ['nothing is left for later', checkFinished],
])('%s', (_, check) => {
  expect(tree.flatMap((file) => check(file))).toEqual([]);
});

test('what names a file of the tree names one that is there', () => {
  const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  const texts = [...docs.map((name) => `docs/${name}`), 'README.md'].map((path) => ({
    path,
    text: readFileSync(join(ROOT, path), 'utf8'),
  }));
  const files = [...texts, ...tree.filter(({ path }) => !path.startsWith('test/tidy/'))];
  const exists = (path: string): boolean => existsSync(join(ROOT, path));
  expect(files.flatMap((file) => checkReferences(file, exists))).toEqual([]);
});

test('every folder of sources has a row in the table of directions', () => {
  const folders = new Set(tree.map(({ path }) => path.slice(0, path.indexOf('/') + 1)));
  folders.delete('.ci/'); // shell: imports nothing
  const rows = DIRECTIONS.map(({ from }) => from);
  expect([...folders].filter((folder) => !rows.includes(folder))).toEqual([]);
});
