// virtio-net over vhost-user: testpmd is the device, in memory that QEMU shares with it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VHOST_USER } from './testpmd.ts';
import { NETDEV } from './testpmd-guest.ts';
import type { OpenJoint, VmJoint } from './vm-joint.ts';

async function whyNot(): Promise<string | undefined> {
  return process.getuid?.() === 0 ? undefined : 'a testpmd that is a vhost-user backend must be run by root';
}

async function open(): Promise<OpenJoint> {
  const folder = mkdtempSync(join(tmpdir(), 'ptnetmap-testpmd-'));
  const socket = join(folder, 'socket');
  return {
    vdev: VHOST_USER.vdevs(socket)[0],
    netdev: [
      ...['-chardev', `socket,id=vhost,path=${socket}`],
      ...['-netdev', `vhost-user,id=${NETDEV},chardev=vhost`],
    ],
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const VHOST_USER_JOINT: VmJoint = { name: 'testpmd', txQueue: 1024, whyNot, open };
