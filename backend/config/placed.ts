// A device beside everything that a check wants to know about it, and how a check fails.
import { ConfigurationError } from '../errors.ts';
import type { DeviceConfig, HostConfig, PortConfig, VmConfig } from './host-config.ts';
import { type PortName, parsePortName } from './port-name.ts';
import { formatPath } from './schema.ts';

/** A device with all that the checks want to know about it. */
export interface Placed {
  readonly vmName: string;
  readonly vm: VmConfig;
  readonly device: DeviceConfig;
  readonly portName: PortName;
  readonly port: PortConfig;
  readonly path: string;
}

export function fail(path: string, message: string): never {
  throw new ConfigurationError(`${path}: ${message}`);
}

export function placeDevices(config: HostConfig): Placed[] {
  return [...config.vms].flatMap(([vmName, vm]) =>
    vm.devices.map((device, index) => ({
      vmName,
      vm,
      device,
      portName: parsePortName(device.port),
      port: config.ports.get(device.port)!,
      path: formatPath(['vms', vmName, 'devices', index]),
    })),
  );
}
