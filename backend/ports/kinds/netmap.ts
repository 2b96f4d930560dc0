// Interfaces of the host, `netmap:IF`, and a tap in the place of their host rings, `netmap:IF^`: as ports or as members of a switch.
import {
  createNetmapPort,
  createTapPort,
  joinNetmap,
  joinTap,
  type NetmapOptions,
} from '../../../native/interfaces.ts';
import type { PortConfig } from '../../config/host-config.ts';
import { INTERFACE_NAME_MAX } from '../../config/limits.ts';
import { ofInterface } from './interface.ts';
import type { PortKind } from './kind.ts';
import { tapOptions } from './tap.ts';

export interface NetmapName {
  readonly kind: 'netmap';
  /** Of the interface. */
  readonly interface: string;
  /** The host's own side of it: a tap that is named as netmap names the host rings, `eth1^`. */
  readonly host: boolean;
}

const NAME = /^netmap:([0-9A-Za-z_.-]+)(\^?)$/;

const interfaceOf = (name: NetmapName): string => (name.host ? `${name.interface}^` : name.interface);
const format = (name: NetmapName): string => `netmap:${interfaceOf(name)}`;

function netmapOptions(name: NetmapName, port: PortConfig): NetmapOptions {
  return {
    object: format(name),
    name: name.interface,
    netns: port.netns ?? '',
    queues: port.txRings,
    mtu: port.mtu ?? 0,
    access: port.access ?? 'auto',
  };
}

const hostOptions = (name: NetmapName, port: PortConfig) => ({
  ...tapOptions(format(name), interfaceOf(name), port),
  beside: name.interface,
});

export const netmap: PortKind<NetmapName> = {
  ...ofInterface('an interface'),
  forms: ['netmap:IF', 'netmap:IF^'],
  parse(text) {
    const [, name, host] = NAME.exec(text) ?? [];
    // netmap's word for one ring pair.
    if (name === undefined || /-[0-9]+$/.test(name)) return undefined;
    if (name.length + host!.length > INTERFACE_NAME_MAX) return undefined;
    return { kind: 'netmap', interface: name, host: host === '^' };
  },
  format,
  hint(text) {
    if (/^netmap:?$/.test(text))
      return `'${text}' is an interface without a name: 'netmap:eth0' would be right`;
    if (/^netmap:[0-9A-Za-z_.-]+\*$/.test(text)) {
      const one = text.slice(0, -1);
      return `'${text}' asks for the host's rings beside the interface's, and a guest takes all rings for the interface's: '${one}' and '${one}^', as two devices or as two members of a switch, would be right`;
    }
    const [, name, host] = NAME.exec(text) ?? [];
    if (name === undefined || name.length + host!.length <= INTERFACE_NAME_MAX) return undefined;
    return `'${text}' has an interface name of ${name.length} characters: at most ${INTERFACE_NAME_MAX - host!.length} would be right`;
  },

  interfaceOf,
  interfaceKeys: (name) => (name.host ? ['address', 'netns', 'mtu'] : ['netns', 'mtu', 'access']),
  create: (name, { region, stats, shape, port, taken }) =>
    name.host
      ? createTapPort(region, stats, shape, { ...hostOptions(name, port), taken })
      : createNetmapPort(region, stats, shape, { ...netmapOptions(name, port), taken }),
  join: (name, { engine, stats, vale, port, taken }) =>
    name.host
      ? joinTap(engine, stats, vale, { ...hostOptions(name, port), taken })
      : joinNetmap(engine, stats, vale, { ...netmapOptions(name, port), taken }),
};
