// What the kinds whose other side is an interface of the host have in common.
import type { PlacedPort, PortKind } from './kind.ts';
import { unevenRings } from './uneven.ts';

type Common =
  | 'ownsRxBuffers'
  | 'offersVnetHdr'
  | 'hasSourceAndSink'
  | 'parentOf'
  | 'switchOf'
  | 'dependsOn'
  | 'check';

/** @param what has the queues, for messages. */
export function ofInterface<Name extends { readonly kind: string }>(
  what: string,
): Pick<PortKind<Name>, Common> {
  return {
    ownsRxBuffers: true,
    offersVnetHdr: true,
    hasSourceAndSink: false,
    parentOf: () => undefined,
    switchOf: () => undefined,
    dependsOn: () => [],
    check: (mine) =>
      unevenRings(
        mine,
        ({ device, port }: PlacedPort<Name>) =>
          `'${device.port}' has ${port.txRings} tx and ${port.rxRings} rx rings, and ${what} has queues for both ways`,
      ),
  };
}
