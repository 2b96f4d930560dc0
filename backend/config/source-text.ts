// Where things stand in a configuration file: the line and column of what a path names, and that line with a mark below.
import { type Document, isMap, isNode, isScalar, isSeq, type LineCounter, type Node } from 'yaml';
import type { FileCheck } from './file-checks.ts';
import { formatPath } from './format-path.ts';
import { shown } from './quote.ts';

/** Something that is wrong with a file. */
export interface Problem {
  /** What it is about, as formatPath writes it; empty: the whole file. */
  readonly path: string;
  /** What is wrong, and what would be right. */
  readonly text: string;
  /** A key below `path` that is meant itself, not what it stands for. */
  readonly key?: string;
  /** What has found it; undefined: its form is wrong. */
  readonly check?: FileCheck;
}

/** Of a line, around the mark. */
const EXCERPT_BEFORE = 60;
const EXCERPT_MAX = 100;

export class SourceText {
  readonly file: string;
  readonly #text: string;
  readonly #lines: LineCounter;
  readonly #document: Document;
  #places?: ReadonlyMap<string, number>;

  constructor(file: string, text: string, lines: LineCounter, document: Document) {
    this.file = file;
    this.#text = text;
    this.#lines = lines;
    this.#document = document;
  }

  /** The file's name with line and column, `message`, and below it the line and a mark. `offset`: in the text, from 0. */
  report(offset: number, message: string): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.file}:${line}:${col}: ${message}\n${this.#excerpt(line, col)}`;
  }

  /** The same for what `problem` is about, or for what comes next above it in the file. */
  describe({ path, text, key }: Problem): string {
    this.#places ??= placesIn(this.#document);
    let best = 0;
    let length = 0;
    const whole = key === undefined ? path : keyPlace(path, key);
    for (const [place, offset] of this.#places)
      if (place.length > length && isAt(whole, place)) {
        best = offset;
        length = place.length;
      }
    return this.report(best, path === '' ? text : `${path}: ${text}`);
  }

  #excerpt(line: number, col: number): string {
    const text = this.#text.split('\n')[line - 1] ?? '';
    const start = Math.max(0, col - 1 - EXCERPT_BEFORE);
    const before = shown(text.slice(start, col - 1).replaceAll('\t', ' '), EXCERPT_MAX);
    const after = shown(text.slice(col - 1, start + EXCERPT_MAX).replaceAll(/[\t\r]/g, ' '), EXCERPT_MAX);
    const number = String(line).padStart(5);
    return `${number} | ${before}${after.trimEnd()}\n${' '.repeat(5)} | ${' '.repeat(before.length)}^`;
  }
}

/** No path has a line break: what follows one names a key, and what is before it the mapping. */
const keyPlace = (path: string, key: string): string => `${path}\n${key}`;

/** Whether `path` is that place, or lies in it. */
const isAt = (path: string, place: string): boolean =>
  path === place || (path.startsWith(place) && /^[.[\n]/.test(path.slice(place.length)));

/** The offset of each value in the document by its path, and of each key. */
function placesIn(document: Document): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  const start = (node: unknown): number | undefined =>
    isNode(node) ? ((node as Node).range?.[0] ?? undefined) : undefined;
  const visit = (node: unknown, path: readonly PropertyKey[], fallback: number): void => {
    places.set(formatPath(path), start(node) ?? fallback);
    if (isSeq(node))
      for (const [index, item] of node.items.entries()) visit(item, [...path, index], fallback);
    if (!isMap(node)) return;
    for (const { key, value } of node.items) {
      const at = start(key) ?? fallback;
      const name = isScalar(key) ? (key.source ?? String(key.value)) : '';
      places.set(keyPlace(formatPath(path), name), at);
      // Nothing stands after such a key: then it is meant itself.
      visit(isScalar(value) && value.source === '' ? undefined : value, [...path, name], at);
    }
  };
  visit(document.contents, [], 0);
  return places;
}
