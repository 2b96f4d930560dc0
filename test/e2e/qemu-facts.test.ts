// What QEMU does with these devices that nobody here decides, so that what docs/how-it-works.md and README advise is what a test
// has run: unplugging, saving and restoring a VM, and a host process that is started again.
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { deviceId, vfioUserDevice } from '../../vm-images/machine/qemu-args.ts';
import type { Vm } from '../../vm-images/machine/vm.ts';
import { vmTest } from './vm-test.ts';
import { boot, restore, startHost } from './vms.ts';

const ONE = `
ports: { 'null:a': { sink: { verify: true } } }
vms:
  vm1: { devices: [{ port: 'null:a' }] }
`;
const MEMORY = 0;
const NETWORK = 1;

/** Resolves to whether the device is gone; false when QEMU ended instead. */
async function unplug(vm: Vm, device: number): Promise<boolean> {
  const id = deviceId(device);
  const gone = vm.qmp.waitForEvent('DEVICE_DELETED', ({ data }) => data?.device === id);
  gone.catch(() => {});
  const asked = vm.qmp.command('device_del', { id });
  asked.catch(() => {});
  return await Promise.race([
    vm.exited.then(() => false),
    asked
      .then(() => gone)
      .then(
        () => true,
        () => false,
      ),
  ]);
}

async function plug(vm: Vm, device: number, socket: string): Promise<void> {
  await vm.qmp.command('device_add', vfioUserDevice('pc', deviceId(device), socket));
  await expect
    .poll(
      async () => {
        const { devices, memdevs } = await vm.agent('info');
        return [(memdevs as unknown[]).length, (devices as unknown[]).length];
      },
      { timeout: 60_000 },
    )
    .toEqual([1, 1]);
}

vmTest('the memory device can be unplugged from a running VM and plugged again', async () => {
  const h = await startHost(ONE);
  const vm = await boot(h, 'vm1');
  // These machines are emulated, and the agent has noticed.
  expect(await vm.agent('info')).toMatchObject({ mfence: true });
  for (let round = 0; round < 3; round++) {
    await vm.agent(`send --count 1000 --payload full --first-seq ${1000 * round}`);
    expect(await unplug(vm, MEMORY)).toBe(true);
    await plug(vm, MEMORY, h.sockets('vm1')[MEMORY]!);
  }
  await vm.agent('send --count 1000 --payload full --first-seq 3000');
  expect(h.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
});

vmTest(
  'a network device that is unplugged ends QEMU, and the VM can be started again (or QEMU has been mended)',
  async () => {
    const h = await startHost(ONE);
    const vm = await boot(h, 'vm1');
    await vm.agent('send --count 1000 --payload full');
    if (await unplug(vm, NETWORK)) {
      await plug(vm, NETWORK, h.sockets('vm1')[NETWORK]!);
      await vm.agent('send --count 1000 --payload full --first-seq 1000');
    } else {
      await vm.exited;
      const again = await boot(h, 'vm1');
      await again.agent('send --count 1000 --payload full --first-seq 1000');
    }
    expect(h.packets('null:a', 'tx')).toBe(2000);
    expect(h.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
  },
);

vmTest(
  'the host process ends: the devices are dead until the VM is started again, a reboot of the guest is not enough',
  async () => {
    const first = await startHost(ONE);
    const vm = await boot(first, 'vm1');
    await vm.agent('send --count 1000 --payload full');
    await first.close();
    await expect(vm.agent('send --count 1000')).rejects.toThrow();
    const second = await startHost(ONE, first);
    expect(second.warnings()).toEqual([
      expect.stringMatching(/^vm1: .+ \(pid \d+\) was attached to a host that ended, and has dead devices: /),
    ]);
    // QEMU itself ends when firmware moves memory about and the devices cannot be told; else they are still dead.
    await vm.reboot().catch(() => {});
    await expect(vm.agent('send --count 1000')).rejects.toThrow();
    await vm.stop();
    const again = await boot(second, 'vm1');
    await again.agent('send --count 1000 --payload full');
    expect(second.packets('null:a', 'tx')).toBe(1000);
  },
);

vmTest('a VM is saved without a word of warning, and its devices are dead when it is restored', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ptnet-saved-'));
  try {
    const h = await startHost(ONE);
    const vm = await boot(h, 'vm1');
    await vm.agent('send --count 1000 --payload full');
    const file = join(folder, 'state');
    await vm.qmp.command('migrate', { uri: `file:${file}` });
    await expect
      .poll(() => vm.qmp.command('query-migrate'), { timeout: 60_000 })
      .toMatchObject({ status: 'completed' });
    await vm.stop();
    const restored = await restore(h, 'vm1', file);
    await expect
      .poll(() => restored.qmp.command('query-status'), { timeout: 60_000 })
      .toMatchObject({ status: 'running' });
    await expect(restored.agent('send --count 1000')).rejects.toThrow();
    expect(h.packets('null:a', 'tx')).toBe(1000);
    // Switched off and on: QEMU resets the devices as at any start.
    await restored.reset();
    await restored.agent('send --count 1000 --payload full --first-seq 1000');
    expect(h.packets('null:a', 'tx')).toBe(2000);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
