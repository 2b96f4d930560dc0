// Echo ports, `echo:NAME`: what a guest sends comes back to it, with source and destination address exchanged.
import { createEchoPort } from '../../../native/ports.ts';
import type { PortKind } from './kind.ts';

export interface EchoName {
  readonly kind: 'echo';
  readonly name: string;
}

const NAME = /^echo:([0-9A-Za-z_.]+)$/;

export const echo: PortKind<EchoName> = {
  forms: ['echo:NAME'],
  parse(text) {
    const parts = NAME.exec(text);
    return parts ? { kind: 'echo', name: parts[1]! } : undefined;
  },
  format: (name) => `echo:${name.name}`,
  hint(text) {
    return /^echo:?$/.test(text)
      ? `'${text}' is an echo port without a name: 'echo:a' would be right`
      : undefined;
  },

  ownsRxBuffers: true,
  offersVnetHdr: true,
  hasSourceAndSink: false,
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
