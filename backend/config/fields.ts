// The building blocks of the file's schema: fields and sections whose errors say what would be right.
import { z } from 'zod';
import type { Range } from './limits.ts';
import { alternatives, nearest } from './nearest.ts';
import { quoted } from './quote.ts';
import { textIn, valueIn } from './yaml-values.ts';

/** A value from a YAML file as a message quotes it. */
export function quote(input: unknown): string {
  const value = valueIn(input);
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? quoted(value) : String(value);
}

type Problem = (value: unknown) => string | undefined;

const custom = <T>(problem: Problem) =>
  z.custom<T>((value) => problem(value) === undefined, {
    error: (issue) => problem(issue.input) ?? 'is wrong',
  });

/** A scalar; `problem` says what is wrong with a value and what would be right, or undefined. */
export const field = <T>(problem: Problem) => z.preprocess(valueIn, custom<T>(problem));

/** A word as it is written in the file: `007` and `1e3` are names like any other. */
export const word = (problem: Problem) => z.preprocess(textIn, custom<string>(problem));

export function whole({ min, max }: Range) {
  return field<number>((value) => {
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return undefined;
    const right = typeof value === 'number' && value > max ? max : min;
    return `${quote(value)} is not a whole number from ${min} to ${max}: ${right} would be right`;
  });
}

export function oneOf<const T extends string>(...words: readonly T[]) {
  return field<T>((value) => {
    if (words.includes(value as T)) return undefined;
    const guess = typeof value === 'string' ? nearest(value, words) : undefined;
    return `${quote(value)} is not known here: ${alternatives(guess ? [guess] : words)} would be right`;
  });
}

export const yesOrNo = () =>
  field<boolean>((value) =>
    typeof value === 'boolean' ? undefined : `${quote(value)} is neither: true or false would be right`,
  );

type Camel<S> = S extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;
type CamelKeys<T> = { [K in keyof T as Camel<K>]: T[K] };

const camel = (key: string): string =>
  key.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The entries of a mapping; nothing at all is an empty one. Says what is wrong, or returns undefined having said it. */
function entries(
  input: unknown,
  context: z.core.$RefinementCtx,
  what: string,
): ReadonlyMap<string, unknown> | undefined {
  const value = valueIn(input) ?? new Map();
  if (value instanceof Map) return value;
  context.addIssue({ code: 'custom', message: `${quote(value)} is not a mapping: ${what} would be right` });
  return undefined;
}

/** A mapping with known keys, which become camelCase; nothing at all is an empty one. */
export function section<const S extends z.core.$ZodLooseShape>(shape: S) {
  const keys = Object.keys(shape);
  const object = z
    .object(shape)
    .transform(
      (value) =>
        Object.fromEntries(Object.entries(value).map(([key, v]) => [camel(key), v])) as CamelKeys<
          typeof value
        >,
    );
  return z.preprocess((input, context) => {
    const map = entries(input, context, `keys such as '${keys[0]}'`);
    if (!map) return z.NEVER;
    const unknown = [...map.keys()].filter((key) => !keys.includes(key));
    if (unknown.length === 0) return Object.fromEntries(map);
    for (const key of unknown) {
      const guess = nearest(key, keys);
      const right = alternatives(guess ? [guess] : keys);
      context.addIssue({
        code: 'custom',
        message: `unknown key ${quoted(key)}: ${right} would be right`,
        params: { key },
      });
    }
    return z.NEVER;
  }, object);
}

/** A mapping from names that the user chooses, in the order of the file; `problem` says what is wrong with a name. */
export function keyed<V extends z.ZodType>(
  what: string,
  problem: (name: string) => string | undefined,
  value: V,
) {
  return z.preprocess(
    (input, context) => {
      const map = entries(input, context, what);
      for (const name of map?.keys() ?? []) {
        const message = problem(name);
        if (message) context.addIssue({ code: 'custom', message, params: { key: name } });
      }
      return map;
    },
    z.map(z.string(), value),
  );
}
