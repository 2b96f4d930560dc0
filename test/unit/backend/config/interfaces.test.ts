// What is wrong with the interfaces of the host in a configuration: taps and others, as ports and as members of switches.
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { device, messageOf } from './messages.ts';

describe('interfaces of the host', () => {
  const tap = (keys: string): string => device("port: 'tap:lan'", `ports: { 'tap:lan': { ${keys} } }`);
  const netmap = (keys: string, name = 'netmap:eth1'): string =>
    device(`port: '${name}'`, `ports: { '${name}': { ${keys} } }`);
  const right = "'192.0.2.1/24' or '2001:db8::1/64' would be right";
  const onVale = (members: string, rest = ''): string =>
    `switches: { vale0: { members: ${members} } }\n${rest}`;
  test.each([
    ...['192.0.2.1/33', '192.0.2.256/24', '2001:db8::1/129', 'fe80::1%eth0/64', '192.0.2.1/', 'host'].map(
      (text) => [
        tap(`address: '${text}'`),
        `f: ports.'tap:lan'.address[0]: '${text}' is not an address: ${right}`,
      ],
    ),
    [tap("address: ['192.0.2.1/24', 7]"), `f: ports.'tap:lan'.address[1]: 7 is not an address: ${right}`],
    [
      tap("netns: 'a b'"),
      "f: ports.'tap:lan'.netns: 'a b' is not a network namespace: a name that 'ip netns' shows would be right",
    ],
    [tap('mtu: 67'), "f: ports.'tap:lan'.mtu: 67 is not a whole number from 68 to 65521: 68 would be right"],
    [
      tap('mtu: 65522'),
      "f: ports.'tap:lan'.mtu: 65522 is not a whole number from 68 to 65521: 65521 would be right",
    ],
    [
      tap('tx-rings: 2'),
      "f: ports.'tap:lan'.rx-rings: 'tap:lan' has 2 tx and 1 rx rings, and a tap has queues for both ways: the same number would be right",
    ],
    ...[
      ['address: 192.0.2.1/24', 'address', 'an'],
      ['netns: blue', 'netns', 'a'],
      ['mtu: 1500', 'mtu', 'a'],
    ].map(([keys, key, article]) => [
      device("port: 'null:a'", `ports: { 'null:a': { ${keys} } }`),
      `f: ports.'null:a'.${key}: 'null:a' has no interface of the host: 'tap:lan' would be right for one with ${article} ${key}`,
    ]),
    [
      netmap('access: af_xdp'),
      "f: ports.'netmap:eth1'.access: 'af_xdp' is not known here: 'af-xdp' would be right",
    ],
    [
      tap('access: auto'),
      "f: ports.'tap:lan'.access: 'tap:lan' is reached in one way only: 'netmap:eth0' would be right for one with an access",
    ],
    [
      netmap('access: auto', 'netmap:eth1^'),
      "f: ports.'netmap:eth1^'.access: 'netmap:eth1^' is reached in one way only: 'netmap:eth0' would be right for one with an access",
    ],
    [
      device("port: 'null:a'", "ports: { 'null:a': { access: auto } }"),
      "f: ports.'null:a'.access: 'null:a' has no interface of the host: 'netmap:eth0' would be right for one with an access",
    ],
    [
      netmap('address: 192.0.2.1/24'),
      "f: ports.'netmap:eth1'.address: an address of 'netmap:eth1' is the host's own there, and the host has its own side of an interface: 'netmap:eth1^' would be right for one with an address",
    ],
    [
      netmap('tx-rings: 2'),
      "f: ports.'netmap:eth1'.rx-rings: 'netmap:eth1' has 2 tx and 1 rx rings, and an interface has queues for both ways: the same number would be right",
    ],
    [
      onVale("['netmap:eth1', 'netmap:eth1']"),
      "f: switches.vale0.members[1]: 'netmap:eth1' is a member of switch 'vale0' already: an interface of its own would be right",
    ],
    [
      onVale("['netmap:lan', 'tap:lan']"),
      "f: ports.'tap:lan': 'tap:lan' and 'netmap:lan' are the same interface: one of them would be right, or another interface",
    ],
    [
      onVale("['tap:lan']", device("port: 'netmap:lan'")),
      "f: ports.'tap:lan': 'tap:lan' and 'netmap:lan' are the same interface: one of them would be right, or another interface",
    ],
    [onVale('tap:lan'), "f: switches.vale0.members: 'tap:lan' is not a list: '[tap:lan]' would be right"],
    [
      onVale("['null:a']"),
      "f: switches.vale0.members[0]: 'null:a' cannot stand on a switch by itself: 'tap:lan' would be right",
    ],
    [
      onVale("['tap:lan', 'tap:lan']"),
      "f: switches.vale0.members[1]: 'tap:lan' is a member of switch 'vale0' already: an interface of its own would be right",
    ],
    [
      "switches: { vale0: { members: ['tap:lan'] }, vale1: { members: ['tap:lan'] } }",
      "f: switches.vale1.members[0]: 'tap:lan' is a member of switch 'vale0' already: an interface of its own would be right",
    ],
    [
      onVale("['tap:lan']", device("port: 'tap:lan'")),
      "f: switches.vale0.members[0]: 'tap:lan' is the port of vm1's net0 already: an interface of its own would be right",
    ],
    [
      onVale("['tap:lan']", "ports: { 'tap:lan': { rx-rings: 3 } }"),
      "f: ports.'tap:lan'.rx-rings: 'tap:lan' has 1 tx and 3 rx rings, and a member has queues for both ways: the same number would be right",
    ],
  ])('%j', (text, message) => {
    expect(messageOf(text!)).toBe(message);
  });

  test('interfaces of one name in two namespaces are two', () => {
    const text = `switches: { vale0: { members: ['netmap:lan', 'tap:lan', 'netmap:lan^'] } }
ports: { 'tap:lan': { netns: blue }, 'netmap:lan': { access: af-packet, mtu: 9000, netns: red } }`;
    const { ports } = parseConfig(text, 'f');
    expect(ports.get('netmap:lan')).toMatchObject({ access: 'af-packet', mtu: 9000, vnetHdr: true });
  });

  test('a host may have members of switches and no VM', () => {
    const config = parseConfig(onVale("['tap:a', 'tap:pt%d']"), 'f');
    expect([...config.ports.keys()]).toEqual(['tap:a', 'tap:pt%d']);
  });
});
