// What bhyve can do with a port today: its own virtio-net on a VALE switch, for it has no vfio-user client.
import { parsePortName } from '../config/port-name.ts';
import type { AttachedDevice, AttachedVm } from './attach.ts';

/** bhyve's slots 0 to 3 are taken by host bridge, disk and the like in most scripts. */
const FIRST_SLOT = 4;

export interface BhyvePlan {
  readonly args: string[];
  /** Devices that it cannot have. */
  readonly left: readonly AttachedDevice[];
}

export function bhyvePlan({ devices }: AttachedVm): BhyvePlan {
  const ports = devices.filter(({ port }) => port !== undefined);
  const can = ports.filter(({ port }) => parsePortName(port!).kind === 'vale');
  return {
    args: can.flatMap(({ port, mac }, i) => ['-s', `${FIRST_SLOT + i}:0,virtio-net,${port},mac=${mac}`]),
    left: ports.filter((device) => !can.includes(device)),
  };
}
