// Pipes, `X{id` and `X}id`: two ports whose rings are joined; the second end is made with the first. X is a name of their own, or a
// port, whose region they share then: packets pass between it and its pipes by their slots.
import { createPipe, type PipeMaster } from '../../../native/ports.ts';
import type { Complaint, PlacedPort, PortKind } from './kind.ts';
import { checkSameRegion } from './same-region.ts';

export interface PipeName {
  readonly kind: 'pipe';
  /** A port's name, or one without a colon that is nobody else's. */
  readonly parent: string;
  readonly id: string;
  readonly end: 'master' | 'slave';
}

const NAME = /^(.+)([{}])([0-9A-Za-z_]+)$/;
/** Of a pipe that is no other port's. */
const OWN = /^[0-9A-Za-z_.]+$/;

const format = ({ parent, end, id }: PipeName): string => `${parent}${end === 'master' ? '{' : '}'}${id}`;

/** The other end of a pipe. */
export function peerOf(name: PipeName): PipeName {
  return { ...name, end: name.end === 'master' ? 'slave' : 'master' };
}

export const pipe: PortKind<PipeName> = {
  forms: ['X{id', 'X}id'],
  parse(text) {
    const [, parent, brace, id] = NAME.exec(text) ?? [];
    // A port's name has a colon, and no braces: nobody has a pipe of a pipe.
    if (parent === undefined || !(OWN.test(parent) || /^[^{}/]*:[^{}/]*$/.test(parent))) return undefined;
    return { kind: 'pipe', parent, id: id!, end: brace === '{' ? 'master' : 'slave' };
  },
  format,
  hint(text, isName) {
    const [, parent, , id] = NAME.exec(text) ?? [];
    return parent !== undefined && isName(parent) && this.parse(text) === undefined
      ? `'${text}' is a pipe of '${parent}', which has none: 'p{${id}' would be right`
      : undefined;
  },

  // They show the other end's.
  ownsRxBuffers: false,
  // Packets are not copied, so both guests have to use one, or none: nobody but the user knows.
  offersVnetHdr: false,
  hasSourceAndSink: false,
  interfaceOf: () => undefined,
  interfaceKeys: () => [],
  parentOf: ({ parent }) => (OWN.test(parent) ? undefined : parent),
  switchOf: () => undefined,
  dependsOn(name) {
    if (name.end === 'slave') return [format(peerOf(name))];
    return this.parentOf(name) === undefined ? [] : [name.parent];
  },
  check(mine, _switches, all) {
    for (const place of mine) {
      const other = format(peerOf(place.portName));
      const peer = mine.find((candidate) => candidate.device.port === other);
      const complaint = peer
        ? (checkParent(place, all) ??
          checkSameRegion(place, peer, 'pipe-agrees') ??
          checkRings(place, peer) ??
          checkVnetHdr(place, peer) ??
          checkPolicy(place, peer))
        : {
            path: place.portPath,
            text: `'${place.device.port}' has no other end: a device with port '${other}' would be right`,
            check: 'pipe-ends' as const,
          };
      if (complaint) return complaint;
    }
    return undefined;
  },
  create(name, make) {
    const peer = format(peerOf(name));
    return name.end === 'slave'
      ? (make.earlier(peer) as PipeMaster).slave
      : createPipe(make.region, make.stats, make.shape, peer);
  },
};

type Place = PlacedPort<PipeName>;
type AnyPlace = Pick<Place, 'vmName' | 'vm' | 'device' | 'portPath'>;

/** Who has the port is in the region of its pipes. */
function checkParent(place: Place, all: readonly AnyPlace[]): Complaint | undefined {
  const name = pipe.parentOf(place.portName);
  if (name === undefined) return undefined;
  const parent = all.find(({ device }) => device.port === name);
  if (parent) return checkSameRegion(parent, place, 'pipe-agrees');
  return {
    path: place.portPath,
    text: `'${place.device.port}' is a pipe of '${name}', and no device has that: a device with port '${name}', or 'p${place.device.port.slice(name.length)}' for a pipe by itself, would be right`,
    check: 'port-parent',
  };
}

/** A TX ring of one end is joined to an RX ring of the other, slot by slot. */
function checkRings(a: Place, b: Place): Complaint | undefined {
  const pairs = [
    ['rings', a.port.txRings, b.port.rxRings],
    ['slots', a.port.txSlots, b.port.rxSlots],
  ] as const;
  const unequal = pairs.find(([, tx, rx]) => tx !== rx);
  if (!unequal) return undefined;
  const [what, tx, rx] = unequal;
  return {
    path: ['ports', a.device.port, `tx-${what}`],
    text: `${tx} tx ${what} of '${a.device.port}' meet ${rx} rx ${what} of '${b.device.port}': the same number would be right`,
    check: 'pipe-agrees',
  };
}

/** Packets pass as they are. */
function checkVnetHdr(a: Place, b: Place): Complaint | undefined {
  if (a.port.vnetHdr === b.port.vnetHdr) return undefined;
  return {
    path: ['ports', a.device.port, 'vnet-hdr'],
    text: `${a.port.vnetHdr} for '${a.device.port}' and ${b.port.vnetHdr} for '${b.device.port}': the same for both would be right`,
    check: 'pipe-agrees',
  };
}

/** One flow serves a ring of each end, so it cannot be served in two ways. */
function checkPolicy(a: Place, b: Place): Complaint | undefined {
  if (a.device.policy === b.device.policy) return undefined;
  return {
    path: `${b.path}.policy`,
    text: `${b.vmName} has '${b.device.port}' with ${b.device.policy} and ${a.vmName} has '${a.device.port}' with ${a.device.policy}, and the two ends are served together: 'policy: ${a.device.policy}' for both would be right`,
    check: 'pipe-agrees',
  };
}
