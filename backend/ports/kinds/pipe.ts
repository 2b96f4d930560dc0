// Pipes, `X{id` and `X}id`: two ports whose rings are joined; the second end is made with the first.
import { createPipe, type PipeMaster } from '../../../native/ports.ts';
import type { Complaint, PlacedPort, PortKind } from './kind.ts';

export interface PipeName {
  readonly kind: 'pipe';
  readonly parent: string;
  readonly id: string;
  readonly end: 'master' | 'slave';
}

const NAME = /^([0-9A-Za-z_.]+)([{}])([0-9A-Za-z_]+)$/;

const format = ({ parent, end, id }: PipeName): string => `${parent}${end === 'master' ? '{' : '}'}${id}`;

/** The other end of a pipe. */
export function peerOf(name: PipeName): PipeName {
  return { ...name, end: name.end === 'master' ? 'slave' : 'master' };
}

export const pipe: PortKind<PipeName> = {
  forms: ['X{id', 'X}id'],
  parse(text) {
    const parts = NAME.exec(text);
    return parts
      ? { kind: 'pipe', parent: parts[1]!, id: parts[3]!, end: parts[2] === '{' ? 'master' : 'slave' }
      : undefined;
  },
  format,
  hint(text, isName) {
    const bare = /^netmap:(.*)$/.exec(text)?.[1];
    if (bare !== undefined && this.parse(bare))
      return `'${text}' has a prefix that is not used here: '${bare}' would be right`;
    const ofPort = /^(.*:.*)([{}][0-9A-Za-z_]+)$/.exec(text);
    return ofPort && isName(ofPort[1]!)
      ? `'${text}' is a pipe of another port, which is not supported yet: 'p${ofPort[2]}' would be right`
      : undefined;
  },

  // They show the other end's.
  ownsRxBuffers: false,
  // Packets are not copied, so both guests have to use one, or none: nobody but the user knows.
  offersVnetHdr: false,
  hasSourceAndSink: false,
  interfaceOf: () => undefined,
  interfaceKeys: () => [],
  switchOf: () => undefined,
  dependsOn: (name) => (name.end === 'slave' ? [format(peerOf(name))] : []),
  check(mine) {
    for (const place of mine) {
      const other = format(peerOf(place.portName));
      const peer = mine.find((candidate) => candidate.device.port === other);
      const complaint = peer
        ? (checkRegion(place, peer) ??
          checkRings(place, peer) ??
          checkVnetHdr(place, peer) ??
          checkPolicy(place, peer))
        : {
            path: `${place.path}.port`,
            text: `'${place.device.port}' has no other end: a device with port '${other}' would be right`,
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

function checkRegion(a: Place, b: Place): Complaint | undefined {
  if (a.vmName === b.vmName || (a.vm.region !== undefined && a.vm.region === b.vm.region)) return undefined;
  const where = ({ vm }: Place): string =>
    vm.region === undefined ? 'its private region' : `region '${vm.region}'`;
  const right = a.vm.region ?? b.vm.region ?? 'lan';
  return {
    path: `${b.path}.port`,
    text: `${b.vmName} has '${b.device.port}' in ${where(b)} and ${a.vmName} has '${a.device.port}' in ${where(a)}: 'region: ${right}' for both VMs would be right`,
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
  };
}

/** Packets pass as they are. */
function checkVnetHdr(a: Place, b: Place): Complaint | undefined {
  if (a.port.vnetHdr === b.port.vnetHdr) return undefined;
  return {
    path: ['ports', a.device.port, 'vnet-hdr'],
    text: `${a.port.vnetHdr} for '${a.device.port}' and ${b.port.vnetHdr} for '${b.device.port}': the same for both would be right`,
  };
}

/** One flow serves a ring of each end, so it cannot be served in two ways. */
function checkPolicy(a: Place, b: Place): Complaint | undefined {
  if (a.device.policy === b.device.policy) return undefined;
  return {
    path: `${b.path}.policy`,
    text: `${b.vmName} has '${b.device.port}' with ${b.device.policy} and ${a.vmName} has '${a.device.port}' with ${a.device.policy}, and the two ends are served together: 'policy: ${a.device.policy}' for both would be right`,
  };
}
