// Links between the documents lead to files and headings that are there.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './tree.ts';

const DOCUMENTS = [
  'README.md',
  'guest-driver/linux/README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const withoutCode = (text: string): string =>
  text.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '');

/** As GitHub makes it of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

const anchorsIn = (path: string): Set<string> =>
  new Set([...read(path).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!)));

function broken(path: string): string[] {
  return [...withoutCode(read(path)).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
    if (/^[a-z]+:/.test(link!)) return [];
    const [file, anchor] = link!.split('#') as [string, string?];
    const target = file === '' ? path : posix.join(posix.dirname(path), file);
    if (!existsSync(join(ROOT, target))) return [`${path}: ${link}: is not there`];
    return anchor === undefined || !target.endsWith('.md') || anchorsIn(target).has(anchor)
      ? []
      : [`${path}: ${link}: has no such heading`];
  });
}

test('what links lead to is there', () => {
  expect(DOCUMENTS).toContain('docs/quick-start.md');
  expect(DOCUMENTS.flatMap(broken)).toEqual([]);
});

test('docs/README.md names every page', () => {
  const index = read('docs/README.md');
  const pages = DOCUMENTS.filter((path) => path.startsWith('docs/') && path !== 'docs/README.md');
  expect(pages.filter((path) => !index.includes(`(${path.slice('docs/'.length)})`))).toEqual([]);
});
