// `ptnet check` with real VMs: beside one that is attached, whose traffic does not notice, and with those that it starts itself.
import { expect, onTestFinished } from 'vitest';
import { check } from '../../backend/check/check.ts';
import type { Finding } from '../../backend/check/finding.ts';
import { checkVms } from '../../backend/check/live/live.ts';
import { Complaints } from '../../backend/complaints.ts';
import { parseConfig } from '../../backend/config/load.ts';
import { ControlServer } from '../../backend/control/server.ts';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const YAML = `
ports: { 'null:a': { sink: { verify: true } } }
vms:
  vm1: { memory: 256M, devices: [{ port: 'null:a' }] }
  vm2: { memory: 256M, devices: [{ port: 'null:b' }] }
`;

vmTest('a VM that is attached, and one that is not', async () => {
  const h = await startHost(YAML);
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const target = { host: h.host, log: { level: 'warn' }, complaints: new Complaints(silent, 'control') };
  const control = await ControlServer.start(target);
  onTestFinished(() => control.close());
  const vm = await boot(h, 'vm1');
  const config = parseConfig(`run-dir: ${h.runDir}\n${YAML}`, 'test.yaml');
  // So slowly that it is there for as long as is looked.
  const traffic = vm.agentStart('send --count 200000 --rate 10000 --payload full');
  await expect.poll(() => h.packets('null:a', 'tx')).toBeGreaterThan(0);
  const found: Finding[] = [];
  for await (const finding of check(config, { attached: true })) found.push(finding);
  const of = (id: string, object: string) =>
    found.find((finding) => finding.id === id && finding.object === object)?.status;
  expect(of('attached-host', 'host')).toBe('pass');
  expect(of('attached-vm', 'vms.vm1')).toBe('pass');
  expect(of('attached-memory', 'vms.vm1')).toBe('pass');
  expect(of('attached-vm', 'vms.vm2')).toBe('warn');
  expect(of('attached-file', 'host')).toBe('pass');
  expect(of('attached-driver', 'vms.vm1.devices.net0')).toBe('pass');
  expect(of('attached-drops', 'vms.vm1.devices.net0')).toBe('pass');
  expect(of('attached-faults', 'vms.vm1.devices.net0')).toBe('pass');
  expect(of('attached-driver', 'vms.vm2.devices.net0')).toBeUndefined();
  expect(of('shared-memory', 'vms.vm1')).toBe('pass');
  expect(of('vm-devices', 'vms.vm1')).toBe('pass');
  // The test's own QEMU has the usual patience.
  expect(of('msg-timeout', 'vms.vm1')).toBe('warn');
  await traffic.done;
  expect(h.packets('null:a', 'tx')).toBe(200_000);
  expect(h.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
  expect(h.host.stats().devices.map(({ refused }) => refused)).toEqual([0, 0, 0, 0]);
});

vmTest('--vm: a switch with isolated ports, a null port and an echo, in real VMs', async () => {
  const config = parseConfig(
    `
switches: { vale0: { lookup: { isolated: { promiscuous: ['vale0:up'] } } } }
vms:
  vm1: { devices: [{ port: 'vale0:up' }, { port: 'null:a' }] }
  vm2: { devices: [{ port: 'vale0:2' }, { port: 'echo:a' }] }
  vm3: { devices: [{ port: 'vale0:3' }] }
`,
    'test.yaml',
  );
  const found: Finding[] = [];
  const options = { signal: new AbortController().signal, onProgress: () => {} };
  for await (const finding of checkVms(config, options)) found.push(finding);
  expect(found.filter(({ status }) => status !== 'pass')).toEqual([]);
  const objects = (id: string) => found.filter((finding) => finding.id === id).map(({ object }) => object);
  expect(objects('vm-boot')).toEqual(['vms.vm1', 'vms.vm2', 'vms.vm3']);
  expect(objects('vm-driver')).toHaveLength(5);
  expect(objects('vm-path').toSorted()).toEqual([
    'vm1/net0 -> vm2/net0',
    'vm1/net0 -> vm3/net0',
    'vm1/net1 <-> host',
    'vm2/net0 -> vm1/net0',
    'vm2/net1 -> vm2/net1',
    'vm3/net0 -> vm1/net0',
  ]);
  expect(objects('vm-isolation')).toContain('vm2/net0 -> vm3/net0');
  expect(objects('vm-isolation')).toContain('vm3/net0 -> vm2/net0');
});
