// Null ports, `null:NAME`: the host itself is the other side, a source of packets and a sink.
import { NullPort, type Source, UNLIMITED } from '../../../native/ports.ts';
import type { SourceConfig } from '../../config/host-config.ts';
import { macBytes } from '../../config/mac.ts';
import type { PortKind } from './kind.ts';
import { type PrefixedName, prefixed } from './prefixed.ts';

export type NullName = PrefixedName<'null'>;

export const nullKind: PortKind<NullName> = {
  ...prefixed('null', 'a'),
  ownsRxBuffers: true,
  offersVnetHdr: true,
  hasSourceAndSink: true,
  interfaceOf: () => undefined,
  interfaceKeys: () => [],
  parentOf: () => undefined,
  switchOf: () => undefined,
  dependsOn: () => [],
  check: () => undefined,
  create(_name, { engine, region, stats, shape, port: { source, sink } }) {
    const port = new NullPort(engine, region, stats, shape);
    if (source) port.setSource(toSource(source));
    if (sink.verify) port.setVerify(sink.payload ?? 'full');
    return port;
  },
};

export function toSource(source: SourceConfig): Source {
  return {
    packets: source.packets === 'unlimited' ? UNLIMITED : BigInt(source.packets),
    size: source.size,
    payload: source.payload,
    rate: source.rate,
    stream: source.stream,
    dst: macBytes(source.dst),
    src: macBytes(source.src),
  };
}
