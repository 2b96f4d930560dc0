// Decides the shape of every region: named ones as configured, private ones from what their ports need.
import type { RegionShape } from '../../native/memory.ts';
import { APPLICATIONS, portHolders } from '../config/applications.ts';
import type { HostConfig, PortConfig, VmConfig } from '../config/host-config.ts';
import { objectNeeds, regionNeeds } from './needs.ts';

/** The minima of a private region, those of netmap's private allocators. */
const PRIVATE = {
  ifNum: 2,
  ifSize: 1024,
  ringNum: 4,
  ringSize: 20_480,
  bufNum: 4098,
  bufSize: 2048,
} as const;
const FIRST_PRIVATE_ID = 2;
/** A register has a netmap_if of its own. */
export const REGISTERS_MAX = 64;
/** What a region of applications has beyond its first port. */
const OTHER_PORTS = { rings: 16, bufs: 8192 };

/** Which region a VM's ports live in: a named one, or its own. */
export function regionKey(vmName: string, region: string | undefined): string {
  return region === undefined ? `vm:${vmName}` : `region:${region}`;
}

/** @param running those that are there now: a private one stays as it is while its ports fit. */
export function planRegions(
  config: HostConfig,
  running: ReadonlyMap<string, RegionShape> = new Map(),
): Map<string, RegionShape> {
  const plan = new Map<string, RegionShape>();
  for (const [name, region] of config.regions) plan.set(regionKey('', name), { ...region });
  const ids = new Set([...plan.values()].map((shape) => shape.id));
  const kept = new Map(
    [...portHolders(config).keys()].flatMap((name) => {
      const now = running.get(regionKey(name, undefined));
      return now === undefined || ids.has(now.id) ? [] : [[name, now] as const];
    }),
  );
  for (const { id } of kept.values()) ids.add(id);
  let id = FIRST_PRIVATE_ID;
  for (const [name, vm] of portHolders(config)) {
    if (vm.region !== undefined) continue;
    const now = kept.get(name);
    if (!now) while (ids.has(id)) id++;
    const shape = privateShape(now?.id ?? id, config, name, vm);
    ids.add(shape.id);
    plan.set(regionKey(name, undefined), now && fits(shape, now) ? now : shape);
  }
  return plan;
}

/** Whether all that needs `shape` finds room in `now`. */
function fits(shape: RegionShape, now: RegionShape): boolean {
  const sizes = ['ifNum', 'ifSize', 'ringNum', 'ringSize', 'bufNum', 'bufSize'] as const;
  return shape.numaNode === now.numaNode && sizes.every((size) => shape[size] <= now[size]);
}

function privateShape(
  id: number,
  config: HostConfig,
  name: string,
  { devices, numaNode }: VmConfig,
): RegionShape {
  const ports = new Map(devices.map(({ port }) => [port, config.ports.get(port)!]));
  const shape = shapeFor(id, ports, name === APPLICATIONS ? REGISTERS_MAX : 0);
  return { ...shape, ...(numaNode !== undefined && { numaNode }) };
}

/** @param registers how many open files of applications may have one of these ports at a time: each takes a netmap_if. */
export function shapeFor(
  id: number,
  ports: ReadonlyMap<string, PortConfig>,
  registers: number,
  extraBufs = 0,
): RegionShape {
  const needs = regionNeeds(ports);
  const objects = [...ports.values()].map(objectNeeds);
  // Others may ask for the same region by its id.
  const room = registers > 0 ? OTHER_PORTS : { rings: 0, bufs: 0 };
  return {
    id,
    ifNum: Math.max(PRIVATE.ifNum, needs.ifNum + registers),
    ifSize: Math.max(PRIVATE.ifSize, ...objects.map(({ ifSize }) => ifSize)),
    ringNum: Math.max(PRIVATE.ringNum, needs.ringNum + room.rings),
    ringSize: Math.max(PRIVATE.ringSize, ...objects.map(({ ringSize }) => ringSize)),
    bufNum: Math.max(PRIVATE.bufNum, needs.bufNum + room.bufs + extraBufs),
    bufSize: PRIVATE.bufSize,
  };
}
