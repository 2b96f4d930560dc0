// Echo ports, `echo:NAME`: what a guest sends comes back to it, with source and destination address exchanged.
import { createEchoPort } from '../../../native/ports.ts';
import type { PortKind } from './kind.ts';
import { type PrefixedName, prefixed } from './prefixed.ts';
import { unevenRings } from './uneven.ts';

export type EchoName = PrefixedName<'echo'>;

export const echo: PortKind<EchoName> = {
  ...prefixed('echo', 'an'),
  ownsRxBuffers: true,
  offersVnetHdr: true,
  hasSourceAndSink: false,
  interfaceOf: () => undefined,
  interfaceKeys: () => [],
  parentOf: () => undefined,
  switchOf: () => undefined,
  dependsOn: () => [],
  check: (mine) =>
    unevenRings(
      mine,
      ({ device, port }) =>
        `${port.rxRings} rx rings of '${device.port}' are to bring back what ${port.txRings} tx rings send`,
    ),
  create: (_name, { region, stats, shape }) => createEchoPort(region, stats, shape),
};
