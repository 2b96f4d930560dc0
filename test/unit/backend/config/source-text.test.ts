// Where a mistake stands: line, column, the line itself and a mark; and every mistake of a file at once.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorOf } from './messages.ts';

const SEED = Number(process.env.PTNET_TEST_SEED ?? 20_261_126);
const report = (text: string): string[] => errorOf(text).message.split('\n');

describe('a mistake is shown where it stands', () => {
  test.each([
    [
      'an unknown key: the key',
      'regions:\n  lan: { buf-num: 10, buf-sise: 2048 }\n',
      "f:2:23: regions.lan: unknown key 'buf-sise': 'buf-size' would be right",
      '    2 |   lan: { buf-num: 10, buf-sise: 2048 }',
      '      |                       ^',
    ],
    [
      'a wrong value: the value',
      'engine:\n  policy: pol\n',
      "f:2:11: engine.policy: 'pol' is not known here: 'poll' would be right",
      '    2 |   policy: pol',
      '      |           ^',
    ],
    [
      'nothing: the key that has none',
      "vms:\n  vm1:\n    region:\n    devices: [{ port: 'null:a' }]",
      "f:3:5: vms.vm1.region: '' is not a name: up to 32 letters A to Z, digits, _ . or - would be right",
      '    3 |     region:',
      '      |     ^',
    ],
    [
      'a key that is missing: where it would be',
      'vms:\n  vm1: { memory: 1G }',
      "f:2:8: vms.vm1.devices: nothing is not a list: '- port: vale0:1' would be right",
      '    2 |   vm1: { memory: 1G }',
      '      |        ^',
    ],
    [
      "a name in a mapping of the user's names: the name",
      'vms:\n  a b: { devices: [{ port: "null:a" }] }',
      "f:2:3: vms: 'a b' is not a name: up to 32 letters A to Z, digits, _ . or - would be right",
      '    2 |   a b: { devices: [{ port: "null:a" }] }',
      '      |   ^',
    ],
    [
      'an item of a list',
      "vms:\n  vm1:\n    devices:\n      - port: 'null:a'\n      - port: 'vale0'\n",
      "f:5:15: vms.vm1.devices[1].port: 'vale0' is a switch without a port: 'vale0:1' would be right",
      "    5 |       - port: 'vale0'",
      '      |               ^',
    ],
    [
      'what two parts do not agree on',
      "ports:\n  'tap:lan': { rx-rings: 2 }\nvms: { vm1: { devices: [{ port: 'tap:lan' }] } }",
      "f:2:26: ports.'tap:lan'.rx-rings: 'tap:lan' has 1 tx and 2 rx rings, and a tap has queues for both ways: the same number would be right",
      "    2 |   'tap:lan': { rx-rings: 2 }",
      '      |                          ^',
    ],
    [
      'a mistake of the form',
      'a: 1\na: 2',
      "f:2:1: 'a' is there twice: each name once would be right",
      '    2 | a: 2',
      '      | ^',
    ],
    [
      'tabs, which are shown as spaces',
      'engine: {\tpolicy: pol }',
      "f:1:19: engine.policy: 'pol' is not known here: 'poll' would be right",
      '    1 | engine: { policy: pol }',
      '      |                   ^',
    ],
    [
      'a name with dots and quotes, which is no path',
      "ports: { 'null:a.b': { tx-rings: x } }",
      "f:1:34: ports.'null:a.b'.tx-rings: 'x' is not a whole number from 1 to 31: 1 would be right",
      "    1 | ports: { 'null:a.b': { tx-rings: x } }",
      '      |                                  ^',
    ],
  ])('%s', (_, text, ...lines) => {
    expect(report(text)).toEqual(lines);
  });

  test('of a long line, what is around it', () => {
    const [, line, mark] = report(`engine: { ${' '.repeat(500)}policy: pol,${' '.repeat(500)} }`);
    expect(line).toHaveLength('    1 | '.length + 60 + 'pol,'.length);
    expect(line!.indexOf('pol,')).toBe(mark!.indexOf('^'));
  });
});

describe('every mistake at once', () => {
  test('of the form', () => {
    const { problems, message } = errorOf(
      'engine: { policy: pol, spin-us: x }\nregions: { lan: { a: 1, b: 2 } }',
    );
    expect(problems).toEqual([
      "engine.policy: 'pol' is not known here: 'poll' would be right",
      "engine.spin-us: 'x' is not a whole number from 0 to 1000000: 0 would be right",
      expect.stringMatching(/^regions\.lan: unknown key 'a': /),
      expect.stringMatching(/^regions\.lan: unknown key 'b': /),
    ]);
    expect(message.split('\n')).toHaveLength(4 * 3);
  });

  test('of what it means', () => {
    const text = `
regions: { lan: {} }
vms:
  vm1: { region: lann, devices: [{ port: 'null:a' }, { name: net0, port: 'null:b' }, { name: net0, port: 'null:c' }] }
  vm2: { region: lam, devices: [{ port: 'null:d' }] }`;
    expect(errorOf(text).problems).toEqual([
      "vms.vm1.region: there is no region 'lann': 'lan' would be right",
      "vms.vm1.devices[1].name: 'net0' is the name of devices[0] already: a name of its own would be right",
      "vms.vm2.region: there is no region 'lam': 'lan' would be right",
    ]);
  });

  test('but no more than ten', () => {
    const text = `vms: { ${Array.from({ length: 13 }, (_, i) => `v${i}: 1`).join(', ')} }`;
    const lines = report(text);
    expect(lines).toHaveLength(10 * 3 + 1);
    expect(lines.at(-1)).toBe('f: and 3 more');
    expect(errorOf(text).problems).toHaveLength(13);
  });
});

test('the mark is below what the message is about, wherever that stands', () => {
  const space = fc.stringMatching(/^[ \t]{0,90}$/);
  fc.assert(
    fc.property(fc.array(space, { minLength: 3, maxLength: 3 }), fc.nat(20), ([a, b, c], above) => {
      const [first, line, mark] = report(
        `${'\n'.repeat(above)}engine: {${a}policy:${b} poll,${c}spin-us: nonsense }`,
      );
      const [, row, column] = /^f:(\d+):(\d+): engine\.spin-us: 'nonsense'/.exec(first!)!;
      expect(Number(row)).toBe(above + 1);
      expect(Number(column)).toBe(`engine: {${a}policy:${b} poll,${c}spin-us: `.length + 1);
      expect(line!.slice(mark!.indexOf('^'))).toMatch(/^nonsense/);
    }),
    { seed: SEED },
  );
});
