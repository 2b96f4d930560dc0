// Who uses what in a configuration: regions, ports, switches. Warnings and checks say it, each in their own words.
import { kindOf } from '../ports/kinds/index.ts';
import { APPLICATIONS, portHolders } from './applications.ts';
import { formatPath } from './format-path.ts';
import type { HostConfig } from './host-config.ts';
import { placeDevices } from './placed.ts';

/** The VMs in a region, and the applications, which may also come to it later. */
export function regionUsers(config: HostConfig, region: string): string[] {
  const names = [...portHolders(config)].filter(([, vm]) => vm.region === region).map(([name]) => name);
  return config.applications?.region === region && !names.includes(APPLICATIONS)
    ? [...names, APPLICATIONS]
    : names;
}

/** Ports with settings that nobody has; none where applications may come for them. */
export function unusedPorts(config: HostConfig): string[] {
  if (config.applications) return [];
  const used = usedPorts(config);
  return [...config.ports.keys()].filter((name) => !used.has(name));
}

export function usedPorts(config: HostConfig): Set<string> {
  return new Set([
    ...[...portHolders(config).values()].flatMap((vm) => vm.devices.map((device) => device.port)),
    ...[...config.switches.values()].flatMap((vale) => vale.members),
  ]);
}

export interface StandingPort {
  readonly port: string;
  /** Where the file has it. */
  readonly path: string;
}

/** Who stands on each switch, devices' ports before members. */
export function switchPorts(config: HostConfig): Map<string, StandingPort[]> {
  const standing = new Map<string, StandingPort[]>();
  const stand = (vale: string, path: string, port: string): void =>
    void standing.set(vale, [...(standing.get(vale) ?? []), { path, port }]);
  for (const { portName, device, portPath } of placeDevices(config)) {
    const vale = kindOf(portName).switchOf(portName);
    if (vale !== undefined) stand(vale, portPath, device.port);
  }
  for (const [vale, { members }] of config.switches)
    for (const [index, name] of members.entries())
      stand(vale, formatPath(['switches', vale, 'members', index]), name);
  return standing;
}

const LONGEST_PACKET = 65_536;

/** Slots that the drivers of Linux and FreeBSD keep free: as many as a packet of 64 KiB takes, and two more. */
export const slotsKeptFree = (bufSize: number): number => Math.floor(LONGEST_PACKET / bufSize) + 2;
