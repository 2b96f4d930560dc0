// Every mistake in a configuration gets one line that names the place, what is wrong and what would be right.
import { cpus, homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import type { ConfigurationError } from '../../../../backend/errors.ts';
import { device, devices, messageOf, vms } from './messages.ts';

const port = (fields: string): string => device("port: 'null:a'", `ports: { 'null:a': { ${fields} } }`);
const region = (fields: string): string =>
  `regions: { lan: { ${fields} } }\nvms: { vm1: { region: lan, devices: [{ port: 'null:a' }] } }`;
const vm = (fields: string): string => `vms: { vm1: { devices: [{ port: 'null:a' }], ${fields} } }`;
const FORMS =
  'valeS:P, X{id, X}id, null:NAME, echo:NAME, tap:NAME, netmap:IF, netmap:IF^, X/r, X/t, X/rt or X/z would be right';

describe('the form of the file', () => {
  test.each([
    ['', "f: vms: there is none: a name such as 'vm1' with its devices would be right"],
    ['vms: {}', "f: vms: there is none: a name such as 'vm1' with its devices would be right"],
    ['7', "f: 7 is not a mapping: keys such as 'run-dir' would be right"],
    ['vms: [1]', "f: vms: a list is not a mapping: a name such as 'vm1' with its devices would be right"],
    ['run_dir: /x', "f: unknown key 'run_dir': 'run-dir' would be right"],
    ['runDir: /x', "f: unknown key 'runDir': 'run-dir' would be right"],
    [
      'zzzzzz: 1',
      "f: unknown key 'zzzzzz': 'run-dir', 'socket-mode', 'socket-group', 'control', 'applications', 'engine', 'regions', 'switches', 'ports' or 'vms' would be right",
    ],
    ['run-dir: 7', "f: run-dir: 7 is not a path: '/run/ptnetmap' would be right"],
    ['run-dir: ~/x', `f: run-dir: '~/x': nobody expands ~ here: '${join(homedir(), 'x')}' would be right`],
    ['run-dir: ~you/x', "f: run-dir: '~you/x': nobody expands ~ here: '/run/ptnetmap' would be right"],
    ['run-dir: "a\\nb"', "f: run-dir: 'a\\u{a}b' is not a path: '/run/ptnetmap' would be right"],
    ['socket-mode: 600x', "f: socket-mode: '600x' is not the mode of a socket: '0660' would be right"],
    ['socket-mode: 0755', "f: socket-mode: '0755' is not the mode of a socket: '0660' would be right"],
    ['socket-mode: 0060', "f: socket-mode: '0060' is not the mode of a socket: '0660' would be right"],
    ['socket-group: [a]', 'f: socket-group: a list is not a group: its name or number would be right'],
    [
      "socket-group: nobody-has-this\nvms: { v: { devices: [{ port: 'null:a' }] } }",
      "f: socket-group: there is no group 'nobody-has-this' here: one of 'getent group' would be right",
    ],
    [
      "vms: { v: { pci-ids: cccc, devices: [{ port: 'null:a' }] } }",
      "f: vms.v.pci-ids: 'cccc' is not known here: '1b36:000c' or '1b36:cccc' would be right",
    ],
    ['run-dir: ""', "f: run-dir: '' is not a path: '/run/ptnetmap' would be right"],
    ['engine: { worker: 1 }', "f: engine: unknown key 'worker': 'workers' would be right"],
    ['engine: { cpus: 0 }', "f: engine.cpus: 0 is not a list: '[0]' would be right"],
    ['engine: { cpus: [] }', "f: engine.cpus: the list is empty: '[0]' would be right"],
    [
      'engine: { cpus: [-1] }',
      'f: engine.cpus[0]: -1 is not a whole number from 0 to 4095: 0 would be right',
    ],
    [
      'switches: { vale0: { patience-us: 100001 } }',
      'f: switches.vale0.patience-us: 100001 is not a whole number from 0 to 100000: 100000 would be right',
    ],
    ['engine: { workers: 0 }', 'f: engine.workers: 0 is not a whole number from 1 to 64: 1 would be right'],
    [
      'engine: { spin-us: 1.5 }',
      'f: engine.spin-us: 1.5 is not a whole number from 0 to 1000000: 2 would be right',
    ],
    ['engine: { policy: pol }', "f: engine.policy: 'pol' is not known here: 'poll' would be right"],
    [
      'engine: { policy: 3 }',
      "f: engine.policy: 3 is not known here: 'poll', 'adaptive', 'notify' or 'inline' would be right",
    ],
    ['a: 1\na: 2', "f: 'a' is there twice: each name once would be right"],
    [
      'vms: { a: { devices: [{ port: p{1 }] } }',
      "f: Unexpected flow-map-start at node end: a pipe's name in quotes, as in 'p{1', would be right",
    ],
  ])('%j', (text, message) => {
    expect(messageOf(text)).toBe(message);
  });
});

describe('regions', () => {
  test.each([
    [region('id: 0'), 'f: regions.lan.id: 0 is not a whole number from 1 to 65535: 1 would be right'],
    [
      region('id: 65536'),
      'f: regions.lan.id: 65536 is not a whole number from 1 to 65535: 65535 would be right',
    ],
    [
      region('if-num: 9'),
      'f: regions.lan.if-num: 9 is not a whole number from 10 to 10000: 10 would be right',
    ],
    [
      region('if-size: 55'),
      'f: regions.lan.if-size: 55 is not a whole number from 56 to 4096: 56 would be right',
    ],
    [
      region('ring-num: 1'),
      'f: regions.lan.ring-num: 1 is not a whole number from 2 to 1024: 2 would be right',
    ],
    [
      region('ring-size: 131073'),
      'f: regions.lan.ring-size: 131073 is not a whole number from 256 to 131072: 131072 would be right',
    ],
    [
      region('buf-num: 1000001'),
      'f: regions.lan.buf-num: 1000001 is not a whole number from 4 to 1000000: 1000000 would be right',
    ],
    [
      region('buf-size: 63'),
      'f: regions.lan.buf-size: 63 is not a whole number from 64 to 65536: 64 would be right',
    ],
    [region('bufnum: 1'), "f: regions.lan: unknown key 'bufnum': 'buf-num' would be right"],
    [
      region('buf-num: 2049'),
      "f: regions.lan.buf-num: 2049 buffers are too few for the ports in region 'lan': 2050 would be right",
    ],
    [
      region('ring-size: 16639'),
      "f: regions.lan.ring-size: 16639 bytes are too few for the 1024 slots of 'null:a': 16640 would be right",
    ],
    [
      region('if-size: 87'),
      "f: regions.lan.if-size: 87 bytes are too few for the 2 rings of 'null:a': 88 would be right",
    ],
    [
      "engine: { workers: 2, cpus: [0] }\nvms: { vm1: { devices: [{ port: 'null:a' }] } }",
      'f: engine.cpus: 1 CPUs for 2 workers: one for each would be right',
    ],
    [
      "engine: { cpus: [4095] }\nvms: { vm1: { devices: [{ port: 'null:a' }] } }",
      `f: engine.cpus: 4095 is not a CPU of this machine: 0 to ${cpus().length - 1} would be right`,
    ],
    [
      "regions: { a: { id: 5 }, b: { id: 5 } }\nvms: { vm1: { devices: [{ port: 'null:a' }] } }",
      "f: regions.b.id: 5 is the id of region 'a' already: an id of its own would be right",
    ],
    [
      "regions: { 'a/b': {} }",
      "f: regions: 'a/b' is not a name: up to 32 letters A to Z, digits, _ . or - would be right",
    ],
    [
      vms([`region: lan, ${devices('p{1', 'p}1')}`], 'regions: { lan: { buf-num: 2049 } }'),
      "f: regions.lan.buf-num: 2049 buffers are too few for the ports in region 'lan': 2050 would be right",
    ],
    [
      vms([`region: lan, ${devices('null:a', 'null:b')}`], 'regions: { lan: { ring-num: 3 } }'),
      "f: regions.lan.ring-num: 3 rings are too few for the ports in region 'lan': 4 would be right",
    ],
    [
      device("port: 'echo:a'", "ports: { 'echo:a': { tx-rings: 2 } }"),
      "f: ports.'echo:a'.rx-rings: 1 rx rings of 'echo:a' are to bring back what 2 tx rings send: the same number would be right",
    ],
    [
      vms(
        ["region: lan, devices: [{ port: 'p{1', policy: poll }]", `region: lan, ${devices('p}1')}`],
        'regions: { lan: {} }',
      ),
      "f: vms.vm2.devices[0].policy: vm2 has 'p}1' with adaptive and vm1 has 'p{1' with poll, and the two ends are served together: 'policy: poll' for both would be right",
    ],
    [
      `switches: { vale0: { mac-age: 0 } }\n${device("port: 'vale0:1'")}`,
      "f: switches.vale0.mac-age: 0 is not a number of seconds from 1 to 1000000: 300 or 'off' would be right",
    ],
  ])('%j', (text, message) => {
    expect(messageOf(text)).toBe(message);
  });
});

describe('ports and devices', () => {
  test.each([
    [
      device('port: foo'),
      `f: vms.vm1.devices[0].port: 'foo' is not a port name: ${FORMS} (letters A to Z, digits, _ and .)`,
    ],
    [
      device('port: 7'),
      "f: vms.vm1.devices[0].port: 7 is not a port name: 'vale0:1' in quotes would be right",
    ],
    [
      device(''),
      "f: vms.vm1.devices[0].port: nothing is not a port name: 'vale0:1' in quotes would be right",
    ],
    [
      device("port: 'netmap:eth0*'"),
      "f: vms.vm1.devices[0].port: 'netmap:eth0*' asks for the host's rings beside the interface's, and a guest takes all rings for the interface's: 'netmap:eth0' and 'netmap:eth0^', as two devices or as two members of a switch, would be right",
    ],
    [device("prot: 'null:a'"), "f: vms.vm1.devices[0]: unknown key 'prot': 'port' would be right"],
    [
      device("port: 'null:a', mac: '01:00:5e:00:00:01'"),
      "f: vms.vm1.devices[0].mac: '01:00:5e:00:00:01' is a multicast address: '00:00:5e:00:00:01' would be right",
    ],
    [
      device("port: 'null:a', mac: '2:0:0:0:0:1'"),
      "f: vms.vm1.devices[0].mac: '2:0:0:0:0:1' is not a MAC address: 02:00:00:00:01:00 would be right",
    ],
    [
      device("port: 'null:a', mac: 12"),
      "f: vms.vm1.devices[0].mac: 12 is not a MAC address: '02:00:00:00:01:00' in quotes would be right",
    ],
    [
      device("port: 'null:a', mac: '00:00:00:00:00:00'"),
      "f: vms.vm1.devices[0].mac: '00:00:00:00:00:00' is no station's address: 02:00:00:00:01:00 would be right",
    ],
    [
      device("port: 'null:a', bar0: memory"),
      "f: vms.vm1.devices[0].bar0: 'memory' is not known here: 'mem' would be right",
    ],
    [
      device("port: 'null:a', name: mem"),
      "f: vms.vm1.devices[0].name: 'mem' is the memory device's own name: 'net0' would be right",
    ],
    [
      device("port: 'null:a', name: ../x"),
      "f: vms.vm1.devices[0].name: '../x' is not a name: up to 32 letters A to Z, digits, _ . or - would be right",
    ],
    [
      port('tx-rings: 0'),
      "f: ports.'null:a'.tx-rings: 0 is not a whole number from 1 to 31: 1 would be right",
    ],
    [
      port('tx-slots: 1'),
      "f: ports.'null:a'.tx-slots: 1 is not a whole number from 2 to 8176: 2 would be right",
    ],
    [
      port('rx-slots: 8177'),
      "f: ports.'null:a'.rx-slots: 8177 is not a whole number from 2 to 8176: 8176 would be right",
    ],
    [
      port('tx-rings: 17, rx-rings: 16'),
      "f: vms.vm1.devices[0].port: 'null:a' has 17 tx and 16 rx rings, and a device has doorbells for 32: tx-rings and rx-rings that add up to at most 32 would be right",
    ],
    [
      port('source: { packet: 1 }'),
      "f: ports.'null:a'.source: unknown key 'packet': 'packets' would be right",
    ],
    [
      port('source: { packets: all }'),
      "f: ports.'null:a'.source.packets: 'all' is not a number of packets: 1000000 or 'unlimited' would be right",
    ],
    [
      port('source: { size: 31 }'),
      "f: ports.'null:a'.source.size: 31 is not a whole number from 32 to 65536: 32 would be right",
    ],
    [
      port('source: { size: 2049 }'),
      "f: ports.'null:a'.source.size: 2049 bytes do not fit a buffer of the private region of vm1: at most 2048 would be right",
    ],
    [
      port('source: { stream: 256 }'),
      "f: ports.'null:a'.source.stream: 256 is not a whole number from 0 to 255: 255 would be right",
    ],
    [
      port('sink: { verify: 1 }'),
      "f: ports.'null:a'.sink.verify: 1 is neither: true or false would be right",
    ],
    [
      device("port: 'vale0:1'", "ports: { 'vale0:1': { source: {} } }"),
      "f: ports.'vale0:1'.source: 'vale0:1' is not a null port: 'null:a' would be right for a source",
    ],
    [
      device("port: 'vale0:1'", "ports: { 'vale0:1': { sink: { verify: true } } }"),
      "f: ports.'vale0:1'.sink: 'vale0:1' is not a null port: 'null:a' would be right for a sink",
    ],
    [port('vnet-hdr: off'), "f: ports.'null:a'.vnet-hdr: 'off' is neither: true or false would be right"],
    [
      'switches: { vale0: { mtu: 67 } }',
      'f: switches.vale0.mtu: 67 is not a whole number from 68 to 65521: 68 would be right',
    ],
    [
      device("port: 'null:a'", 'ports: { bar: {} }'),
      `f: ports: 'bar' is not a port name: ${FORMS} (letters A to Z, digits, _ and .)`,
    ],
    [
      device("port: 'null:a'", 'switches: { lan: {} }'),
      "f: switches: 'lan' is not a switch: a name that starts with vale, such as 'vale0', would be right",
    ],
  ])('%j', (text, message) => {
    expect(messageOf(text)).toBe(message);
  });
});

describe('VMs', () => {
  const many = (count: number, name: (i: number) => string): string =>
    devices(...Array.from({ length: count }, (_, i) => name(i)));

  test.each([
    [vm('memory: 512'), "f: vms.vm1.memory: 512 is not a size: '512M' would be right"],
    [vm('memory: 512MB'), "f: vms.vm1.memory: '512MB' is not a size: '512M' would be right"],
    [vm('memory: 1K'), "f: vms.vm1.memory: '1K' is not whole megabytes: '512M' would be right"],
    [vm('machine: i440fx'), "f: vms.vm1.machine: 'i440fx' is not known here: 'pc' or 'q35' would be right"],
    [
      vm('region: lan'),
      "f: vms.vm1.region: there is no region 'lan': an entry 'lan' under regions would be right",
    ],
    [
      'vms: { vm1: { devices: [] } }',
      "f: vms.vm1.devices: the list is empty: '- port: vale0:1' would be right",
    ],
    ['vms: { vm1: {} }', "f: vms.vm1.devices: nothing is not a list: '- port: vale0:1' would be right"],
    [
      "vms: { '-a': {} }",
      "f: vms: '-a' is not a name: up to 32 letters A to Z, digits, _ . or - would be right",
    ],
    [
      vms([`region: lam, ${devices('null:a')}`], 'regions: { lan: , wan: }'),
      "f: vms.vm1.region: there is no region 'lam': 'lan' would be right",
    ],
    [
      vms(['devices: [{ port: "null:a", name: x }, { port: "null:b", name: x }]']),
      "f: vms.vm1.devices[1].name: 'x' is the name of devices[0] already: a name of its own would be right",
    ],
    [
      vms([devices('null:a'), devices('null:a')]),
      "f: vms.vm2.devices[0].port: 'null:a' belongs to vm1's net0 already: a port of its own would be right",
    ],
    [
      vms([many(29, (i) => `null:${i}`)]),
      'f: vms.vm1.devices: 29 devices do not fit on a PCI bus: at most 28 would be right',
    ],
    [
      vms([devices('null:a')], `run-dir: /${'x'.repeat(96)}`),
      `f: run-dir: '/${'x'.repeat(96)}/vm1/net0.sock' has 111 bytes, too many for a socket: at most 107 would be right`,
    ],
  ])('%j', (text, message) => {
    expect(messageOf(text)).toBe(message);
  });
});

describe('switches', () => {
  test.each([
    [
      vms([
        'devices: [{ port: "vale0:1", mac: "02:00:00:00:00:01" }]',
        'devices: [{ port: "vale0:2", mac: "02:00:00:00:00:01" }]',
      ]),
      "f: vms.vm2.devices[0].mac: '02:00:00:00:00:01' is the address of vm1's net0 on switch 'vale0' already: an address of its own would be right",
    ],
    [
      vms([devices('vale1:1')], 'switches: { vale0: , valelan: }'),
      "f: vms.vm1.devices[0].port: there is no switch 'vale1' under switches: 'vale0' would be right",
    ],
    [
      vms(Array.from({ length: 255 }, (_, i) => devices(`vale0:${i}`))),
      "f: vms.vm255.devices[0].port: switch 'vale0' has 255 ports: at most 254 would be right",
    ],
  ])('%#', (text, message) => {
    expect(messageOf(text)).toBe(message);
  });

  test('the same address on two switches, and 254 ports on one, are fine', () => {
    const same = 'mac: "02:00:00:00:00:01"';
    const two = `vms: { vm1: { devices: [{ port: "vale0:1", ${same} }, { port: "vale1:1", ${same} }] } }`;
    expect(() => parseConfig(two, 'f')).not.toThrow();
    const full = vms(Array.from({ length: 254 }, (_, i) => devices(`vale0:${i}`)));
    expect(parseConfig(full, 'f').ports.size).toBe(254);
  });
});

test('a wrong name or key hides nothing else that is wrong, and what may be misnamed is not missing', () => {
  const text = `
ports: { 'nulla': { sourc: { size: 1 }, tx-slots: x } }
switches: { 'vale 0': { mtu: z, lookup: { plugins: ./a.so, unknown: x } } }
vms:
  'vm 1': { devices: [{ port: 'xx', maci: 1 }] }
  vm2: { device: [], memory: 7 }
  vm3: { memory: 8 }
`;
  const error = (() => {
    try {
      return parseConfig(text, 'f');
    } catch (caught) {
      return caught;
    }
  })();
  const whats = (error as ConfigurationError).problems.map((line) =>
    line.replace(/: [^:]* would be right.*$/, ''),
  );
  expect(whats).toEqual([
    "switches: 'vale 0' is not a switch",
    "switches.'vale 0'.mtu: 'z' is not a whole number from 68 to 65521",
    "switches.'vale 0'.lookup.unknown: 'x' is not known here",
    "switches.'vale 0'.lookup: unknown key 'plugins'",
    expect.stringContaining("ports: 'nulla' is not a port name"),
    "ports.nulla.tx-slots: 'x' is not a whole number from 2 to 8176",
    "ports.nulla: unknown key 'sourc'",
    "vms: 'vm 1' is not a name",
    expect.stringContaining("vms.'vm 1'.devices[0].port: 'xx' is not a port name"),
    "vms.'vm 1'.devices[0]: unknown key 'maci'",
    'vms.vm2.memory: 7 is not a size',
    "vms.vm2: unknown key 'device'",
    'vms.vm3.memory: 8 is not a size',
    expect.stringContaining('vms.vm3.devices: nothing is not a list'),
  ]);
});
