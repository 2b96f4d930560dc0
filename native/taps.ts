// Taps: ports and members of switches whose other side is the network stack of the host's kernel.
import { addon, type TapOptions } from './addon.ts';
import type { Engine } from './engine.ts';
import { InterfaceMember, InterfacePort } from './interfaces.ts';
import type { Region } from './memory.ts';
import type { PortShape, ValeSwitch } from './ports.ts';
import type { StatsArea } from './stats.ts';

export type { TapOptions } from './addon.ts';

/** A port whose rings lead to a tap. @throws Error with `code`: EINVAL, EBUSY, EPERM, ENOENT, ENODEV. */
export function createTapPort(
  region: Region,
  stats: StatsArea,
  shape: PortShape,
  options: TapOptions,
): InterfacePort {
  const made = addon.tapPortCreate(region.handle, stats.handle, shape, options);
  return new InterfacePort(made, region, stats);
}

/** A tap that stands on a switch without a VM behind it. @throws as createTapPort does, or with ENOSPC when the switch is full. */
export function joinTap(
  engine: Engine,
  stats: StatsArea,
  vale: ValeSwitch,
  options: TapOptions,
): InterfaceMember {
  const made = addon.tapMemberCreate(engine.handle, stats.handle, vale.handle, options);
  return new InterfaceMember(made, options.queues, stats);
}
