// A VM and its devices as a hypervisor's arguments need them, whoever made it: a configuration or a host that runs.
import { join } from 'node:path';
import type { HostConfig } from '../config/host-config.ts';

export interface AttachedDevice {
  readonly name: string;
  readonly socketPath: string;
  /** The memory device has none. */
  readonly port?: string;
  readonly mac?: string;
}

export interface AttachedVm {
  readonly name: string;
  /** As QEMU writes it, e.g. `512M`. */
  readonly memory: string;
  readonly machine: 'pc' | 'q35';
  /** The NUMA node of its memory; undefined: the kernel's choice. */
  readonly numaNode?: number;
  /** The memory device first, or a driver finds no memory for its rings. */
  readonly devices: readonly AttachedDevice[];
}

/** The VMs of a configuration, whether its host runs or not. */
export function attachedVms({ runDir, vms }: HostConfig): AttachedVm[] {
  return [...vms].map(([name, vm]) => {
    const socketPath = (device: string): string => join(runDir, name, `${device}.sock`);
    return {
      name,
      memory: vm.memory,
      machine: vm.machine,
      ...(vm.numaNode !== undefined && { numaNode: vm.numaNode }),
      devices: [
        { name: 'mem', socketPath: socketPath('mem') },
        ...vm.devices.map(({ name: device, port, mac }) => ({
          name: device,
          socketPath: socketPath(device),
          port,
          mac,
        })),
      ],
    };
  });
}
