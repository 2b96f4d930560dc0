// Names are taken as they are written and in the order of the file, whatever YAML or JavaScript would make of them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { configWarnings } from '../../../../backend/config/warnings.ts';
import { ConfigurationError } from '../../../../backend/errors.ts';
import { planRegions } from '../../../../backend/ports/plan.ts';

const SEED = 8;

/** Words that YAML reads as numbers and the like, that objects put in another order, or that they have already. */
const WORDS = [
  ...[
    '200',
    '100',
    '2',
    '1',
    '0',
    '007',
    '7',
    '1e3',
    '1000',
    '0x10',
    '16',
    '0o20',
    '1.0',
    '1.',
    '4294967295',
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype', 'length'],
  ...['null', 'Null', 'true', 'no', 'inf', 'NaN', 'a', 'A', '_', 'vm1', 'mem', 'net0'],
];
const name = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.stringMatching(/^[0-9A-Za-z_][0-9A-Za-z_.-]{0,3}$/),
  fc.stringMatching(/^[0-9][0-9e._-]{0,4}$/),
);
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 8 });
/** `plain` where the file may say it without quotes. */
const written = (text: string, plain: boolean): string => (plain ? text : `'${text}'`);

/** A VM in a region of the same name, with a device of the same name, on a null port. */
function fileOf(words: readonly string[], plain: boolean): string {
  const lines = words.map((word, i) => {
    const text = written(word, plain);
    return `  ${text}: { region: ${text}, devices: [{ name: ${text === 'mem' ? 'm' : `'${word === 'mem' ? 'm' : word}'`}, port: 'null:${i}' }] }`;
  });
  const regions = words.map((word) => `  ${written(word, plain)}:`);
  return `regions:\n${regions.join('\n')}\nvms:\n${lines.join('\n')}\n`;
}

test('VMs and regions keep their names and their order, and each VM its own address', () => {
  fc.assert(
    fc.property(names, fc.boolean(), (words, plain) => {
      const config = parseConfig(fileOf(words, plain), 'f');
      expect([...config.vms.keys()]).toEqual(words);
      expect([...config.regions.keys()]).toEqual(words);
      expect([...planRegions(config).keys()]).toEqual(words.map((word) => `region:${word}`));
      expect([...config.ports.keys()]).toEqual(words.map((_, i) => `null:${i}`));
      [...config.vms.values()].forEach(({ region, devices }, i) => {
        expect(region).toBe(words[i]);
        expect(devices[0]?.mac).toBe(`02:00:00:00:0${i + 1}:00`);
      });
      expect(configWarnings(config)).toEqual([]);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('switches and ports of any name are found under it', () => {
  const word = fc.oneof(
    fc.constantFrom(...WORDS.filter((w) => /^\w+$/.test(w))),
    fc.stringMatching(/^[0-9A-Z_a-z]{1,4}$/),
  );
  fc.assert(
    fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 6 }), (words) => {
      const switches = words.map((w, i) => `  vale${w}: { patience-us: ${i} }`);
      const ports = words.map((w, i) => `  vale${w}:__proto__: { tx-slots: ${i + 2} }`);
      const devices = words.map((w) => `{ port: vale${w}:__proto__ }`);
      const config = parseConfig(
        `switches:\n${switches.join('\n')}\nports:\n${ports.join('\n')}\nvms: { v: { devices: [${devices.join(', ')}] } }`,
        'f',
      );
      expect([...config.switches.values()].map(({ patienceUs }) => patienceUs)).toEqual(
        words.map((_, i) => i),
      );
      expect([...config.ports.values()].map(({ txSlots }) => txSlots)).toEqual(words.map((_, i) => i + 2));
    }),
    { seed: SEED, numRuns: 200 },
  );
});

test('a text that is no configuration gets short lines', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'vms',
      ': ',
      '{',
      '}',
      '[',
      ']',
      '\n',
      '  ',
      '- ',
      '&a ',
      '*a',
      "'",
      '"',
      '!!set ',
      '? ',
      '|\n',
      '\0',
    ),
    fc.constantFrom(...WORDS),
    fc.string({ maxLength: 3 }),
    fc.constant('x'.repeat(20_000)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const run = (): readonly string[] => {
        try {
          parseConfig(pieces.join(''), 'f');
        } catch (error) {
          if (error instanceof ConfigurationError) return [...error.problems, ...error.message.split('\n')];
          throw error;
        }
        return [];
      };
      for (const line of run()) {
        expect(line).not.toMatch(/[\n\r\0\u2028]/);
        expect(line.length).toBeLessThan(500);
      }
    }),
    { seed: SEED, numRuns: 1000 },
  );
});

test.each([
  ["vms: { 2: , '2': }", "f:1:13: '2' is there twice: each name once would be right"],
  [
    'vms:\n  7: {}\n  007: {}',
    "f:2:6: vms.7.devices: nothing is not a list: '- port: vale0:1' would be right",
  ],
  ['vms: { ? [a] : {} }', 'f:1:10: a list or a mapping is no name: a word would be right'],
  ['__proto__: 1', "f:1:1: unknown key '__proto__': 'ports' would be right"],
  ['vms: { v: { __proto__: 1, devices: [{ port: "null:a" }] } }', "f:1:13: vms.v: unknown key '__proto__': "],
  [
    "vms: { v: { region: 7, devices: [{ port: 'null:a' }] } }\nregions: { 007: }",
    "f:1:21: vms.v.region: there is no region '7': '007' would be right",
  ],
  ['a: &a [*a]', 'f:1:8: more than 1000 aliases are followed here: fewer would be right'],
])('%j', (text, message) => {
  expect(() => parseConfig(text, 'f')).toThrow(message);
});
