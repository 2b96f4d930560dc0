// Taps, `tap:NAME`: the network stack of the host's kernel is the other side, as a port or as a member of a switch.
import { createTapPort, joinTap, type TapOptions } from '../../../native/interfaces.ts';
import type { PortConfig } from '../../config/host-config.ts';
import { INTERFACE_NAME_MAX } from '../../config/limits.ts';
import { ofInterface } from './interface.ts';
import type { PortKind } from './kind.ts';

export interface TapName {
  readonly kind: 'tap';
  /** Of the interface; `%d` stands for the first number that is free. */
  readonly interface: string;
}

/** Bytes of it on a switch, as most drivers of guests have it; on a port the guest's own. */
const VNET_HDR = 12;

const NAME = /^tap:([0-9A-Za-z_.-]+(?:%d)?[0-9A-Za-z_.-]*)$/;

const format = (name: TapName): string => `tap:${name.interface}`;

export function tapOptions(object: string, name: string, port: PortConfig): TapOptions {
  return {
    object,
    name,
    beside: '',
    netns: port.netns ?? '',
    queues: port.txRings,
    mtu: port.mtu ?? 0,
    addresses: port.addresses,
    vnetHdr: port.vnetHdr ? VNET_HDR : 0,
  };
}

export const tap: PortKind<TapName> = {
  ...ofInterface('a tap'),
  forms: ['tap:NAME'],
  parse(text) {
    const parts = NAME.exec(text);
    return parts && parts[1]!.length <= INTERFACE_NAME_MAX
      ? { kind: 'tap', interface: parts[1]! }
      : undefined;
  },
  format,
  hint(text) {
    if (/^tap:?$/.test(text))
      return `'${text}' is a tap without a name: 'tap:lan', or 'tap:pt%d' for a free number, would be right`;
    const name = NAME.exec(text)?.[1];
    return name
      ? `'${text}' has an interface name of ${name.length} characters: at most ${INTERFACE_NAME_MAX} would be right`
      : undefined;
  },

  interfaceOf: (name) => (name.interface.includes('%') ? undefined : name.interface),
  interfaceKeys: () => ['address', 'netns', 'mtu'],
  create: (name, { region, stats, shape, port, taken }) =>
    createTapPort(region, stats, shape, { ...tapOptions(format(name), name.interface, port), taken }),
  join: (name, { engine, stats, vale, port, taken }) =>
    joinTap(engine, stats, vale, { ...tapOptions(format(name), name.interface, port), taken }),
};
