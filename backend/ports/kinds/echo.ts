// Echo ports, `echo:NAME`: what a guest sends comes back to it, with source and destination address exchanged.
import { createEchoPort } from '../../../native/ports.ts';
import type { PortKind } from './kind.ts';
import { type PrefixedName, prefixed } from './prefixed.ts';

export type EchoName = PrefixedName<'echo'>;

export const echo: PortKind<EchoName> = {
  ...prefixed('echo', 'an'),
  ownsRxBuffers: true,
  offersVnetHdr: true,
  hasSourceAndSink: false,
  hasInterface: false,
  switchOf: () => undefined,
  dependsOn: () => [],
  check(mine) {
    const uneven = mine.find(({ port }) => port.txRings !== port.rxRings);
    if (!uneven) return undefined;
    const { device, port } = uneven;
    return {
      path: ['ports', device.port, 'rx-rings'],
      text: `${port.rxRings} rx rings of '${device.port}' are to bring back what ${port.txRings} tx rings send: the same number would be right`,
    };
  },
  create: (_name, { region, stats, shape }) => createEchoPort(region, stats, shape),
};
