// The lookup function of a switch in a configuration: its form, and what is meant by it.
import { z } from 'zod';
import { field, formed, keyed, oneOf, problemsOfForm, quote, section, word } from './fields.ts';
import type { LookupConfig } from './host-config.ts';
import { COMMUNITIES_MAX, LOOKUP_OPTIONS_MAX, STATIONS_MAX } from './limits.ts';
import { MAC_FORM, macProblem } from './mac.ts';
import { nearest } from './nearest.ts';
import { quoted } from './quote.ts';
import { pathProblem } from './run-dir.ts';
import { textIn, valueIn } from './yaml-values.ts';

/** What a file may say, with what belongs to it. */
const FUNCTIONS = ['static', 'isolated', 'plugin'] as const;
const WORDS = ['learning', 'hub'] as const;

function pluginProblem(value: unknown): string | undefined {
  return pathProblem(value) === undefined
    ? undefined
    : `${quote(value)} is not the path of a plug-in: './firewall.so' would be right`;
}

function optionsProblem(value: unknown): string | undefined {
  const text = textIn(value);
  if (typeof text !== 'string') return `${quote(value)} is not a text: one behind '|' would be right`;
  if (text.includes('\0')) return 'there is a zero byte in the text: one without would be right';
  return text.length > LOOKUP_OPTIONS_MAX
    ? `${text.length} characters are too many: ${LOOKUP_OPTIONS_MAX} would be right`
    : undefined;
}

function portList(value: unknown): string | undefined {
  return Array.isArray(value) ? undefined : `${quote(value)} is not a list: '[tap:lan]' would be right`;
}

/** Whether they are on the switch is for checkLookups() to say. */
const ports = () =>
  z.array(
    field<string>(
      (value) =>
        typeof value === 'string'
          ? undefined
          : `${quote(value)} is not a port name: 'vale0:1' would be right`,
      { type: 'string', examples: ['vale0:1'] },
    ),
    { error: (issue) => portList(issue.input) ?? 'is wrong' },
  );

const nameOf = (what: string) => (name: string) =>
  /^[\w.-]{1,32}$/.test(name)
    ? undefined
    : `${quoted(name)} is not a name of ${what}: up to 32 letters A to Z, digits, _ . or - would be right`;

const functionSection = section({
  static: keyed(
    "'02:00:00:00:01:00': 'vale0:1'",
    (name) => macProblem(name, { multicast: false }),
    field<string>(
      (value) =>
        typeof value === 'string'
          ? undefined
          : `${quote(value)} is not a port name: 'vale0:1' in quotes would be right`,
      { type: 'string', examples: ['vale0:1'] },
    ),
    MAC_FORM,
  ).optional(),
  unknown: oneOf('drop', 'flood').optional(),
  isolated: section({
    promiscuous: ports().default([]),
    communities: keyed("a name such as 'blue' with its ports", nameOf('a community'), ports()),
  }).optional(),
  plugin: field<string>(pluginProblem, {
    type: 'string',
    minLength: 1,
    examples: ['./firewall.so'],
  }).optional(),
  options: word(optionsProblem).optional(),
});

type FileFunction = z.output<typeof functionSection>;

/** What is wrong with the keys together. */
function problemOf(given: FileFunction): string | undefined {
  const named = FUNCTIONS.filter((name) => given[name] !== undefined);
  if (named.length === 0)
    return "it names no function: 'hub', 'static', 'isolated' or 'plugin: ./firewall.so' would be right";
  if (named.length > 1)
    return `'${named[0]}' and '${named[1]}' are two functions: one of them would be right`;
  if (given.options !== undefined && given.plugin === undefined)
    return `'options' are a plug-in's, and this is '${named[0]}': without them would be right`;
  if (given.unknown !== undefined && given.static === undefined)
    return `'unknown' belongs to 'static', and this is '${named[0]}': without it would be right`;
  if (given.static && given.static.size > STATIONS_MAX)
    return `${given.static.size} stations are too many: at most ${STATIONS_MAX} would be right`;
  if (given.isolated && given.isolated.communities.size > COMMUNITIES_MAX)
    return `${given.isolated.communities.size} communities are too many: at most ${COMMUNITIES_MAX} would be right`;
  return undefined;
}

function toLookup({ static: stations, unknown, isolated, plugin, options }: FileFunction): LookupConfig {
  if (stations) {
    const lower = new Map([...stations].map(([mac, port]) => [mac.toLowerCase(), port]));
    return { kind: 'static', stations: lower, unknown: unknown ?? 'drop' };
  }
  if (isolated) return { kind: 'isolated', ...isolated };
  return { kind: 'plugin', path: plugin!, options: options ?? '' };
}

function wordProblem(value: unknown): string | undefined {
  if (WORDS.includes(value as (typeof WORDS)[number])) return undefined;
  const guess = typeof value === 'string' ? nearest(value, WORDS) : undefined;
  const right = guess ? quoted(guess) : "'learning', 'hub' or a mapping such as '{ plugin: ./firewall.so }'";
  return `${quote(value)} is not known here: ${right} would be right`;
}

const wordSchema = field<(typeof WORDS)[number]>(wordProblem, { enum: [...WORDS] }).transform(
  (kind): LookupConfig => ({ kind }),
);

const functionSchema = functionSection.transform((given, context): LookupConfig => {
  const message = problemOf(given);
  if (message === undefined) return toLookup(given);
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** A word, or a mapping that names one function. */
export const lookupField = () =>
  formed(
    z.unknown().transform((input, context): LookupConfig => {
      const parsed = (valueIn(input) instanceof Map ? functionSchema : wordSchema).safeParse(input, {
        reportInput: true,
      });
      if (parsed.success) return parsed.data;
      for (const { path, message, key } of problemsOfForm(parsed.error.issues))
        context.addIssue({ code: 'custom', message, path: [...path], params: { key } });
      return z.NEVER;
    }),
    [wordSchema, functionSchema],
  );
