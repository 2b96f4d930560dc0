// Whom a file lets a device reach: by pipes, switches and their lookup functions, and nobody else.
import { expect, test } from 'vitest';
import { arrives, nameOf, reachesMember, type Target } from '../../../../../backend/check/live/reach.ts';
import { parseConfig } from '../../../../../backend/config/load.ts';
import { placeDevices } from '../../../../../backend/config/placed.ts';

function reach(yaml: string) {
  const config = parseConfig(yaml, 'test.yaml');
  const placed = placeDevices(config);
  const find = (name: string) => placed.find((place) => nameOf(place) === name)!;
  const target = (name: string): Target => (name === '*' ? 'everybody' : find(name));
  return {
    arrives: (from: string, to: string, at = to) => arrives(find(from), target(to), find(at), config),
    member: (from: string, member: string) => reachesMember(find(from), member, config),
  };
}

const vms = (...ports: string[]): string =>
  ports.map((port, i) => `  vm${i + 1}: { devices: [{ port: '${port}' }] }\n`).join('');
const on = (lookup: string, members = ''): string =>
  `switches: { vale0: { ${lookup} ${members} } }\nvms:\n${vms('vale0:1', 'vale0:2', 'vale0:3')}`;

test('a pipe reaches its other end only', () => {
  const { arrives: to } = reach(`regions: { r: }
vms:
  vm1: { region: r, devices: [{ port: 'p{1' }, { port: 'p{2' }] }
  vm2: { region: r, devices: [{ port: 'p}1' }, { port: 'p}2' }] }`);
  expect(to('vm1/net0', 'vm2/net0')).toBe('must');
  expect(to('vm2/net0', 'vm1/net0')).toBe('must');
  expect(to('vm1/net0', 'vm2/net1')).toBe('never');
  expect(to('vm1/net0', 'vm1/net1')).toBe('never');
  // Whatever the address is, the other end gets it.
  expect(to('vm1/net0', 'vm2/net1', 'vm2/net0')).toBe('must');
});

test('a learning switch: who is meant, and no other', () => {
  const { arrives: to } = reach(`vms:\n${vms('vale0:1', 'vale0:2', 'vale0:3', 'vale1:1', 'null:a')}`);
  expect(to('vm1/net0', 'vm2/net0')).toBe('must');
  expect(to('vm1/net0', 'vm2/net0', 'vm3/net0')).toBe('never');
  expect(to('vm1/net0', '*', 'vm3/net0')).toBe('must');
  expect(to('vm1/net0', 'vm4/net0')).toBe('never');
  // An address of another switch is unknown here.
  expect(to('vm1/net0', 'vm4/net0', 'vm3/net0')).toBe('must');
  expect(to('vm1/net0', 'vm5/net0')).toBe('never');
  expect(to('vm1/net0', '*', 'vm1/net0')).toBe('never');
});

test('a hub: everybody', () => {
  const { arrives: to } = reach(on('lookup: hub'));
  expect(to('vm1/net0', 'vm2/net0', 'vm3/net0')).toBe('must');
});

test.each([
  ['drop', 'never'],
  ['flood', 'must'],
])('a table: as it says, others %s', (unknown, verdict) => {
  const { arrives: to } = reach(
    on(`lookup: { static: { '02:00:00:00:02:00': 'vale0:3' }, unknown: ${unknown} }`),
  );
  expect(to('vm1/net0', 'vm2/net0')).toBe('never');
  expect(to('vm1/net0', 'vm2/net0', 'vm3/net0')).toBe('must');
  expect(to('vm1/net0', 'vm3/net0')).toBe(verdict);
  expect(to('vm1/net0', '*', 'vm2/net0')).toBe('must');
});

test('isolated ports reach promiscuous ones, and those of their community', () => {
  const { arrives: to, member } = reach(
    on(
      "lookup: { isolated: { promiscuous: ['tap:up'], communities: { a: ['vale0:1', 'vale0:2'] } } },",
      "members: ['tap:up']",
    ),
  );
  expect(to('vm1/net0', 'vm2/net0')).toBe('must');
  expect(to('vm1/net0', 'vm3/net0')).toBe('never');
  expect(to('vm3/net0', '*', 'vm1/net0')).toBe('never');
  expect(to('vm1/net0', 'vm2/net0', 'vm3/net0')).toBe('never');
  expect(member('vm3/net0', 'tap:up')).toBe('must');
});

test('members: by the switch, by isolation, and from elsewhere never', () => {
  const isolated = reach(on('lookup: { isolated: {} },', "members: ['tap:up']"));
  expect(isolated.member('vm1/net0', 'tap:up')).toBe('never');
  const plain = reach(
    `switches: { vale0: { members: ['tap:up'] } , vale1: }\nvms:\n${vms('vale0:1', 'vale1:1')}`,
  );
  expect(plain.member('vm1/net0', 'tap:up')).toBe('must');
  expect(plain.member('vm2/net0', 'tap:up')).toBe('never');
});

test('a plug-in decides by itself', () => {
  const { arrives: to } = reach(on('lookup: { plugin: /x.so }'));
  expect(to('vm1/net0', 'vm2/net0')).toBe('may');
});

test('a monitor sees what passes its port, and reaches nobody', () => {
  const { arrives: to } = reach(`vms:\n${vms('vale0:1', 'vale0:2', 'vale0:1/rt')}`);
  expect(to('vm2/net0', 'vm1/net0', 'vm3/net0')).toBe('may');
  expect(to('vm3/net0', 'vm1/net0')).toBe('never');
});
