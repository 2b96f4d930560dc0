// Checks that a region has room for the ports that live in it, by netmap's own limits where it is private.
import { objectNeeds, regionNeeds } from '../ports/needs.ts';
import { APPLICATIONS, portHolders } from './applications.ts';
import type { HostConfig, RegionPools } from './host-config.ts';
import { PRIVATE_BUF_SIZE, PRIVATE_IF_NUM_MAX, REGION_LIMITS } from './limits.ts';
import { fail, type Placed } from './placed.ts';
import { formatPath } from './schema.ts';

/** What a region offers, and where a message about it points. */
interface Room extends RegionPools {
  readonly path: string;
  readonly what: string;
}

export function checkRegionRoom(config: HostConfig, placed: readonly Placed[]): void {
  for (const [name, region] of config.regions) {
    const room = { ...region, path: formatPath(['regions', name]), what: `region '${name}'` };
    checkRoom(
      room,
      placed.filter((place) => place.vm.region === name),
    );
  }
  for (const [name, vm] of portHolders(config)) {
    if (vm.region !== undefined) continue;
    const room = {
      path: formatPath(name === APPLICATIONS ? ['applications', 'ports'] : ['vms', name, 'devices']),
      what: `the private region of ${name}`,
      ifNum: PRIVATE_IF_NUM_MAX,
      ifSize: REGION_LIMITS.ifSize.max,
      ringNum: REGION_LIMITS.ringNum.max,
      ringSize: REGION_LIMITS.ringSize.max,
      bufNum: REGION_LIMITS.bufNum.max,
      bufSize: PRIVATE_BUF_SIZE,
    };
    checkRoom(
      room,
      placed.filter((place) => place.vmName === name),
    );
  }
}

function checkRoom(room: Room, places: readonly Placed[]): void {
  const needs = regionNeeds(new Map(places.map(({ device, port }) => [device.port, port])));
  const counts = [
    ['if-num', needs.ifNum, room.ifNum, 'netmap_if objects'],
    ['ring-num', needs.ringNum, room.ringNum, 'rings'],
    ['buf-num', needs.bufNum, room.bufNum, 'buffers'],
  ] as const;
  for (const [key, need, have, what] of counts) {
    if (need > have)
      fail(
        where(room, key),
        `${have} ${what} are too few for the ports in ${room.what}: ${need} would be right`,
      );
  }
  // The largest first, so that what would be right for it is right for all.
  const needed = (key: 'ringSize' | 'ifSize') =>
    places.toSorted((a, b) => objectNeeds(b.port)[key] - objectNeeds(a.port)[key])[0];
  checkRingSize(room, needed('ringSize'));
  checkIfSize(room, needed('ifSize'));
  for (const place of places) checkSource(room, place);
}

/** A private region has no keys of its own in the file. */
const where = (room: Room, key: string): string =>
  room.path.startsWith('regions.') ? `${room.path}.${key}` : room.path;

function checkRingSize(room: Room, largest: Placed | undefined): void {
  if (!largest) return;
  const { device, port } = largest;
  const needs = objectNeeds(port);
  if (needs.ringSize > room.ringSize)
    fail(
      where(room, 'ring-size'),
      `${room.ringSize} bytes are too few for the ${Math.max(port.txSlots, port.rxSlots)} slots of '${device.port}': ${needs.ringSize} would be right`,
    );
}

function checkIfSize(room: Room, largest: Placed | undefined): void {
  if (!largest) return;
  const { device, port } = largest;
  const needs = objectNeeds(port);
  if (needs.ifSize > room.ifSize)
    fail(
      where(room, 'if-size'),
      `${room.ifSize} bytes are too few for the ${port.txRings + port.rxRings} rings of '${device.port}': ${needs.ifSize} would be right`,
    );
}

function checkSource(room: Room, { device, port }: Placed): void {
  if (port.source && port.source.size > room.bufSize)
    fail(
      formatPath(['ports', device.port, 'source', 'size']),
      `${port.source.size} bytes do not fit a buffer of ${room.what}: at most ${room.bufSize} would be right`,
    );
}
