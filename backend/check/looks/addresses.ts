// Looks at addresses of the host on its taps, and at MAC addresses that are there twice.
import { BlockList } from 'node:net';
import { formatPath } from '../../config/format-path.ts';
import { parsePortName } from '../../config/port-name.ts';
import { kindOf } from '../../ports/kinds/index.ts';
import { type Finding, failed, pass, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';

export function lookAtAddresses(scene: Scene): Finding[] {
  return [...macs(scene), ...networks(scene)];
}

/** On one switch the file's own check has found them: here the others, and those of the host's interfaces. */
function macs({ placed, config, machine }: Scene): Finding[] {
  const found: Finding[] = [];
  const first = new Map<string, string>();
  for (const { device, vmName, path } of placed) {
    const owner = `${vmName}'s ${device.name}`;
    const other = first.get(device.mac);
    const link = machine.interfaces.find(({ mac }) => mac === device.mac);
    if (other !== undefined)
      found.push(
        warn(
          'mac-unique',
          `${path}.mac`,
          `${device.mac} is the address of ${other} too`,
          'an address of its own',
        ),
      );
    else if (link !== undefined)
      found.push(
        warn(
          'mac-unique',
          `${path}.mac`,
          `${device.mac} is the address of this machine's '${link.name}' too`,
          'an address of its own',
        ),
      );
    first.set(device.mac, owner);
  }
  return found.length === 0 && config.vms.size > 0
    ? [pass('mac-unique', 'vms', `${first.size} devices, each with an address of its own`)]
    : found;
}

interface Network {
  readonly object: string;
  readonly cidr: string;
  readonly address: string;
  readonly prefix: number;
  readonly netns: string;
}

function parse(cidr: string): Pick<Network, 'cidr' | 'address' | 'prefix'> {
  const [address = '', prefix] = cidr.split('/');
  return { cidr, address, prefix: Number(prefix ?? (address.includes(':') ? 128 : 32)) };
}

const family = (address: string): 'ipv4' | 'ipv6' => (address.includes(':') ? 'ipv6' : 'ipv4');

/** Whether one of them lies in the other. */
function overlap(a: Network, b: Network): boolean {
  if (family(a.address) !== family(b.address)) return false;
  const list = new BlockList();
  list.addSubnet(a.address, Math.min(a.prefix, b.prefix), family(a.address));
  return list.check(b.address, family(b.address));
}

function networks({ config, machine }: Scene): Finding[] {
  const mine = [...config.ports].flatMap(([name, port]) =>
    port.addresses.map((cidr): Network => {
      const object = formatPath(['ports', name, 'address']);
      return { object, netns: port.netns ?? '', ...parse(cidr) };
    }),
  );
  if (mine.length === 0) return [];
  const taps = new Set(
    [...config.ports.keys()].map((name) => parsePortName(name)).map((name) => kindOf(name).interfaceOf(name)),
  );
  const there = machine.interfaces
    .filter(({ name }) => !taps.has(name))
    .flatMap(({ name, addresses }) =>
      addresses.map((cidr): Network => ({ object: `this machine's '${name}'`, netns: '', ...parse(cidr) })),
    )
    // Link-local networks are on every interface.
    .filter(({ address }) => !/^(fe80|169\.254)/i.test(address));
  const found: Finding[] = [];
  for (const [index, network] of mine.entries()) {
    const others = [...mine.slice(0, index), ...there].filter(({ netns }) => netns === network.netns);
    const same = others.find(({ address }) => address === network.address);
    const near = others.find((other) => overlap(network, other));
    if (same !== undefined)
      found.push(
        failed(
          'ip-unique',
          network.object,
          `${network.address} is the address of ${same.object} too`,
          'another address',
        ),
      );
    else if (near !== undefined)
      found.push(
        warn(
          'ip-unique',
          network.object,
          `the network of ${network.cidr} and that of ${near.object}, ${near.cidr}, overlap`,
          'a network of its own',
        ),
      );
    else
      found.push(
        pass('ip-unique', network.object, `${network.cidr} overlaps with none of ${others.length} others`),
      );
  }
  return found;
}
