// A host that stands still for longer than QEMU's own patience (a debugger, a frozen cgroup): with the arguments that
// `ptnet up` prints, its VMs wait and go on.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect } from 'vitest';
import { Vm } from '../../vm-images/machine/vm.ts';
import { projectRoot } from '../harness/paths.ts';
import { vmTest } from './vm-test.ts';

/** QEMU gives up after 5 s when it is not told otherwise. */
const STOPPED_MS = 7000;

vmTest(
  'the host is stopped for 7 s: a VM with the printed arguments goes on, and the host says that it stood still',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ptnet-stopped-'));
    const file = join(folder, 'host.yaml');
    writeFileSync(
      file,
      `run-dir: ${join(folder, 'run')}
ports: { 'null:a': { sink: { verify: true } } }
vms: { vm1: { memory: 256M, devices: [{ port: 'null:a', policy: notify }] } }
`,
    );
    const host = execa(process.execPath, [join(projectRoot(), 'dist/backend/cli/main.js'), 'up', file], {
      reject: false,
      all: true,
    });
    let printed = '';
    host.all.on('data', (bytes: Buffer) => {
      printed += bytes.toString();
    });
    let vm: Vm | undefined;
    try {
      await expect.poll(() => printed, { timeout: 30_000 }).toContain('The host is running');
      const devices = [...printed.matchAll(/-device '(.*)'/g)].flatMap(([, device]) => ['-device', device!]);
      vm = await Vm.start({ name: 'vm1', qemuArguments: devices });
      await vm.ready();
      // Each batch needs a kick, and the virtual CPU waits for its answer: the stop is met by one.
      const job = vm.agentStart('send --seconds 15 --burst 64 --payload full');
      await new Promise((resolve) => setTimeout(resolve, 2000));
      host.kill('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, STOPPED_MS));
      host.kill('SIGCONT');
      expect(await job.done).toMatchObject({ pending: 0 });
      expect(await vm.agent('send --count 1000')).toMatchObject({ sent: { packets: 1000 }, pending: 0 });
      expect(printed).toMatch(/stood still/);
    } finally {
      host.kill('SIGCONT');
      await vm?.stop();
      host.kill('SIGTERM');
      await host;
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
