// What attaches a VM under Cloud Hypervisor: arguments, and the calls that do it while the VM runs.
import type { AttachedVm } from './attach.ts';

export const PROGRAM = 'cloud-hypervisor';

/** Everything after the program's name; kernel and disk are the user's. */
export function cloudHypervisorArguments({ memory, devices }: AttachedVm): string[] {
  return [
    '--memory',
    `size=${memory},shared=on`,
    '--user-device',
    ...devices.map(({ name, socketPath }) => `socket=${socketPath},id=ptnet-${name}`),
  ];
}

/** The bodies of `PUT /api/v1/vm.add-user-device`, in this order. */
export const addUserDevice = ({ devices }: AttachedVm): { socket: string; id: string }[] =>
  devices.map(({ name, socketPath }) => ({ socket: socketPath, id: `ptnet-${name}` }));
