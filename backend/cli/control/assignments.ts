// `KEY=VALUE` as the commands take it, with the configuration file's keys: `rate.tx=1Gbit`, `source.packets=10`, `rate=none`.
import { parse } from 'yaml';
import type { Json, JsonObject } from '../../control/edits.ts';
import { ConfigurationError } from '../../errors.ts';

/** What takes a key away. */
const NONE = 'none';

/** As a merge patch. @throws ConfigurationError */
export function assignments(words: readonly string[]): JsonObject {
  const patch: JsonObject = {};
  for (const word of words) {
    const [, path, value] = /^([\w.-]+)=(.*)$/s.exec(word) ?? [];
    if (path === undefined || value === undefined || value === '')
      throw new ConfigurationError(`'${word}' is not KEY=VALUE: 'policy=poll' would be right`);
    const keys = path.split('.');
    const last = keys.pop()!;
    let into = patch;
    for (const key of keys) {
      const there = into[key];
      if (there !== undefined && (typeof there !== 'object' || there === null || Array.isArray(there)))
        throw new ConfigurationError(
          `'${word}': '${key}' is given as a whole already: '${key}.KEY=VALUE' for each would be right`,
        );
      into[key] ??= {};
      into = into[key] as JsonObject;
    }
    into[last] = valueIn(word, value);
  }
  return patch;
}

function valueIn(word: string, value: string): Json {
  if (value === NONE) return null;
  // Addresses are words, not numbers of base 60.
  if (/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(value)) return value;
  try {
    return parse(value) as Json;
  } catch {
    throw new ConfigurationError(
      `'${word}': its value is not one of a configuration file: quotes would be right`,
    );
  }
}
