// The lookup functions of switches as JavaScript sets them: what is refused, with which words, and what they leave behind.
import { expect, test } from 'vitest';
import { addon, type Lookup } from '../../../native/addon.ts';
import { Engine } from '../../../native/engine.ts';
import { ValeSwitch } from '../../../native/ports.ts';

const vale = new ValeSwitch(new Engine([[]]), 'vale0');

test('every kind is taken', () => {
  const stations = [{ mac: Uint8Array.of(2, 0, 0, 0, 0, 1), port: 'vale0:1' }];
  const kinds: Lookup[] = [
    { kind: 'hub' },
    { kind: 'static', stations, flood: true },
    { kind: 'static', stations: [], flood: false },
    { kind: 'isolated', promiscuous: ['tap:up'], communities: [['vale0:1'], []] },
    { kind: 'learning' },
  ];
  for (const lookup of kinds) expect(() => vale.setLookup(lookup)).not.toThrow();
});

test.each([
  [undefined, 'kind: not a string'],
  [{ kind: 'tree' }, "kind: 'tree' is not learning, hub, static, isolated or plugin"],
  [{ kind: 'static' }, 'stations: not an array: addresses and ports are expected'],
  [{ kind: 'static', stations: [{ mac: new Uint8Array(5), port: 'a' }] }, 'a MAC address is six bytes'],
  [{ kind: 'static', stations: [{ mac: new Uint8Array(6) }] }, 'port: not a string'],
  [{ kind: 'isolated', promiscuous: 'a' }, 'promiscuous: not an array: names are expected'],
  [{ kind: 'isolated', promiscuous: [1] }, 'promiscuous: not a string'],
  [
    { kind: 'isolated', promiscuous: [], communities: ['a'] },
    'communities: not an array: names are expected',
  ],
  [{ kind: 'plugin' }, 'path: not a string'],
  [{ kind: 'plugin', path: '/a.so' }, 'options: not a string'],
])('%j is refused', (lookup, message) => {
  expect(() => vale.setLookup(lookup as Lookup)).toThrow(message);
});

test('a plug-in that cannot be had is an error with a code', () => {
  const refused = () => vale.setLookup({ kind: 'plugin', path: '/nowhere/a.so', options: '' });
  expect(refused).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});

test('only a switch has one', () => {
  expect(() => addon.switchSetLookup({} as typeof vale.handle, { kind: 'hub' })).toThrow(
    'not a handle of a switch',
  );
});
