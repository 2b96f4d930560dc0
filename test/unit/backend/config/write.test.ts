// A configuration that is written and read again is the same one: every example, and what no example has.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nextConfig, parseConfig } from '../../../../backend/config/load.ts';
import { configText, writeConfig } from '../../../../backend/config/write.ts';
import type { YamlValue } from '../../../../backend/config/yaml-values.ts';

const EXAMPLES = readdirSync('examples').filter((name) => name.endsWith('.yaml'));
const MORE = `
run-dir: /tmp/x
socket-mode: 0660
socket-group: 0
control: { mode: '0660', group: 0, read-mode: '0666', metrics: '[::1]:9464' }
engine: { cpus: [0], policy: notify, spin-us: 7 }
regions: { lan: { id: 9, buf-num: 100000, hugepages: false } }
switches:
  vale0:
    rx-slots: 512
    vnet-hdr: false
    mtu: 1400
    rate: { tx: 100Mbit, rx: 1Gbit }
    storm-control: { broadcast: 10pps }
    lookup: { isolated: { promiscuous: ['vale0:1'], communities: { blue: ['vale0:2'] } } }
    mac-age: off
    patience-us: 3
  vale1: { lookup: { static: { '02:00:00:00:00:07': 'vale1:1' }, unknown: flood }, members: ['tap:pt%d'] }
ports:
  'tap:pt%d': { address: [192.0.2.1/24, '2001:db8::1/64'], mtu: 1400 }
  'vale0:2': { rate: { tx: 10Mbit, burst: 1MiB }, tx-slots: 256 }
  'null:a': { source: { packets: 5, size: 80, rate: 7 }, sink: { verify: true, payload: stamp } }
vms:
  007: { memory: 1G, machine: q35, pci-ids: '1b36:cccc', devices: [{ port: 'vale0:1', policy: poll, bar0: mem }, { name: 1e3, port: 'null:a' }] }
  vm2: { region: lan, devices: [{ port: 'vale0:2' }, { port: 'vale1:1' }, { port: 'p{1' }, { port: 'p}1' }] }
`;

test.each([...EXAMPLES.map((name) => [name, readFileSync(`examples/${name}`, 'utf8')]), ['more', MORE]])(
  '%s',
  (_, text) => {
    const config = parseConfig(text, 'f');
    expect(parseConfig(configText(config), 'written')).toEqual(config);
    expect(nextConfig(writeConfig(config) as unknown as YamlValue, config)).toEqual(config);
  },
);

test('a host that runs keeps addresses and ids that the file leaves to chance', () => {
  const vms = (names: string[]) => names.map((name) => `${name}: { devices: [{ port: 'vale0:${name}' }] }`);
  const file = (names: string[], regions = '') =>
    `run-dir: /tmp/x\nregions: { ${regions} b: {} }\nvms: { ${vms(names).join(', ')} }`;
  const running = parseConfig(file(['a', 'b', 'c']), 'f');
  const next = parseConfig(file(['x', 'b', 'c'], 'a: {},'), 'f', {}, undefined, running);
  const mac = (config: typeof running, vm: string) => config.vms.get(vm)!.devices[0]!.mac;
  expect([mac(next, 'b'), mac(next, 'c')]).toEqual([mac(running, 'b'), mac(running, 'c')]);
  // The place of a is free only once a is gone: the running host has its address still.
  expect(mac(next, 'x')).toBe('02:00:00:00:04:00');
  expect(next.regions.get('b')!.id).toBe(running.regions.get('b')!.id);
  expect(next.regions.get('a')!.id).not.toBe(next.regions.get('b')!.id);
});
