// Monitors: ports that show what passes another port, or a member of a switch.
import { addon, type Handle } from './addon.ts';
import type { Engine } from './engine.ts';
import { InterfaceMember } from './interfaces.ts';
import type { Region } from './memory.ts';
import { Port, type PortShape } from './ports.ts';
import type { Ways } from './programs-addon.ts';
import type { StatsArea } from './stats.ts';

export type { Ways } from './programs-addon.ts';

/** What can be watched. */
export type Watchable = Port | InterfaceMember;

/** The two handles of which the addon wants one. */
export const watchableHandles = (
  watched: Watchable,
): [port: Handle<'port'> | undefined, member: Handle<'member'> | undefined] =>
  watched instanceof InterfaceMember ? [undefined, watched.handle] : [watched.handle, undefined];

/** What a monitor shows, and how. */
export interface MonitorWays extends Ways {
  /** The packets themselves, once whoever had them is done with them. */
  readonly zeroCopy?: boolean;
}

/**
 * A port whose rx rings bring copies of what passes another one while a client is there: ring i of that one by ring i, modulo
 * their number. What its client does not take in time is dropped (`full`).
 * @throws Error with `code` EINVAL when that one is a monitor, or of neither way; without copies also when it has no rings, lies in
 * another region, or has another number of rings.
 */
export function createMonitorPort(
  engine: Engine,
  region: Region,
  stats: StatsArea,
  shape: PortShape,
  watched: Watchable,
  ways: MonitorWays,
): Port {
  const handle = addon.monitorPortCreate(
    engine.handle,
    region.handle,
    stats.handle,
    shape,
    ...watchableHandles(watched),
    ways,
    ways.zeroCopy ?? false,
  );
  return new Port(handle, region, stats);
}
