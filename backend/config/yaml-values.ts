// What a YAML text says, with names as they are written: mappings become Maps in the order of the file, never objects.
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
} from 'yaml';
import { ConfigurationError } from '../errors.ts';
import { quoted, shown } from './quote.ts';
import { SourceText } from './source-text.ts';

/** A number, a boolean or nothing that stands in the file without quotes: `007` is 7 where a number is meant, and a name as it is. */
export class Plain {
  readonly value: unknown;
  readonly source: string;

  constructor(value: unknown, source: string) {
    this.value = value;
    this.source = source;
  }
}

/** The value that a scalar stands for. */
export const valueIn = (input: unknown): unknown => (input instanceof Plain ? input.value : input);

/** The text that a scalar was written as. */
export const textIn = (input: unknown): unknown => (input instanceof Plain ? input.source : input);

export type YamlValue = string | Plain | undefined | readonly YamlValue[] | ReadonlyMap<string, YamlValue>;

/** What a program has, as if it stood in a file: objects and Maps are mappings, null is nothing. */
export function asYaml(value: unknown): YamlValue {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  if (Array.isArray(value)) return value.map(asYaml);
  if (value instanceof Map)
    return new Map([...value].map(([key, inner]) => [String(key), asYaml(inner)] as const));
  if (typeof value !== 'object') return new Plain(value, String(value));
  return new Map(Object.entries(value).map(([key, inner]) => [key, asYaml(inner)] as const));
}

/** The parser's own messages may quote a whole line. */
const YAML_MESSAGE_MAX = 160;

/** Enough for any file that people write, and an end to one whose aliases multiply. */
const ALIASES_MAX = 1000;

export interface ParsedYaml {
  readonly value: YamlValue;
  /** Where that stands. */
  readonly source: SourceText;
}

/** @throws ConfigurationError that begins with `file` and the line. */
export function parseYaml(text: string, file: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  });
  const source = new SourceText(file, text, lines, document);
  const error = document.errors[0];
  if (error) {
    const { line } = lines.linePos(error.pos[0]);
    // The braces of a pipe's name end a flow mapping early.
    const hint = /\w[{}]\w/.test(text.split('\n')[line - 1] ?? '')
      ? `: a pipe's name in quotes, as in 'p{1', would be right`
      : '';
    const message = `${shown(error.message.split('\n')[0]!, YAML_MESSAGE_MAX)}${hint}`;
    throw new ConfigurationError(source.report(error.pos[0], message), { cause: error, problems: [message] });
  }
  return { value: new Reader(document, source).value(document.contents), source };
}

class Reader {
  readonly #document: Document;
  readonly #source: SourceText;
  #aliases = 0;

  constructor(document: Document, source: SourceText) {
    this.#document = document;
    this.#source = source;
  }

  value(node: unknown): YamlValue {
    if (isAlias(node)) {
      if (++this.#aliases > ALIASES_MAX)
        this.#fail(node, `more than ${ALIASES_MAX} aliases are followed here: fewer would be right`);
      return this.value(node.resolve(this.#document));
    }
    if (isMap(node)) return this.#map(node.items);
    if (isSeq(node)) return node.items.map((item) => this.value(item));
    return isScalar(node) ? scalar(node) : undefined;
  }

  #map(pairs: readonly Pair[]): ReadonlyMap<string, YamlValue> {
    const map = new Map<string, YamlValue>();
    for (const { key, value } of pairs) {
      const name = this.#name(key);
      if (map.has(name)) this.#fail(key, `${quoted(name)} is there twice: each name once would be right`);
      map.set(name, this.value(value));
    }
    return map;
  }

  #name(key: unknown): string {
    const value = this.value(key);
    const text = textIn(value);
    if (typeof text !== 'string') this.#fail(key, 'a list or a mapping is no name: a word would be right');
    return text;
  }

  #fail(node: unknown, message: string): never {
    throw new ConfigurationError(this.#source.report((node as Node).range?.[0] ?? 0, message), {
      problems: [message],
    });
  }
}

function scalar(node: Scalar): YamlValue {
  if (typeof node.value === 'string') return node.value;
  // Nothing at all, where `source` is an empty text, is no name; `null` and `~` are as written.
  return node.type === Scalar.PLAIN ? new Plain(node.value, node.source ?? '') : String(node.value);
}
