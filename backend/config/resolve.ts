// Fills in what a file leaves out: ids, names, MAC addresses, and the ports that devices use.
import { resolve as resolvePath } from 'node:path';
import { kindOf } from '../ports/kinds/index.ts';
import { findGroup } from './groups.ts';
import type {
  ControlConfig,
  DeviceConfig,
  EngineConfig,
  HostConfig,
  PortConfig,
  RegionConfig,
  RingsConfig,
  SocketAccess,
  SwitchConfig,
  VmConfig,
} from './host-config.ts';
import { REGION_LIMITS } from './limits.ts';
import { defaultMac } from './mac.ts';
import type { NumaNodes } from './numa-nodes.ts';
import { resolveLimits, statedLimits } from './port-limits.ts';
import { parsePortName } from './port-name.ts';
import type { FileConfig } from './schema.ts';

const DEFAULT_RINGS: RingsConfig = { txRings: 1, rxRings: 1, txSlots: 1024, rxSlots: 1024 };
/** Region 1 is netmap's global region by custom, so an id that we choose starts after it. */
const FIRST_REGION_ID = 2;

function resolveRegions(
  file: FileConfig,
  ownNode: number | undefined,
  running: HostConfig | undefined,
): Map<string, RegionConfig> {
  const kept = (name: string): number | undefined => running?.regions.get(name)?.id;
  const used = new Set([...file.regions].map(([name, region]) => region.id ?? kept(name)));
  // In a host that runs private regions have some of the first ids.
  const [first, step] = running ? [REGION_LIMITS.id.max, -1] : [FIRST_REGION_ID, 1];
  const nextId = (): number => {
    let id = first;
    while (used.has(id)) id += step;
    used.add(id);
    return id;
  };
  return mapValues(file.regions, ({ numaNode = ownNode, ...region }, name) => ({
    ...region,
    id: region.id ?? kept(name) ?? nextId(),
    ...(numaNode !== undefined && { numaNode }),
  }));
}

function resolveVm(
  vm: FileConfig['vms'] extends Map<string, infer V> ? V : never,
  vmName: string,
  file: FileConfig,
  ownNode: number | undefined,
  macOf: MacChoice,
): VmConfig {
  const devices = vm.devices.map((device, i): DeviceConfig => {
    const name = device.name ?? `net${i}`;
    return {
      name,
      port: device.port,
      mac: device.mac ?? macOf(vmName, name, i),
      policy: device.policy ?? file.engine.policy,
      bar0: device.bar0,
    };
  });
  const { memory, machine, pciIds, region, numaNode = ownNode } = vm;
  return {
    memory,
    machine,
    pciIds,
    ...(region !== undefined && { region }),
    ...(numaNode !== undefined && { numaNode }),
    devices,
  };
}

/** The address of a device that has none in the file. */
type MacChoice = (vm: string, device: string, index: number) => string;

/** By the places in the file; in a host that runs, what a device has stays, and a new one takes nobody's. */
function macChoice(file: FileConfig, running: HostConfig | undefined): MacChoice {
  const places = new Map([...file.vms.keys()].map((name, i) => [name, i + 1]));
  const macs = [...(running?.vms.values() ?? [])].flatMap(({ devices }) => devices.map(({ mac }) => mac));
  const taken = new Set(macs);
  return (vm, device, index) => {
    const now = running?.vms.get(vm)?.devices.find(({ name }) => name === device)?.mac;
    if (now !== undefined) return now;
    let place = places.get(vm)!;
    while (taken.has(defaultMac(place, index))) place++;
    return defaultMac(place, index);
  };
}

/** The rings of a port: what the port says, then what its switch says, then ours. */
function resolveRings(name: string, file: FileConfig): RingsConfig {
  const parsed = parsePortName(name);
  const switchName = kindOf(parsed).switchOf(parsed);
  const given = [
    file.ports.get(name),
    switchName === undefined ? undefined : file.switches.get(switchName),
    DEFAULT_RINGS,
  ];
  const pick = (key: keyof RingsConfig): number => given.map((rings) => rings?.[key]).find(isGiven) ?? 0;
  return {
    txRings: pick('txRings'),
    rxRings: pick('rxRings'),
    txSlots: pick('txSlots'),
    rxSlots: pick('rxSlots'),
  };
}

/** What a port's switch says for all of its ports. */
function switchOf(name: string, file: FileConfig) {
  const parsed = parsePortName(name);
  const switchName = kindOf(parsed).switchOf(parsed);
  return switchName === undefined ? undefined : file.switches.get(switchName);
}

/** Whether there is one is a matter of the port's kind when the file does not say. */
function resolveVnetHdr(name: string, file: FileConfig): boolean {
  const { offersVnetHdr } = kindOf(parsePortName(name));
  return file.ports.get(name)?.vnetHdr ?? switchOf(name, file)?.vnetHdr ?? offersVnetHdr;
}

const isGiven = (value: number | undefined): value is number => value !== undefined;

function resolvePort(
  name: string,
  index: number,
  file: FileConfig,
  device: DeviceConfig | undefined,
  running: HostConfig | undefined,
): PortConfig {
  const port = file.ports.get(name);
  const { verify = false, payload } = port?.sink ?? {};
  const sink = payload === undefined ? { verify } : { verify, payload };
  const limits = resolveLimits(port, switchOf(name, file));
  const mtu = port?.mtu ?? switchOf(name, file)?.mtu;
  const base = {
    ...resolveRings(name, file),
    vnetHdr: resolveVnetHdr(name, file),
    addresses: port?.address ?? [],
    ...(port?.netns !== undefined && { netns: port.netns }),
    ...(mtu !== undefined && { mtu }),
    ...(port?.access !== undefined && { access: port.access }),
    ...(limits !== undefined && { limits }),
    sink,
  };
  if (!port?.source) return base;
  // A source speaks to the guest behind the port, from an address of the host's own.
  const dst = port.source.dst ?? device?.mac ?? 'ff:ff:ff:ff:ff:ff';
  const src = port.source.src ?? running?.ports.get(name)?.source?.src ?? defaultMac(0, index);
  return { ...base, source: { ...port.source, dst, src } };
}

function resolveEngine(
  { workers, cpus, numaNode, ...rest }: FileConfig['engine'],
  nodes: NumaNodes,
): EngineConfig {
  const engine = {
    ...rest,
    workers: workers ?? cpus?.length ?? 1,
    ...(numaNode !== undefined && { numaNode }),
  };
  if (cpus) return { ...engine, workerCpus: cpus.map((cpu) => [cpu]) };
  const node = numaNode === undefined ? undefined : nodes.get(numaNode);
  return node ? { ...engine, workerCpus: Array.from({ length: engine.workers }, () => node.cpus) } : engine;
}

/** The node that memory comes from when the file says it of the workers only; not every node with CPUs has memory. */
function ownMemoryNode({ numaNode }: FileConfig['engine'], nodes: NumaNodes): number | undefined {
  return numaNode !== undefined && nodes.get(numaNode)?.memory ? numaNode : undefined;
}

/** A group that is not there is left out here, and found by the checks. */
function resolveAccess(mode: number | undefined, name: string | undefined): SocketAccess {
  const group = name === undefined ? undefined : findGroup(name);
  return { ...(mode !== undefined && { mode }), ...(group !== undefined && { group }) };
}

function resolveControl({ mode, group, readMode, readGroup, metrics }: FileConfig['control']): ControlConfig {
  return {
    change: resolveAccess(mode, group),
    read: resolveAccess(readMode, readGroup),
    ...(metrics && { metrics }),
  };
}

function resolveSwitch(
  vale: FileConfig['switches'] extends Map<string, infer S> ? S : never,
  name: string,
  file: FileConfig,
): SwitchConfig {
  const { members, patienceUs, macAge, lookup, rate, stormControl, ...rest } = vale;
  const limits = statedLimits({ rate, stormControl });
  const given = Object.entries(rest).filter(([, value]) => value !== undefined);
  return {
    members,
    patienceUs,
    macAge: macAge === 'off' ? 0 : macAge,
    ...(lookup && { lookup }),
    otherPorts: resolvePort(`${name}:any`, 0, { ...file, ports: new Map() }, undefined, undefined),
    defaults: { ...Object.fromEntries(given), ...(limits && { limits }) },
  };
}

function resolveApplications({ applications }: FileConfig): Pick<HostConfig, 'applications'> {
  if (!applications) return {};
  const { region, ports } = applications;
  return {
    applications: {
      socket: resolveAccess(applications.socketMode, applications.socketGroup),
      ...(region !== undefined && { region }),
      ports,
    },
  };
}

/** @param running of a host that is to become so: what the file leaves to chance stays as it is. */
export function resolveConfig(file: FileConfig, nodes: NumaNodes, running?: HostConfig): HostConfig {
  const ownNode = ownMemoryNode(file.engine, nodes);
  const macOf = macChoice(file, running);
  const vms = mapValues(file.vms, (vm, name) => resolveVm(vm, name, file, ownNode, macOf));
  const devices = [...vms.values()].flatMap((vm) => vm.devices);
  const members = [...file.switches.values()].flatMap((vale) => vale.members);
  const names = [
    ...new Set([
      ...file.ports.keys(),
      ...devices.map((device) => device.port),
      ...members,
      ...(file.applications?.ports ?? []),
    ]),
  ];
  const ports = names.map((name, index) => {
    const device = devices.find((candidate) => candidate.port === name);
    return [name, resolvePort(name, index, file, device, running)] as const;
  });
  return {
    runDir: resolvePath(file.runDir),
    sockets: resolveAccess(file.socketMode, file.socketGroup),
    control: resolveControl(file.control),
    ...resolveApplications(file),
    engine: resolveEngine(file.engine, nodes),
    regions: resolveRegions(file, ownNode, running),
    switches: mapValues(file.switches, (vale, name) => resolveSwitch(vale, name, file)),
    ports: new Map(ports),
    vms,
  };
}

function mapValues<V, W>(from: ReadonlyMap<string, V>, map: (value: V, key: string) => W): Map<string, W> {
  return new Map([...from].map(([key, value]) => [key, map(value, key)]));
}
