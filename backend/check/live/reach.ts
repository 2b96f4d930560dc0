// Whom the file lets a device reach, and whom it keeps it from: read from the file alone, not from the host that does it.
import type { HostConfig } from '../../config/host-config.ts';
import type { Placed } from '../../config/placed.ts';
import { kindOf } from '../../ports/kinds/index.ts';
import { peerOf } from '../../ports/kinds/pipe.ts';

/** `may`: a plug-in decides, and only it knows. */
export type Arrives = 'must' | 'never' | 'may';

/** Where a frame is sent: to everybody, or to the address of a device. */
export type Target = 'everybody' | Placed;

export const nameOf = ({ vmName, device }: Placed): string => `${vmName}/${device.name}`;

const switchOf = ({ portName }: Placed): string | undefined => kindOf(portName).switchOf(portName);

/** Whether a frame that `from` sends to `target` comes to `at`; every station on a switch has been heard before. */
export function arrives(from: Placed, target: Target, at: Placed, config: HostConfig): Arrives {
  if (from.device.port === at.device.port) return 'never';
  // It sees what passes its port, whoever that is for.
  if (at.portName.kind === 'monitor') return 'may';
  if (from.portName.kind === 'pipe')
    return at.device.port === kindOf(from.portName).format(peerOf(from.portName)) ? 'must' : 'never';
  const vale = switchOf(from);
  if (vale === undefined || vale !== switchOf(at)) return 'never';
  return onSwitch(from, target, at, vale, config);
}

function onSwitch(from: Placed, target: Target, at: Placed, vale: string, config: HostConfig): Arrives {
  const lookup = config.switches.get(vale)?.lookup ?? { kind: 'learning' };
  const isMeant = target === 'everybody' || target.device.port === at.device.port;
  switch (lookup.kind) {
    case 'hub':
      return 'must';
    case 'learning':
      return isMeant ? 'must' : isThere(target, vale) ? 'never' : 'must';
    case 'static': {
      if (target === 'everybody') return 'must';
      const named = lookup.stations.get(target.device.mac);
      if (named !== undefined) return named === at.device.port ? 'must' : 'never';
      return lookup.unknown === 'flood' ? 'must' : 'never';
    }
    case 'isolated': {
      if (!mayMeet(from.device.port, at.device.port, lookup)) return 'never';
      if (isMeant) return 'must';
      // A station that is kept from the sender is not one that it has learned of.
      return isThere(target, vale) && mayMeet(from.device.port, target.device.port, lookup) ? 'never' : 'may';
    }
    case 'plugin':
      return 'may';
  }
}

/** An address that is on another switch is unknown here, so what is sent to it goes to all. */
const isThere = (target: Target, vale: string): target is Placed =>
  target !== 'everybody' && switchOf(target) === vale;

interface Isolated {
  readonly promiscuous: readonly string[];
  readonly communities: ReadonlyMap<string, readonly string[]>;
}

export function mayMeet(a: string, b: string, { promiscuous, communities }: Isolated): boolean {
  if (promiscuous.includes(a) || promiscuous.includes(b)) return true;
  return [...communities.values()].some((ports) => ports.includes(a) && ports.includes(b));
}

/** Whether what `from` sends to everybody comes to a member of a switch. */
export function reachesMember(from: Placed, member: string, config: HostConfig): Arrives {
  const vale = switchOf(from);
  const entry = vale === undefined ? undefined : config.switches.get(vale);
  if (!entry?.members.includes(member)) return 'never';
  if (entry.lookup?.kind === 'plugin') return 'may';
  if (entry.lookup?.kind === 'isolated')
    return mayMeet(from.device.port, member, entry.lookup) ? 'must' : 'never';
  return 'must';
}
