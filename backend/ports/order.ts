// Where a configuration puts its ports and members, and in which order they can be made.
import { portHolders } from '../config/applications.ts';
import type { HostConfig } from '../config/host-config.ts';
import { parsePortName } from '../config/port-name.ts';
import { ConfigurationError } from '../errors.ts';
import { kindOf } from './kinds/index.ts';
import { regionKey } from './plan.ts';

/** The region that each port of a device lies in, by its key. */
export function portRegions(config: HostConfig): Map<string, string> {
  return new Map(
    [...portHolders(config)].flatMap(([vmName, vm]) =>
      vm.devices.map(({ port }) => [port, regionKey(vmName, vm.region)] as const),
    ),
  );
}

/** The switch of each member, by its name. */
export function switchesOf(config: HostConfig): Map<string, string> {
  return new Map(
    [...config.switches].flatMap(([vale, { members }]) => members.map((name) => [name, vale] as const)),
  );
}

/** Names of ports in an order in which they can be made, once these members of switches are there. @throws ConfigurationError */
export function portOrder(names: Iterable<string>, members: Iterable<string>): string[] {
  const there = new Set(members);
  const order = creationOrder([...names, ...there], (text) => {
    const name = parsePortName(text);
    return kindOf(name).dependsOn(name);
  });
  return order.filter((name) => !there.has(name));
}

/** The names in such an order that each comes behind those it depends on. @throws ConfigurationError */
export function creationOrder(
  names: Iterable<string>,
  dependsOn: (name: string) => readonly string[],
): string[] {
  const known = new Set(names);
  const order = new Set<string>();
  const visit = (name: string, dependents: readonly string[]): void => {
    if (order.has(name)) return;
    if (dependents.includes(name))
      throw new ConfigurationError(
        `'${name}': depends on itself, by ${dependents.join(', ')}: a port that is made first would be right`,
      );
    for (const earlier of dependsOn(name)) {
      if (!known.has(earlier))
        throw new ConfigurationError(
          `'${name}': there is no port '${earlier}': a device with it would be right`,
        );
      visit(earlier, [...dependents, name]);
    }
    order.add(name);
  };
  for (const name of known) visit(name, []);
  return [...order];
}
