// A device that is attached to a host while a real VM runs, and plugged into that by `ptnet attach --qmp`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { run } from '../../backend/cli/program.ts';
import { Complaints } from '../../backend/complaints.ts';
import { ControlServer } from '../../backend/control/server.ts';
import { silentLogger } from '../../backend/log.ts';
import { FakeIo } from '../unit/backend/cli/fake-io.ts';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

vmTest('a device comes while the VM runs, and its packets arrive', async () => {
  const h = await startHost(`
ports: { 'null:a': { sink: { verify: true } } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }`);
  const server = await ControlServer.start({
    host: h.host,
    log: { level: 'warn' },
    complaints: new Complaints(silentLogger, 'control'),
  });
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-plug-'));
  try {
    const monitor = join(folder, 'qmp');
    const vm = await boot(h, 'vm1', { qemuArguments: ['-qmp', `unix:${monitor},server=on,wait=off`] });
    const devices = async () => ((await vm.agent('info')).devices as unknown[]).length;
    expect(await devices()).toBe(1);
    const io = new FakeIo();
    const attach = (port: string) =>
      run(['attach', 'vm1', port, '--qmp', monitor, '--run-dir', h.runDir], io, () => Promise.reject());
    expect([await attach('null:b'), io.stderr]).toEqual([0, '']);
    await expect.poll(devices, { timeout: 60_000 }).toBe(2);
    const states = () => h.host.state().vms[0]!.devices.map(({ name, connected }) => [name, connected]);
    expect(states()).toEqual([
      ['mem', true],
      ['net0', true],
      ['net1', true],
    ]);
    await vm.agent('send --device 0 --count 1000 --payload full');
    expect(h.packets('null:a', 'tx')).toBe(1000);
    await vm.agent('send --device 1 --count 500 --payload full');
    expect(h.packets('null:b', 'tx')).toBe(500);
    // One more does not fit the region that the VM has mapped: it has not got it, nor has the host.
    expect(await attach('null:c')).toBe(1);
    expect(io.stderr).toContain('its region would have to be another one');
    expect(states()).toHaveLength(3);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});
