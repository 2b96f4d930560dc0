// Decides the shape of every region: named ones as configured, private ones from what their ports need.
import { ifSize, portNeeds, type RegionShape, ringSize } from '../../native/memory.ts';
import type { HostConfig, PortConfig } from '../config/host-config.ts';
import { RESERVED_BUFFERS } from '../config/limits.ts';
import { parsePortName } from '../config/port-name.ts';

/** The minima of a private region (spec/netmap-abi.md, "A memory region"). */
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
    plan.set(regionKey(name, undefined), privateShape(id, config, name));
  }
  return plan;
}

function privateShape(id: number, config: HostConfig, vmName: string): RegionShape {
  const { devices, numaNode } = config.vms.get(vmName)!;
  const shape: RegionShape = { id, ...PRIVATE, ...(numaNode !== undefined && { numaNode }) };
  const total = { ifs: 0, rings: 0, bufs: RESERVED_BUFFERS };
  // A pipe is made with both its ends, whether or not both are used.
  const seen = new Set<string>();
  for (const { port } of devices) {
    const name = parsePortName(port);
    const key = name.kind === 'pipe' ? `${name.parent}|${name.id}` : port;
    if (seen.has(key)) continue;
    seen.add(key);
    const rings: PortConfig = config.ports.get(port)!;
    const ends = name.kind === 'pipe' ? [rings, mirror(rings)] : [rings];
    for (const end of ends) {
      const needs = portNeeds({ name: port, ...ringsOf(end) }, name.kind !== 'pipe');
      total.ifs += needs.ifs;
      total.rings += needs.rings;
      total.bufs += needs.bufs;
    }
    shape.ifSize = Math.max(shape.ifSize, ifSize(rings.txRings + rings.rxRings));
    shape.ringSize = Math.max(shape.ringSize, ringSize(Math.max(rings.txSlots, rings.rxSlots)));
  }
  shape.ifNum = Math.max(shape.ifNum, total.ifs);
  shape.ringNum = Math.max(shape.ringNum, total.rings);
  shape.bufNum = Math.max(shape.bufNum, total.bufs);
  return shape;
}

/** The other end of a pipe. */
export function mirror<T extends { txRings: number; rxRings: number; txSlots: number; rxSlots: number }>(
  port: T,
): T {
  return {
    ...port,
    txRings: port.rxRings,
    rxRings: port.txRings,
    txSlots: port.rxSlots,
    rxSlots: port.txSlots,
  };
}

export function ringsOf({ txRings, rxRings, txSlots, rxSlots }: PortConfig) {
  return { txRings, rxRings, txSlots, rxSlots };
}
