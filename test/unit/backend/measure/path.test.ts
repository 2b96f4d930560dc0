// What a path may be: its forms, the ends that each kind of port has, and what is said about those that are none.
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { nameOf, parsePath } from '../../../../backend/measure/path.ts';
import { devicesOf, reachedBy } from '../../../../backend/measure/reach.ts';

const CONFIG = parseConfig(
  `
run-dir: /run/x
regions: { lan: { buf-num: 16384 } }
switches: { vale0: { members: ['tap:up'] }, vale1: }
ports:
  'tap:up': { netns: /run/netns/x }
vms:
  vm1: { region: lan, devices: [{ port: 'vale0:1' }, { port: 'p{1' }, { port: 'null:a' }, { port: 'vale1:1' }] }
  vm2: { region: lan, devices: [{ port: 'vale0:2' }, { port: 'p}1' }, { port: 'echo:e' }, { port: 'tap:lan' }] }
  vm3: { devices: [{ name: uplink, port: 'netmap:eth1' }] }
`,
  'x.yaml',
);
const parse = (text: string) => parsePath(text, CONFIG);

test.each([
  [
    'vm1/net0 -> vm2/net0',
    'vm1/net0 -> vm2/net0',
    { lossless: false, kernel: true, both: false, by: 'vale0' },
  ],
  ['vm1/net0<->vm2/net0', 'vm1/net0 <-> vm2/net0', { both: true, by: 'vale0' }],
  ['vm1/net0 → vm2/net0', 'vm1/net0 -> vm2/net0', {}],
  ['vm1/net0 <- vm2/net0', 'vm2/net0 -> vm1/net0', { both: false }],
  ['vm2/net1 -> vm1/net1', 'vm2/net1 -> vm1/net1', { lossless: true, kernel: false }],
  ['vm1/net2 -> host', 'vm1/net2 -> host', { lossless: true, by: 'null:a' }],
  ['host -> vm1/net2', 'host -> vm1/net2', { lossless: true }],
  ['vm2/net2 -> vm2/net2', 'vm2/net2 -> vm2/net2', { lossless: true, by: 'echo:e' }],
  ['tap:up -> vm1/net0', 'tap:up -> vm1/net0', { kernel: true, lossless: false, by: 'vale0' }],
  ['vm2/net3 -> tap:lan', 'vm2/net3 -> tap:lan', { kernel: true, by: 'tap:lan' }],
  ['vm2/net3 -> vm3/uplink', 'vm2/net3 -> vm3/uplink', { kernel: true, by: "the host's kernel" }],
])('%s is a path', (text, shown, what) => {
  expect(parse(text)).toMatchObject({ text: shown, ...what });
});

test('ends know what drives them: a device with its address, a tap with its interface and namespace', () => {
  expect(parse('tap:up -> vm2/net0')).toMatchObject({
    from: { kind: 'interface', port: 'tap:up', interface: 'up', netns: '/run/netns/x' },
    to: { kind: 'device', vm: 'vm2', device: 'net0', port: 'vale0:2', mac: '02:00:00:00:02:00' },
  });
  expect(parse('vm1/net2 -> host').to).toEqual({ kind: 'host', port: 'null:a' });
});

test.each([
  ['vm1', "'vm1': is not a path: 'vm1/net0 -> host', "],
  ['vm1/net0 vm2/net0', 'is not a path: '],
  ['host -> host', 'one end has to be a device of a VM'],
  ['tap:up -> tap:lan', 'one end has to be a device of a VM'],
  [
    'vm1 -> host',
    "'vm1' is a VM: a device of it, 'vm1/net0', 'vm1/net1', 'vm1/net2' or 'vm1/net3', would be right",
  ],
  ['vm9/net0 -> host', "there is no VM 'vm9': 'vm1' would be right"],
  ['vm1/nat0 -> host', "vm1 has no device 'nat0': 'net0' would be right"],
  ['vm1/net0 -> hosts', "'hosts' is no end of a path"],
  ['vm1/net0 -> host', "'host' is the source and sink of a null port, and vm1/net0 is vale0:1"],
  ['tap:up -> host', "'host' is the source and sink of a null port, and tap:up is the host's already"],
  ['tap:ip -> vm1/net0', "tap:ip is no tap of the file: 'tap:up' would be right"],
  ['null:a -> vm1/net2', "null:a is no tap of the file: 'vm1/net2' would be right"],
  [
    'vm1/net0 -> vm2/net1',
    "vm1/net0 is vale0:1 and does not reach vm2/net1: 'vm2/net0' or 'tap:up' would be right",
  ],
  ['vm1/net3 -> vm1/net3', 'vm1/net3 is vale1:1 and does not reach vm1/net3: it reaches nobody'],
  ['netmap:eth1 -> vm3/uplink', "netmap:eth1 is no tap of the file: 'vm3/uplink' would be right"],
])('%s is refused', (text, message) => {
  expect(() => parse(text)).toThrow(message);
});

describe('whom a device reaches', () => {
  const reach = (vm: string, device: string) =>
    reachedBy(devicesOf(CONFIG).find((each) => each.vm === vm && each.device === device)!, CONFIG).map(
      ({ end }) => nameOf(end),
    );

  test.each([
    ['vm1', 'net0', ['vm2/net0', 'tap:up']],
    ['vm1', 'net1', ['vm2/net1']],
    ['vm1', 'net2', ['host']],
    ['vm1', 'net3', []],
    ['vm2', 'net2', ['vm2/net2']],
    ['vm2', 'net3', ['tap:lan', 'vm3/uplink']],
  ])('%s/%s', (vm, device, ends) => {
    expect(reach(vm, device)).toEqual(ends);
  });
});

describe('ports of applications', () => {
  const lets = (ports: string[]) =>
    parseConfig(
      `applications: { region: lan, ports: ${JSON.stringify(ports)} }
regions: { lan: }
vms: { vm1: { region: lan, devices: [{ port: 'vale0:1' }, { port: 'p{1' }] } }`,
      'x.yaml',
    );
  const config = lets(['p}1', 'null:n']);

  test.each([
    ['vale0:app -> vm1/net0', 'application', 'device', { by: 'vale0', lossless: false }],
    ['vm1/net0 <- vale0:app', 'application', 'device', { by: 'vale0' }],
    ['vm1/net1 <-> p}1', 'device', 'application', { by: 'pipe p{1', lossless: true, both: true }],
    // Of no file.
    ['a{1 -> a}1', 'application', 'application', { by: 'pipe a{1', lossless: true }],
    ['vale9:x -> vale9:y', 'application', 'application', { by: 'vale9' }],
    ['echo:e -> echo:e', 'application', 'application', { lossless: true }],
    ['null:n -> host', 'application', 'host', { lossless: true }],
    ['host -> null:n', 'host', 'application', { lossless: true }],
  ])('%s', (text, from, to, rest) => {
    expect(parsePath(text, config)).toMatchObject({ from: { kind: from }, to: { kind: to }, ...rest });
  });

  test('have an address each, the same at any time', () => {
    const macs = ['vale0:a', 'vale0:b', 'vale0:a'].map((port) => {
      const { from } = parsePath(`${port} -> vm1/net0`, config);
      return from.kind === 'application' ? from.mac : undefined;
    });
    expect(macs[0]).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(macs[0]).toBe(macs[2]);
    expect(macs[0]).not.toBe(macs[1]);
  });

  test.each([
    ['vale1:app -> vm1/net0', 'vale1:app does not reach vm1/net0: it reaches nobody'],
    ['p}1 -> vm1/net0', "p}1 does not reach vm1/net0: 'vm1/net1' would be right"],
    ['vale0:1 -> vm1/net1', "vale0:1 is no tap of the file: 'vm1/net0' would be right"],
    [
      'null:x -> host',
      "null:x is gone whenever its program is, and what it has counted: 'null:x' under 'applications.ports' would be right",
    ],
  ])('%s is refused', (text, message) => {
    expect(() => parsePath(text, config)).toThrow(message);
  });

  test.each(['vale0:app -> vm1/net0', 'vm1/net0 -> vale0:app'])(
    '%s is refused where the file lets no application in',
    (text) => {
      expect(() => parse(text)).toThrow(
        "no device has vale0:app, and the file lets no application have it: 'applications: {}' in the file would be right",
      );
    },
  );
});
