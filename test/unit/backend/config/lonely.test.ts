// A port that is alone on its switch: nobody answers there, and most often a name was mistyped.
import { expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { configWarnings } from '../../../../backend/config/warnings.ts';

const warnings = (ports: readonly string[], rest = ''): string[] =>
  configWarnings(
    parseConfig(
      `vms: { vm1: { devices: [${ports.map((port) => `{ port: '${port}' }`).join(', ')}] } }\n${rest}`,
      'f',
    ),
  ).filter((warning) => warning.includes('alone'));

test('the name that may be meant', () => {
  expect(warnings(['vale0:1', 'vale0:2', 'valeO:3'])).toEqual([
    "vms.vm1.devices[2].port: 'valeO:3' is alone on switch 'valeO', so nobody can answer: 'vale0:3' may be meant",
  ]);
});

test('no name is near', () => {
  expect(warnings(['vale0:1'])).toEqual([
    "vms.vm1.devices[0].port: 'vale0:1' is alone on switch 'vale0', so nobody can answer: a second port would be right",
  ]);
});

test('members count', () => {
  expect(warnings(['vale0:1'], "switches: { vale0: { members: ['tap:lan'] } }")).toEqual([]);
  expect(warnings(['null:a'], "switches: { vale1: { members: ['tap:lan'] } }")).toEqual([
    "switches.vale1.members[0]: 'tap:lan' is alone on switch 'vale1', so nobody can answer: a second port would be right",
  ]);
});

test('other ports are alone by nature', () => {
  expect(warnings(['null:a', 'echo:b'])).toEqual([]);
});
