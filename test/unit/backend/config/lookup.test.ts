// The lookup function of a switch in a configuration: what is meant by it, and what is wrong with it.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { messageOf } from './messages.ts';

const onSwitch = (keys: string): string =>
  `switches: { vale0: { members: ['tap:up'], ${keys} } }
vms: { vm1: { devices: [{ port: 'vale0:1' }, { port: 'vale0:2' }, { port: 'vale0:3' }] } }`;
const file = (lookup: string): string => onSwitch(`lookup: ${lookup}`);

const lookupOf = (text: string) => parseConfig(text, 'f').switches.get('vale0')!.lookup;

test('a switch learns unless the file says otherwise', () => {
  expect(lookupOf(onSwitch('mac-age: off'))).toBeUndefined();
  expect(lookupOf(file('learning'))).toEqual({ kind: 'learning' });
  expect(lookupOf(file('hub'))).toEqual({ kind: 'hub' });
});

test('a table of stations; unknown ones get nothing unless the file says otherwise', () => {
  const table = "static: { '02:00:00:00:0A:01': 'vale0:1', '02:00:00:00:00:02': 'tap:up' }";
  const stations = new Map([
    ['02:00:00:00:0a:01', 'vale0:1'],
    ['02:00:00:00:00:02', 'tap:up'],
  ]);
  expect(lookupOf(file(`{ ${table} }`))).toEqual({ kind: 'static', stations, unknown: 'drop' });
  expect(lookupOf(file(`{ ${table}, unknown: flood }`))).toEqual({
    kind: 'static',
    stations,
    unknown: 'flood',
  });
});

test('isolated ports, and communities of some', () => {
  expect(lookupOf(file('{ isolated: { promiscuous: [tap:up] } }'))).toEqual({
    kind: 'isolated',
    promiscuous: ['tap:up'],
    communities: new Map(),
  });
  expect(lookupOf(file("{ isolated: { communities: { blue: ['vale0:1', 'vale0:2'], 7: [] } } }"))).toEqual({
    kind: 'isolated',
    promiscuous: [],
    communities: new Map([
      ['blue', ['vale0:1', 'vale0:2']],
      ['7', []],
    ]),
  });
});

test('a plug-in with its options, which are a text as it is written', () => {
  expect(lookupOf(file('{ plugin: ./firewall.so }'))).toEqual({
    kind: 'plugin',
    path: join(process.cwd(), 'firewall.so'),
    options: '',
  });
  const text = `switches:
  vale0:
    lookup:
      plugin: /usr/lib/firewall.so
      options: |
        pass arp
        pass tcp to any port 80
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }`;
  expect(lookupOf(text)).toEqual({
    kind: 'plugin',
    path: '/usr/lib/firewall.so',
    options: 'pass arp\npass tcp to any port 80\n',
  });
  expect(lookupOf(file('{ plugin: /a.so, options: 007 }'))).toMatchObject({ options: '007' });
});

const at = 'f: switches.vale0.lookup';
const functions = "'learning', 'hub' or a mapping such as '{ plugin: ./firewall.so }'";
test.each([
  ['hubb', `${at}: 'hubb' is not known here: 'hub' would be right`],
  ['firewall', `${at}: 'firewall' is not known here: ${functions} would be right`],
  ['7', `${at}: 7 is not known here: ${functions} would be right`],
  ['[hub]', `${at}: a list is not known here: ${functions} would be right`],
  ['', `${at}: nothing is not known here: ${functions} would be right`],
  [
    '{}',
    `${at}: it names no function: 'hub', 'static', 'isolated' or 'plugin: ./firewall.so' would be right`,
  ],
  ['{ plug-in: ./a.so }', `${at}: unknown key 'plug-in': 'plugin' would be right`],
  [
    '{ isolated: {}, plugin: ./a.so }',
    `${at}: 'isolated' and 'plugin' are two functions: one of them would be right`,
  ],
  [
    '{ isolated: {}, options: x }',
    `${at}: 'options' are a plug-in's, and this is 'isolated': without them would be right`,
  ],
  [
    '{ plugin: a.so, unknown: drop }',
    `${at}: 'unknown' belongs to 'static', and this is 'plugin': without it would be right`,
  ],
  ['{ plugin: 7 }', `${at}.plugin: 7 is not the path of a plug-in: './firewall.so' would be right`],
  [
    '{ plugin: ~/a.so }',
    `${at}.plugin: '~/a.so' is not the path of a plug-in: './firewall.so' would be right`,
  ],
  ['{ plugin: a.so, options: [a] }', `${at}.options: a list is not a text: one behind '|' would be right`],
  [
    '{ plugin: a.so, options: "a\\0b" }',
    `${at}.options: there is a zero byte in the text: one without would be right`,
  ],
  [
    `{ plugin: a.so, options: "${'x'.repeat(2 ** 20 + 1)}" }`,
    `${at}.options: 1048577 characters are too many: 1048576 would be right`,
  ],
  ['{ static: [] }', `${at}.static: a list is not a mapping: '02:00:00:00:01:00': 'vale0:1' would be right`],
  [
    "{ static: { '02:00:00:00:01': 'vale0:1' } }",
    `${at}.static: '02:00:00:00:01' is not a MAC address: 02:00:00:00:01:00 would be right`,
  ],
  [
    "{ static: { '03:00:00:00:00:01': 'vale0:1' } }",
    `${at}.static: '03:00:00:00:00:01' is a multicast address: '02:00:00:00:00:01' would be right`,
  ],
  [
    "{ static: { '02:00:00:00:00:01': 1 } }",
    `${at}.static.'02:00:00:00:00:01': 1 is not a port name: 'vale0:1' in quotes would be right`,
  ],
  [
    "{ static: { '02:00:00:00:00:01': 'vale0:4' } }",
    `${at}.static.'02:00:00:00:00:01': 'vale0:4' is not on switch 'vale0': 'vale0:1' would be right`,
  ],
  [
    '{ static: {}, unknown: learn }',
    `${at}.unknown: 'learn' is not known here: 'drop' or 'flood' would be right`,
  ],
  [
    '{ isolated: { promiscuous: tap:up } }',
    `${at}.isolated.promiscuous: 'tap:up' is not a list: '[tap:lan]' would be right`,
  ],
  [
    '{ isolated: { promiscuous: [tap:down] } }',
    `${at}.isolated.promiscuous[0]: 'tap:down' is not on switch 'vale0': 'vale0:1', 'vale0:2', 'vale0:3' or 'tap:up' would be right`,
  ],
  [
    "{ isolated: { promiscuous: [tap:up], communities: { blue: ['vale0:1', tap:up] } } }",
    `${at}.isolated.communities.blue[1]: 'tap:up' is promiscuous already: one place would be right`,
  ],
  [
    "{ isolated: { communities: { blue: ['vale0:1'], red: ['vale0:1'] } } }",
    `${at}.isolated.communities.red[0]: 'vale0:1' is in community 'blue' already: one place would be right`,
  ],
  [
    "{ isolated: { communities: { 'a b': [] } } }",
    `${at}.isolated.communities: 'a b' is not a name of a community: up to 32 letters A to Z, digits, _ . or - would be right`,
  ],
  [
    '{ isolated: { communities: { blue: [7] } } }',
    `${at}.isolated.communities.blue[0]: 7 is not a port name: 'vale0:1' would be right`,
  ],
  [
    `{ isolated: { communities: { ${Array.from({ length: 255 }, (_, i) => `c${i}: []`).join(', ')} } } }`,
    `${at}: 255 communities are too many: at most 254 would be right`,
  ],
])('%j', (lookup, message) => {
  expect(messageOf(file(lookup))).toBe(message);
});

test('a port of another switch is not on this one', () => {
  expect(
    messageOf(`switches: { vale0: { lookup: { isolated: { promiscuous: ['vale1:1'] } } }, vale1: {} }
vms: { vm1: { devices: [{ port: 'vale1:1' }] } }`),
  ).toBe(`${at}.isolated.promiscuous[0]: 'vale1:1' is not on switch 'vale0': one that is would be right`);
});
