// Cloud Hypervisor's arguments, and the calls that attach while a VM runs.
import { expect, test } from 'vitest';
import type { AttachedVm } from '../../../../backend/hypervisor/attach.ts';
import { addUserDevice, cloudHypervisorArguments } from '../../../../backend/hypervisor/cloud-hypervisor.ts';

const VM: AttachedVm = {
  name: 'vm1',
  memory: '512M',
  machine: 'pc',
  devices: [
    { name: 'mem', socketPath: '/run/x/mem.sock' },
    { name: 'net0', socketPath: '/run/x/net0.sock', port: 'null:a' },
  ],
};

test('shared memory, and a user device for each socket', () => {
  expect(cloudHypervisorArguments(VM)).toEqual([
    '--memory',
    'size=512M,shared=on',
    '--user-device',
    'socket=/run/x/mem.sock,id=ptnet-mem',
    'socket=/run/x/net0.sock,id=ptnet-net0',
  ]);
});

test('the same by its API, the memory device first', () => {
  expect(addUserDevice(VM)).toEqual([
    { socket: '/run/x/mem.sock', id: 'ptnet-mem' },
    { socket: '/run/x/net0.sock', id: 'ptnet-net0' },
  ]);
});
