// What programs ask ports to be, and whether a port is that.
import { constants } from 'node:os';
import type { Port } from '../../native/ports.ts';
import type { PortConfig } from '../config/host-config.ts';
import { SLOTS } from '../config/limits.ts';
import { ProtocolError } from '../errors.ts';
import type { PortName } from '../ports/kinds/index.ts';
import { RINGS_MAX } from './protocol.ts';

const { EINVAL } = constants.errno;

/** What a request asks a port to be; 0: whatever it is. */
export interface Wanted {
  readonly txRings: number;
  readonly rxRings: number;
  readonly txSlots: number;
  readonly rxSlots: number;
  readonly memId: number;
  readonly extraBufs: number;
  /** The rings of its host side, when that is wanted too. */
  readonly host?: { readonly txRings: number; readonly rxRings: number };
}

/** A pipe's ends are each other's mirror image. */
export function forParent(child: PortName, wanted: Wanted): Wanted {
  const { txRings, rxRings, txSlots, rxSlots } = wanted;
  return child.kind === 'pipe' && child.end === 'slave'
    ? { ...wanted, txRings: rxRings, rxRings: txRings, txSlots: rxSlots, rxSlots: txSlots }
    : { ...wanted, txRings: 0, rxRings: 0, txSlots: 0, rxSlots: 0 };
}

export function checkRings(name: string, { txRings, rxRings, txSlots, rxSlots }: PortConfig): void {
  for (const slots of [txSlots, rxSlots])
    if (slots < SLOTS.min || slots > SLOTS.max)
      throw new ProtocolError(
        EINVAL,
        `${name}: rings of ${slots} slots: ${SLOTS.min} to ${SLOTS.max} would be right`,
      );
  if (txRings + rxRings > RINGS_MAX)
    throw new ProtocolError(
      EINVAL,
      `${name}: ${txRings} tx and ${rxRings} rx rings: together at most ${RINGS_MAX} would be right`,
    );
}

export function checkWanted(name: string, port: Port, wanted: Wanted): void {
  const { info, region } = port;
  const pairs = [
    ['tx rings', wanted.txRings, info.txRings],
    ['rx rings', wanted.rxRings, info.rxRings],
    ['tx slots', wanted.txSlots, info.txSlots],
    ['rx slots', wanted.rxSlots, info.rxSlots],
    ['as its region', wanted.memId, region.info.id],
  ] as const;
  for (const [what, want, have] of pairs)
    if (want !== 0 && want !== have)
      throw new ProtocolError(EINVAL, `${name}: ${want} ${what} asked for, it has ${have}: 0 would be right`);
}
