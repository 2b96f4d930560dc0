// The interfaces of this machine's kernel, as far as the checks ask about them.
import { networkInterfaces } from 'node:os';
import { overlayLinks } from '../../../native/interfaces.ts';
import type { MachineInterface } from './machine.ts';
import { readNumber, readText } from './proc.ts';

const UP = 1;

export function readInterfaces(): MachineInterface[] {
  const addresses = networkInterfaces();
  const links = overlayLinks('').map(({ name, index, mtu, kind, master }) => {
    const at = (file: string): string => `/sys/class/net/${name}/${file}`;
    return {
      name,
      index,
      mtu,
      kind,
      master,
      iflink: readNumber(at('iflink')) ?? index,
      up: (Number(readText(at('flags'))) & UP) !== 0,
      mac: readText(at('address')),
      addresses: (addresses[name] ?? []).flatMap(({ cidr }) => (cidr === null ? [] : [cidr])),
    };
  });
  return links.map(({ iflink, ...link }) => {
    // The other end may be in another namespace, where the number is another interface's.
    const peer = links.find((other) => other.index === iflink && other.iflink === link.index);
    return { ...link, peer: peer !== undefined && peer.index !== link.index ? peer.index : 0 };
  });
}
