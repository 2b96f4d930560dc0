// Objects and choices in the bodies of requests, which say what would be right as the configuration file does.
import { z } from '@hono/zod-openapi';
import { alternatives, nearest } from '../config/nearest.ts';
import { shown } from '../config/quote.ts';

function right(word: unknown, words: readonly string[]): string {
  const guess = typeof word === 'string' ? nearest(word, words) : undefined;
  return `${alternatives(guess === undefined ? words : [guess])} would be right`;
}

/** One of some words. */
export const choice = <const W extends readonly [string, ...string[]]>(words: W) =>
  z.enum(words, { error: ({ input }) => `'${shown(String(input))}' is unknown: ${right(input, words)}` });

/** An object with these keys and no others. */
export function form<S extends z.ZodRawShape>(shape: S) {
  const keys = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => `unknown key '${shown(key)}': ${right(key, keys)}`).join('; ')
        : undefined,
  });
}
