// The files of the tree that somebody wrote: what the tidy rules are held against.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SourceFile {
  /** From the root of the tree, with slashes. */
  readonly path: string;
  readonly text: string;
}

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const EXTENSIONS = new Set(['.ts', '.mjs', '.js', '.h', '.cc', '.c', '.sh']);
const NAMES = new Set(['Makefile', 'run']);
/** Made by a build, by npm or by a run, not by hand. */
const NOT_OURS = new Set(['node_modules', 'build', 'dist', 'logs']);
const isOurs = (folder: string): boolean =>
  !NOT_OURS.has(folder) && (folder === '.ci' || !folder.startsWith('.'));

/** Tools read the files of the root folder by their names; the rules are for what lies below. */
export function readTree(): SourceFile[] {
  return walk(ROOT)
    .filter((file) => dirname(file) !== ROOT)
    .map((file) => ({ path: relative(ROOT, file).split(sep).join('/'), text: readFileSync(file, 'utf8') }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return isOurs(entry.name) ? walk(path) : [];
    return entry.isFile() && (EXTENSIONS.has(extname(entry.name)) || NAMES.has(entry.name)) ? [path] : [];
  });
}
