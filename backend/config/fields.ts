// The building blocks of the file's schema: fields and sections whose errors say what would be right.
import { z } from 'zod';
import type { Range } from './limits.ts';
import { alternatives, nearest } from './nearest.ts';
import { quoted } from './quote.ts';
import { asWhole, type Units } from './units.ts';
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

/** What JSON Schema can say of a part of the file; or, as a list, the forms that it may have. */
export type JsonForm = { readonly [keyword: string]: unknown } | readonly z.ZodType[];

/** For backend/config/json-schema.ts: zod itself sees functions here, of which no schema can be made. */
export const FORMS = new WeakMap<object, JsonForm>();

/** `schema`, with its form for editors and the reference. */
export function formed<S extends z.ZodType>(schema: S, form: JsonForm): S {
  FORMS.set(schema, form);
  return schema;
}

const custom = <T>(problem: Problem) =>
  z.custom<T>((value) => problem(value) === undefined, {
    error: (issue) => problem(issue.input) ?? 'is wrong',
  });

/** A scalar; `problem` says what is wrong with a value and what would be right, or undefined. */
export const field = <T>(problem: Problem, form: JsonForm) =>
  formed(z.preprocess(valueIn, custom<T>(problem)), form);

/** A word as it is written in the file: `007` and `1e3` are names like any other. */
export const word = (problem: Problem, form: JsonForm = { type: ['string', 'number'] }) =>
  formed(z.preprocess(textIn, custom<string>(problem)), form);

/** @param units that people write behind such a number, for the message. */
export function whole({ min, max }: Range, units: Units = {}) {
  return field<number>(
    (value) => {
      if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return undefined;
      const meant = asWhole(value, units);
      const right = meant === undefined ? min : Math.min(Math.max(meant, min), max);
      return `${quote(value)} is not a whole number from ${min} to ${max}: ${right} would be right`;
    },
    { type: 'integer', minimum: min, maximum: max },
  );
}

export function oneOf<const T extends string>(...words: readonly T[]) {
  return field<T>(
    (value) => {
      if (words.includes(value as T)) return undefined;
      const guess = typeof value === 'string' ? nearest(value, words) : undefined;
      return `${quote(value)} is not known here: ${alternatives(guess ? [guess] : words)} would be right`;
    },
    { enum: [...words] },
  );
}

export const yesOrNo = () =>
  field<boolean>(
    (value) =>
      typeof value === 'boolean' ? undefined : `${quote(value)} is neither: true or false would be right`,
    { type: 'boolean' },
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

/** A mapping with known keys, which become camelCase; nothing at all is an empty one. What else is wrong is found beside unknown keys. */
export function section<const S extends z.core.$ZodLooseShape>(shape: S) {
  const known = Object.keys(shape);
  const object = z
    .strictObject(shape, {
      error: (issue) =>
        issue.code === 'unrecognized_keys'
          ? issue.keys.map((key) => unknownKey(key, known)).join('\n')
          : undefined,
    })
    .transform(
      (value) =>
        Object.fromEntries(Object.entries(value).map(([key, v]) => [camel(key), v])) as CamelKeys<
          typeof value
        >,
    );
  return z.preprocess((input, context) => {
    const map = entries(input, context, `keys such as '${known[0]}'`);
    return map ? Object.fromEntries(map) : z.NEVER;
  }, object);
}

function unknownKey(key: string, known: readonly string[]): string {
  const guess = nearest(key, known);
  return `unknown key ${quoted(key)}: ${alternatives(guess ? [guess] : known)} would be right`;
}

/** Of an issue that is about the last part of its path as a name. */
const NAME = { isName: true };

/** A mapping from names that the user chooses, in the order of the file; `problem` says what is wrong with a name, `names` how all look. */
export function keyed<V extends z.ZodType>(
  what: string,
  problem: (name: string) => string | undefined,
  value: V,
  names?: RegExp,
) {
  const name = z.custom<string>((text) => problem(text as string) === undefined, {
    error: (issue) => problem(issue.input as string) ?? 'is wrong',
    params: NAME,
  });
  return z.preprocess(
    (input, context) => entries(input, context, what) ?? z.NEVER,
    formed(z.map(name, value), names ? { propertyNames: { pattern: names.source } } : {}),
  );
}

/** One thing that is wrong; `key`: with a key itself. */
export interface FormProblem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly key?: string;
}

/** What is wrong with the form of a value. Keys that are missing are not said where unknown ones may be meant to be them. */
export function problemsOfForm(issues: readonly z.core.$ZodIssue[]): FormProblem[] {
  const misnamed = issues.filter(({ code }) => code === 'unrecognized_keys').map(({ path }) => path);
  const isMissing = ({ path, input }: z.core.$ZodIssue): boolean =>
    input === undefined &&
    misnamed.some((above) => above.length + 1 === path.length && above.every((part, i) => part === path[i]));
  return issues.flatMap((issue): FormProblem[] => {
    const { path, message } = issue;
    if (issue.code === 'unrecognized_keys') {
      const lines = message.split('\n');
      return issue.keys.map((key, i) => ({ path, message: lines[i]!, key }));
    }
    if (isMissing(issue)) return [];
    const { key, isName } = (issue.code === 'custom' ? issue.params : undefined) ?? {};
    if (isName === true) return [{ path: path.slice(0, -1), message, key: String(path.at(-1)) }];
    return [{ path, message, ...(typeof key === 'string' && { key }) }];
  });
}
