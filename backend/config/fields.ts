// The building blocks of the file's schema: fields and sections whose errors say what would be right.
import { z } from 'zod';
import type { Range } from './limits.ts';
import { alternatives, nearest } from './nearest.ts';

/** A value from a YAML file as a message quotes it. */
export function quote(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? `'${value}'` : String(value);
}

/** A scalar; `problem` says what is wrong with a value and what would be right, or undefined. */
export function field<T>(problem: (value: unknown) => string | undefined) {
  return z.custom<T>((value) => problem(value) === undefined, {
    error: (issue) => problem(issue.input) ?? 'is wrong',
  });
}

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

const absent = (value: unknown): unknown => value ?? {};

/** A mapping with known keys, which become camelCase; nothing at all is an empty one. */
export function section<const S extends z.core.$ZodLooseShape>(shape: S) {
  const keys = Object.keys(shape);
  const error: z.core.$ZodErrorMap = (issue) => {
    if (issue.code !== 'unrecognized_keys')
      return `${quote(issue.input)} is not a mapping: keys such as '${keys[0]}' would be right`;
    const key = String((issue as z.core.$ZodIssueUnrecognizedKeys).keys[0]);
    const guess = nearest(key, keys);
    return `unknown key '${key}': ${alternatives(guess ? [guess] : keys)} would be right`;
  };
  const object = z
    .strictObject(shape, { error })
    .transform(
      (value) =>
        Object.fromEntries(Object.entries(value).map(([key, v]) => [camel(key), v])) as CamelKeys<
          typeof value
        >,
    );
  return z.preprocess(absent, object);
}

/** A mapping from names that the user chooses; `problem` says what is wrong with a name. */
export function keyed<V extends z.ZodType>(
  what: string,
  problem: (name: string) => string | undefined,
  value: V,
) {
  const key = z.string().check((context) => {
    const message = problem(context.value);
    if (message) context.issues.push({ code: 'custom', input: context.value, message });
  });
  const record = z.record(key, value, {
    error: (issue) =>
      issue.code === 'invalid_type'
        ? `${quote(issue.input)} is not a mapping: ${what} would be right`
        : undefined,
  });
  return z.preprocess(absent, record);
}
