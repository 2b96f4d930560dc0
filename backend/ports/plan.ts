// Decides the shape of every region: named ones as configured, private ones from what their ports need.
import type { RegionShape } from '../../native/memory.ts';
import type { HostConfig, VmConfig } from '../config/host-config.ts';
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

/** Which region a VM's ports live in: a named one, or its own. */
export function regionKey(vmName: string, region: string | undefined): string {
  return region === undefined ? `vm:${vmName}` : `region:${region}`;
}

export function planRegions(config: HostConfig): Map<string, RegionShape> {
  const plan = new Map<string, RegionShape>();
  const ids = new Set<number>();
  for (const [name, region] of config.regions) {
    plan.set(regionKey('', name), { ...region });
    ids.add(region.id);
  }
  let id = FIRST_PRIVATE_ID;
  for (const [name, vm] of config.vms) {
    if (vm.region !== undefined) continue;
    while (ids.has(id)) id++;
    ids.add(id);
    plan.set(regionKey(name, undefined), privateShape(id, config, vm));
  }
  return plan;
}

function privateShape(id: number, config: HostConfig, { devices, numaNode }: VmConfig): RegionShape {
  const ports = new Map(devices.map(({ port }) => [port, config.ports.get(port)!]));
  const needs = regionNeeds(ports);
  const objects = [...ports.values()].map(objectNeeds);
  return {
    id,
    ifNum: Math.max(PRIVATE.ifNum, needs.ifNum),
    ifSize: Math.max(PRIVATE.ifSize, ...objects.map(({ ifSize }) => ifSize)),
    ringNum: Math.max(PRIVATE.ringNum, needs.ringNum),
    ringSize: Math.max(PRIVATE.ringSize, ...objects.map(({ ringSize }) => ringSize)),
    bufNum: Math.max(PRIVATE.bufNum, needs.bufNum),
    bufSize: PRIVATE.bufSize,
    ...(numaNode !== undefined && { numaNode }),
  };
}
