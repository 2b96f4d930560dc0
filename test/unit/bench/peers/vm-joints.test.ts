/** The ways a VM is attached to the testpmd on the host: both ends name the same thing, and it is taken away again. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { TAP_JOINT } from '../../../bench/peers/tap-joint.ts';
import { TestpmdVm } from '../../../bench/peers/testpmd-vm.ts';
import { VHOST_USER_JOINT } from '../../../bench/peers/vhost-user-joint.ts';
import type { VmJoint } from '../../../bench/peers/vm-joint.ts';

test('over vhost-user the testpmd and QEMU have one socket, whose folder goes when it is closed', async () => {
  const joint = await VHOST_USER_JOINT.open();
  const socket = /iface=([^,]+)/.exec(joint.vdev)![1]!;
  expect(joint.netdev).toContain(`socket,id=vhost,path=${socket}`);
  expect(existsSync(dirname(socket))).toBe(true);
  await joint.close();
  expect(existsSync(dirname(socket))).toBe(false);
});

/** Programs that stand for the machine's. */
async function withPrograms(programs: Record<string, string>, run: () => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ptnet-programs-'));
  const path = process.env.PATH;
  try {
    for (const [name, text] of Object.entries(programs))
      await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    process.env.PATH = folder;
    await run();
  } finally {
    process.env.PATH = path;
    await rm(folder, { recursive: true });
  }
}

test("on a tap both ends have its name and are run where it is, without the kernel's vhost", async () => {
  await withPrograms({ unshare: 'echo up; read end' }, async () => {
    const joint = await TAP_JOINT.open();
    const name = /iface=([^,]+)/.exec(joint.vdev)![1]!;
    expect(joint.netdev[1]!.split(',')).toEqual(expect.arrayContaining([`ifname=${name}`, 'vhost=off']));
    expect(joint.within!.join(' ')).toMatch(/^nsenter --net=\/proc\/\d+\/ns\/net --$/);
    await joint.close();
  });
});

test.each([
  ['no ip', { unshare: '' }, 'ip is not installed: on Debian it is in the package iproute2'],
  [
    'no right to a namespace',
    { unshare: 'echo unshare: not permitted >&2; exit 1', ip: '' },
    'no tap in a network namespace (it takes root and /dev/net/tun): unshare: not permitted',
  ],
  ['all that a tap takes', { unshare: 'echo up; read end', ip: '' }, undefined],
] as const)('with %s it is told whether a tap can be had', async (_, programs, why) => {
  await withPrograms(programs, async () => expect(await TAP_JOINT.whyNot()).toBe(why));
});

test('a pair that does not start takes away what it was to be joined by, and is not tried again', async () => {
  const close = vi.fn(async () => {});
  const open = vi.fn(async () => ({ vdev: 'none', netdev: [], within: ['false'], close }));
  const joint: VmJoint = { name: 'broken', txQueue: 256, whyNot: async () => undefined, open };
  const vm = new TestpmdVm(joint);
  await expect(vm.start()).rejects.toThrow('it has ended');
  await expect(vm.start()).rejects.toThrow('it has ended');
  await vm.stop();
  expect(open).toHaveBeenCalledTimes(1);
  expect(close).toHaveBeenCalledTimes(1);
});
