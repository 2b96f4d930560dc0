// Looks at each port: rings that guests' drivers can use, and frames that fit the slots.

import { formatPath } from '../../config/format-path.ts';
import type { Placed } from '../../config/placed.ts';
import { slotsKeptFree } from '../../config/users.ts';
import { kindOf } from '../../ports/kinds/index.ts';
import { type Finding, failed, pass, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';

/** Of a packet in netmap. */
const FRAGMENTS_MAX = 64;
/** Ethernet and two VLAN tags. */
const FRAME_OVERHEAD = 22;
const DEFAULT_MTU = 1500;

export function lookAtPorts(scene: Scene): Finding[] {
  return scene.placed.flatMap((place) => [
    ringCounts(place),
    txSlots(place, scene),
    bufferMtu(place, scene),
    policy(place),
  ]);
}

const objectOf = ({ device }: Placed): string => formatPath(['ports', device.port]);

function ringCounts(place: Placed): Finding {
  const { txRings, rxRings } = place.port;
  const evidence = `${txRings} tx and ${rxRings} rx rings`;
  return txRings === rxRings
    ? pass('ring-counts', objectOf(place), evidence)
    : warn(
        'ring-counts',
        objectOf(place),
        `${evidence}: the kernel of a guest with netmap's Linux driver stops`,
        'tx-rings and rx-rings of one number, unless the guest has another driver',
      );
}

function txSlots(place: Placed, { regionOf }: Scene): Finding {
  const { bufSize } = regionOf(place.vmName);
  const least = slotsKeptFree(bufSize);
  const evidence = `${place.port.txSlots} tx slots; guests' network stacks send while ${least} are free (65536 / ${bufSize} + 2)`;
  return place.port.txSlots > least
    ? pass('tx-slots', objectOf(place), evidence)
    : warn('tx-slots', objectOf(place), `${evidence}: they never send`, `tx-slots: ${2 * least} or more`);
}

/** The mtu of the port, and where it comes from. */
function mtuOf({ port, portName }: Placed, { machine }: Scene): { mtu: number; from: string } {
  if (port.mtu !== undefined) return { mtu: port.mtu, from: 'of the file' };
  const name = kindOf(portName).interfaceOf(portName);
  const link = port.netns === undefined ? machine.interfaces.find((one) => one.name === name) : undefined;
  return link === undefined
    ? { mtu: DEFAULT_MTU, from: 'as usual' }
    : { mtu: link.mtu, from: `of the interface '${link.name}'` };
}

function bufferMtu(place: Placed, scene: Scene): Finding {
  const object = objectOf(place);
  const { bufSize } = scene.regionOf(place.vmName);
  const { mtu, from } = mtuOf(place, scene);
  const frame = mtu + FRAME_OVERHEAD;
  const slots = Math.min(FRAGMENTS_MAX, place.port.rxSlots - 1, place.port.txSlots - 1);
  const room = `a packet has at most ${slots} slots of ${bufSize} bytes, ${slots * bufSize}`;
  const evidence = `mtu ${mtu} (${from}) makes frames of up to ${frame} bytes; ${room}`;
  if (frame > slots * bufSize)
    return failed('buffer-mtu', object, evidence, 'a larger buf-size or more slots, or a smaller mtu');
  return frame > bufSize
    ? warn(
        'buffer-mtu',
        object,
        `${evidence}: one takes ${Math.ceil(frame / bufSize)} slots, which netmap applications that know no NS_MOREFRAG take for as many packets`,
        `buf-size: ${2 ** Math.ceil(Math.log2(frame))}`,
      )
    : pass('buffer-mtu', object, `${evidence}; each fits one slot`);
}

function policy(place: Placed): Finding {
  const object = `${place.path}.policy`;
  return place.device.policy === 'inline'
    ? warn('policy-inline', object, 'each kick is served on the event loop', 'policy: adaptive')
    : pass('policy-inline', object, `${place.device.policy}: a worker serves it`);
}
