// A device beside everything that a check wants to know about it, and how a check fails.
import { ConfigurationError } from '../errors.ts';
import type { DeviceConfig, HostConfig, PortConfig, VmConfig } from './host-config.ts';
import { type PortName, parsePortName } from './port-name.ts';
import { formatPath } from './schema.ts';
import type { Problem } from './source-text.ts';

/** A device with all that the checks want to know about it. */
export interface Placed {
  readonly vmName: string;
  readonly vm: VmConfig;
  readonly device: DeviceConfig;
  readonly portName: PortName;
  readonly port: PortConfig;
  readonly path: string;
}

/** What a check throws. */
export class Misconfigured extends ConfigurationError {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(`${problem.path}: ${problem.text}`);
    this.problem = problem;
  }
}

/** @param path as formatPath writes it. */
export function fail(path: string, text: string): never {
  throw new Misconfigured({ path, text });
}

/** Runs all of the checks, which do not need one another, and gives what they found. */
export function problemsOf(checks: Iterable<() => void>): Problem[] {
  const problems: Problem[] = [];
  for (const check of checks)
    try {
      check();
    } catch (error) {
      if (!(error instanceof Misconfigured)) throw error;
      problems.push(error.problem);
    }
  return problems;
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
