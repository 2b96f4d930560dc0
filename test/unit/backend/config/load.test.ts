// Loading a configuration: the defaults that it fills in, and reading the file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig, parseConfig } from '../../../../backend/config/load.ts';
import { configWarnings } from '../../../../backend/config/warnings.ts';

const parse = (text: string) => parseConfig(text, 'host.yaml');

describe('defaults', () => {
  test('the smallest configuration is one VM with one port', () => {
    expect(parse('vms: { vm1: { devices: [{ port: "vale0:1" }] } }')).toEqual({
      runDir: '/run/ptnetmap',
      engine: { workers: 1, policy: 'adaptive', spinUs: 100 },
      regions: new Map(),
      switches: new Map(),
      ports: new Map(
        Object.entries({
          'vale0:1': { txRings: 1, rxRings: 1, txSlots: 1024, rxSlots: 1024, sink: { verify: false } },
        }),
      ),
      vms: new Map(
        Object.entries({
          vm1: {
            memory: '512M',
            machine: 'pc',
            devices: [
              { name: 'net0', port: 'vale0:1', mac: '02:00:00:00:01:00', policy: 'adaptive', bar0: 'io' },
            ],
          },
        }),
      ),
    });
  });

  test('a source speaks to the MAC address of the device behind its port', () => {
    const config = parse(
      'ports: { "null:a": { source: {} } }\nvms: { vm1: { devices: [{ port: "null:a", mac: "02:AA:00:00:00:01" }] } }',
    );
    expect(config.ports.get('null:a')?.source).toEqual({
      packets: 'unlimited',
      size: 60,
      payload: 'stamp',
      rate: 0,
      stream: 0,
      dst: '02:aa:00:00:00:01',
      src: '02:00:00:00:00:00',
    });
  });

  test('a sink checks everything, unless it is told what', () => {
    const sink = (text: string) =>
      parse(
        `ports: { "null:a": { sink: ${text} } }\nvms: { vm1: { devices: [{ port: "null:a" }] } }`,
      ).ports.get('null:a')?.sink;
    expect(sink('{ verify: true }')).toEqual({ verify: true });
    expect(sink('{ verify: true, payload: stamp }')).toEqual({ verify: true, payload: 'stamp' });
    expect(() => sink('{ payload: none }')).toThrow('payload');
  });

  test('ids of regions start at 2 and leave out the ones that are taken', () => {
    const config = parse(
      'regions: { a: , b: { id: 2 }, c: { buf-num: 5000 } }\nvms: { vm1: { devices: [{ port: "null:a" }] } }',
    );
    expect([...config.regions].map(([name, region]) => [name, region.id])).toEqual([
      ['a', 3],
      ['b', 2],
      ['c', 4],
    ]);
    expect(config.regions.get('c')).toEqual({
      id: 4,
      ifNum: 100,
      ifSize: 1024,
      ringNum: 200,
      ringSize: 36864,
      bufNum: 5000,
      bufSize: 2048,
      hugepages: false,
    });
  });

  test("a port's own rings come before its switch's, and those before the defaults", () => {
    const config = parse(`
switches: { vale0: { tx-slots: 256, rx-slots: 128 } }
ports: { 'vale0:1': { rx-slots: 64 } }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }`);
    expect(config.ports.get('vale0:1')).toMatchObject({ txRings: 1, txSlots: 256, rxSlots: 64 });
  });

  test('MAC addresses differ by VM and device, and the engine gives the policy', () => {
    const config = parse(`
engine: { policy: poll }
vms:
  a: { devices: [{ port: 'null:a' }, { port: 'null:b', policy: inline }] }
  b: { devices: [{ port: 'null:c' }] }`);
    const devices = [...config.vms.values()].flatMap((vm) => vm.devices);
    expect(devices.map(({ name, mac, policy }) => [name, mac, policy])).toEqual([
      ['net0', '02:00:00:00:01:00', 'poll'],
      ['net1', '02:00:00:00:01:01', 'inline'],
      ['net0', '02:00:00:00:02:00', 'poll'],
    ]);
  });

  test('a relative run-dir is made absolute, and the unit of memory is a capital', () => {
    const config = parse('run-dir: run\nvms: { vm1: { memory: 1g, devices: [{ port: "null:a" }] } }');
    expect(config.runDir).toBe(join(process.cwd(), 'run'));
    expect(config.vms.get('vm1')?.memory).toBe('1G');
  });
});

describe('warnings', () => {
  test('a region that is shared is said aloud, and so is what nobody uses', () => {
    const config = parse(`
regions: { lan: , wan: }
ports: { 'null:x': {} }
vms:
  vm1: { region: lan, machine: q35, devices: [{ port: 'p{1' }] }
  vm2: { region: lan, devices: [{ port: 'p}1' }] }`);
    expect(configWarnings(config)).toEqual([
      'regions.lan: shared by vm1, vm2: each of them can read and change the packets of the others; sharing a region is sharing trust',
      'regions.wan: no VM is in it',
      "ports.'null:x': no device uses it",
      "vms.vm1.machine: a PCIe root port of QEMU has the memory device's ids (1b36:000c), and a Linux guest driver may take it for one; 'pc' has none",
    ]);
  });

  test('a region with one VM, and private regions, need no warning', () => {
    const config = parse(`
regions: { lan: }
vms:
  vm1: { region: lan, devices: [{ port: 'null:a' }] }
  vm2: { devices: [{ port: 'null:b' }] }`);
    expect(configWarnings(config)).toEqual([]);
  });
});

describe('files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ptnet-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('a file is read', () => {
    const file = join(folder, 'host.yaml');
    writeFileSync(file, 'vms:\n  vm1:\n    devices:\n      - port: p{1\n      - port: p}1\n');
    expect([...loadConfig(file).ports.keys()]).toEqual(['p{1', 'p}1']);
  });

  test('a file that is not there is named', () => {
    const file = join(folder, 'none.yaml');
    expect(() => loadConfig(file)).toThrow(
      `${file}: cannot be read: ENOENT: no such file or directory, open '${file}'`,
    );
  });

  test("a command line's run-dir comes before the file's, and is checked like it", () => {
    const file = join(folder, 'host.yaml');
    writeFileSync(file, 'run-dir: /a\nvms: { vm1: { devices: [{ port: "null:a" }] } }');
    expect(loadConfig(file, { runDir: '/b' }).runDir).toBe('/b');
    expect(() => loadConfig(file, { runDir: `/${'x'.repeat(100)}` })).toThrow('too many for a socket');
  });

  test('a message starts with the name of the file', () => {
    const file = join(folder, 'bad.yaml');
    writeFileSync(file, 'vmz: {}\n');
    expect(() => loadConfig(file)).toThrow(`${file}: unknown key 'vmz': 'vms' would be right`);
  });
});
