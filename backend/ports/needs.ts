// Counts what ports take from their region: the one count that the check of a configuration and the host share.
import { ifSize, portNeeds, ringSize } from '../../native/memory.ts';
import type { PortConfig } from '../config/host-config.ts';
import { RESERVED_BUFFERS } from '../config/limits.ts';
import { parsePortName } from '../config/port-name.ts';
import { kindOf } from './kinds/index.ts';

export interface RegionNeeds {
  readonly ifNum: number;
  readonly ringNum: number;
  readonly bufNum: number;
}

/** How many objects of each pool the ports take that have these names and settings, each port once. */
export function regionNeeds(ports: ReadonlyMap<string, PortConfig>): RegionNeeds {
  const sum = { ifNum: 0, ringNum: 0, bufNum: RESERVED_BUFFERS };
  for (const [name, port] of ports) {
    const needs = portNeeds({ name, ...ringsOf(port) }, kindOf(parsePortName(name)).ownsRxBuffers);
    sum.ifNum += needs.ifs;
    sum.ringNum += needs.rings;
    sum.bufNum += needs.bufs;
  }
  return sum;
}

/** How large the objects have to be for one port. */
export function objectNeeds(port: PortConfig): { readonly ifSize: number; readonly ringSize: number } {
  return {
    ifSize: ifSize(port.txRings + port.rxRings),
    ringSize: ringSize(Math.max(port.txSlots, port.rxSlots)),
  };
}

export function ringsOf({ txRings, rxRings, txSlots, rxSlots }: PortConfig) {
  return { txRings, rxRings, txSlots, rxSlots };
}
