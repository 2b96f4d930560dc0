// The check of kinds whose tx and rx rings go in pairs.
import type { Complaint, PlacedPort } from './kind.ts';

/** The first device whose port has not as many rx as tx rings; `wrong` says why that will not do. */
export function unevenRings<Name>(
  mine: readonly PlacedPort<Name>[],
  wrong: (placed: PlacedPort<Name>) => string,
): Complaint | undefined {
  const uneven = mine.find(({ port }) => port.txRings !== port.rxRings);
  if (!uneven) return undefined;
  return {
    path: ['ports', uneven.device.port, 'rx-rings'],
    text: `${wrong(uneven)}: the same number would be right`,
    check: 'ring-pairs',
  };
}
