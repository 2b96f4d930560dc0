// Checks what the file says about interfaces of the host: settings of those that have one, and each of them once.
import type { InterfaceKey } from '../ports/kinds/index.ts';
import { kindOf } from '../ports/kinds/index.ts';
import { portHolders } from './applications.ts';
import type { HostConfig, PortConfig } from './host-config.ts';
import { fail } from './placed.ts';
import { parsePortName } from './port-name.ts';
import { formatPath } from './schema.ts';

/** Names of ports that have what the key is about. */
const RIGHT: Readonly<Record<InterfaceKey, string>> = {
  address: "'tap:lan' would be right for one with an address",
  netns: "'tap:lan' would be right for one with a netns",
  mtu: "'tap:lan' would be right for one with a mtu",
  access: "'netmap:eth0' would be right for one with an access",
};

export function checkInterfaceKeys(name: string, port: PortConfig): void {
  const parsed = parsePortName(name);
  const kind = kindOf(parsed);
  const given: readonly (readonly [InterfaceKey, boolean])[] = [
    ['address', port.addresses.length > 0],
    ['netns', port.netns !== undefined],
    // On a switch it is what segments for a client are cut to.
    ['mtu', port.mtu !== undefined && kind.switchOf(parsed) === undefined],
    ['access', port.access !== undefined],
  ];
  const keys = kind.interfaceKeys(parsed);
  const wrong = given.find(([key, there]) => there && !keys.includes(key))?.[0];
  if (wrong === undefined) return;
  const path = formatPath(['ports', name, wrong]);
  if (keys.length === 0) fail(path, `'${name}' has no interface of the host: ${RIGHT[wrong]}`);
  if (wrong === 'address')
    fail(
      path,
      `an address of '${name}' is the host's own there, and the host has its own side of an interface: '${name}^' would be right for one with an address`,
    );
  fail(path, `'${name}' is reached in one way only: ${RIGHT[wrong]}`);
}

/** Frames that one of two sends by an interface would come back by the other. */
export function checkOneUserPerInterface(config: HostConfig): void {
  const users = new Map<string, string>();
  const used = [
    ...[...portHolders(config).values()].flatMap((vm) => vm.devices.map(({ port }) => port)),
    ...[...config.switches.values()].flatMap(({ members }) => members),
  ];
  for (const name of new Set(used)) {
    const parsed = parsePortName(name);
    const link = kindOf(parsed).interfaceOf(parsed);
    if (link === undefined) continue;
    const key = `${config.ports.get(name)?.netns ?? ''} ${link}`;
    const other = users.get(key);
    if (other !== undefined)
      fail(
        formatPath(['ports', name]),
        `'${name}' and '${other}' are the same interface: one of them would be right, or another interface`,
      );
    users.set(key, name);
  }
}
