// The VMs of a configuration with the sockets of their devices, as programs that attach them see them.
import type { HostConfig } from './config/host-config.ts';
import { MEMDEV } from './devices.ts';
import { socketPath } from './sockets.ts';

export interface HostDevice {
  readonly kind: 'memdev' | 'ptnet';
  readonly name: string;
  readonly socketPath: string;
  readonly port?: string;
}

export interface HostVm {
  readonly name: string;
  readonly memory: string;
  readonly devices: readonly HostDevice[];
}

export function hostVms({ runDir, vms }: HostConfig): HostVm[] {
  return [...vms].map(([name, { memory, devices }]) => ({
    name,
    memory,
    devices: [
      { kind: 'memdev' as const, name: MEMDEV, socketPath: socketPath(runDir, name, MEMDEV) },
      ...devices.map(({ name: device, port }) => ({
        kind: 'ptnet' as const,
        name: device,
        socketPath: socketPath(runDir, name, device),
        port,
      })),
    ],
  }));
}
