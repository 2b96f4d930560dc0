// A device beside everything that a check wants to know about it, and how a check fails.
import { ConfigurationError } from '../errors.ts';
import { APPLICATIONS, portHolders } from './applications.ts';
import type { FileCheck } from './file-checks.ts';
import { formatPath } from './format-path.ts';
import type { DeviceConfig, HostConfig, PortConfig, VmConfig } from './host-config.ts';
import { type PortName, parsePortName } from './port-name.ts';
import type { Problem } from './source-text.ts';

/** A device with all that the checks want to know about it. */
export interface Placed {
  readonly vmName: string;
  readonly vm: VmConfig;
  readonly device: DeviceConfig;
  readonly portName: PortName;
  readonly port: PortConfig;
  readonly path: string;
  /** Where the file says which port it has. */
  readonly portPath: string;
}

/** What a check throws. */
export class Misconfigured extends ConfigurationError {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(`${problem.path}: ${problem.text}`);
    this.problem = problem;
  }
}

/** @param path as formatPath writes it; `check`: what has found it, where that is not what runs. */
export function fail(path: string, text: string, check?: FileCheck): never {
  throw new Misconfigured({ path, text, ...(check !== undefined && { check }) });
}

export type NamedCheck = readonly [name: FileCheck, check: () => void];

/** Runs all of the checks, which do not need one another, and gives what they found. */
export function problemsOf(checks: Iterable<NamedCheck>): Problem[] {
  const problems: Problem[] = [];
  for (const [name, check] of checks)
    try {
      check();
    } catch (error) {
      if (!(error instanceof Misconfigured)) throw error;
      problems.push({ check: name, ...error.problem });
    }
  return problems;
}

export function placeDevices(config: HostConfig): Placed[] {
  return [...portHolders(config)].flatMap(([vmName, vm]) =>
    vm.devices.map((device, index) => {
      const ofApplications = vmName === APPLICATIONS;
      const path = formatPath(
        ofApplications ? ['applications', 'ports', index] : ['vms', vmName, 'devices', index],
      );
      const portName = parsePortName(device.port);
      const port = config.ports.get(device.port)!;
      return { vmName, vm, device, portName, port, path, portPath: ofApplications ? path : `${path}.port` };
    }),
  );
}
