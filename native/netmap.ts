// Interfaces of the host, `netmap:eth1`: ports and members of switches whose other side is what the interface is connected to.
import { addon, type NetmapOptions } from './addon.ts';
import type { Engine } from './engine.ts';
import { InterfaceMember, InterfacePort } from './interfaces.ts';
import type { Region } from './memory.ts';
import type { PortShape, ValeSwitch } from './ports.ts';
import type { StatsArea } from './stats.ts';

export type { NetmapOptions } from './addon.ts';

/**
 * A port whose rings lead to an interface.
 * @throws Error with `code`: ENODEV (there is none of that name), EINVAL (it cannot be one), EPERM, ENOENT (a namespace, libxdp), EBUSY, EMSGSIZE, EOPNOTSUPP (AF_XDP).
 */
export function createNetmapPort(
  region: Region,
  stats: StatsArea,
  shape: PortShape,
  options: NetmapOptions,
): InterfacePort {
  const made = addon.netmapPortCreate(region.handle, stats.handle, shape, options);
  return new InterfacePort(made, region, stats);
}

/** An interface that stands on a switch without a VM behind it. @throws as createNetmapPort does, or with ENOSPC when the switch is full. */
export function joinNetmap(
  engine: Engine,
  stats: StatsArea,
  vale: ValeSwitch,
  options: NetmapOptions,
): InterfaceMember {
  const made = addon.netmapMemberCreate(engine.handle, stats.handle, vale.handle, options);
  return new InterfaceMember(made, options.queues, stats);
}
