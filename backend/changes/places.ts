// What a configuration puts where, in a form in which two can be compared: whatever is not the same has to be made anew.
import type { RegionShape } from '../../native/memory.ts';
import type { HostConfig, PortConfig } from '../config/host-config.ts';
import { parsePortName } from '../config/port-name.ts';
import { MEMDEV } from '../devices.ts';
import { kindOf } from '../ports/kinds/index.ts';
import { portRegions, switchesOf } from '../ports/order.ts';
import { regionKey } from '../ports/plan.ts';

export interface DevicePlace {
  readonly vm: string;
  readonly name: string;
}

export interface MemberPlace {
  readonly vale: string;
  readonly name: string;
}

export interface PortPlace {
  readonly name: string;
  /** The key of its region. */
  readonly region: string;
}

export interface RegionPlace {
  readonly key: string;
  readonly shape: RegionShape;
}

/** Each thing by a text that is another one when it has to be made anew. */
export interface Places {
  readonly regions: ReadonlyMap<string, RegionPlace>;
  readonly ports: ReadonlyMap<string, PortPlace>;
  readonly members: ReadonlyMap<string, MemberPlace>;
  readonly devices: ReadonlyMap<string, DevicePlace>;
}

/** What cannot be another one under the same rings. */
function portMade({ txRings, rxRings, txSlots, rxSlots, ...rest }: PortConfig): unknown[] {
  const { mtu, netns, access, addresses, vnetHdr } = rest;
  return [txRings, rxRings, txSlots, rxSlots, mtu, netns, access, addresses, vnetHdr];
}

/** The same for shapes that say the same, in whatever order. */
function shapeId(key: string, shape: RegionShape): string {
  return JSON.stringify([key, Object.entries(shape).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

export function placesOf(config: HostConfig, shapes: ReadonlyMap<string, RegionShape>): Places {
  const regionIds = new Map([...shapes].map(([key, shape]) => [key, shapeId(key, shape)]));
  const regions = new Map([...shapes].map(([key, shape]) => [regionIds.get(key)!, { key, shape }]));
  const regionsOfPorts = portRegions(config);
  const switches = switchesOf(config);
  const portIds = new Map<string, string>();
  const portId = (name: string): string => {
    const known = portIds.get(name);
    if (known !== undefined) return known;
    const parsed = parsePortName(name);
    const made = portMade(config.ports.get(name)!);
    const region = regionIds.get(regionsOfPorts.get(name)!);
    const on = switches.get(name);
    const id = JSON.stringify([name, region, on, made, kindOf(parsed).dependsOn(parsed).map(portId)]);
    portIds.set(name, id);
    return id;
  };
  const ports = new Map([...regionsOfPorts].map(([name, key]) => [portId(name), { name, region: key }]));
  const members = [...config.switches].flatMap(([vale, { members: names }]) =>
    names.map((name) => {
      const id = JSON.stringify([vale, name, portMade(config.ports.get(name)!)]);
      return [id, { vale, name }] as const;
    }),
  );
  const devices = [...config.vms].flatMap(([vm, { devices: all, region, pciIds }]) => {
    const memory = [vm, regionIds.get(regionKey(vm, region)), pciIds];
    return [
      [JSON.stringify([...memory, MEMDEV]), { vm, name: MEMDEV }] as const,
      ...all.map(({ name, port, mac, bar0, policy }) => {
        const id = JSON.stringify([...memory, name, portId(port), mac, bar0, policy === 'inline']);
        return [id, { vm, name }] as const;
      }),
    ];
  });
  return { regions, ports, members: new Map(members), devices: new Map(devices) };
}

/** The values of `from` that `to` has not. */
export function missingIn<V>(from: ReadonlyMap<string, V>, to: ReadonlyMap<string, V>): V[] {
  return [...from].flatMap(([id, value]) => (to.has(id) ? [] : [value]));
}

/** A host of this configuration before anything is there. */
export const emptied = ({ applications: _, ...config }: HostConfig): HostConfig => ({
  ...config,
  regions: new Map(),
  switches: new Map(),
  ports: new Map(),
  vms: new Map(),
});
