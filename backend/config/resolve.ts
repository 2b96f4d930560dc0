// Fills in what a file leaves out: ids, names, MAC addresses, and the ports that devices use.
import { resolve as resolvePath } from 'node:path';
import { kindOf } from '../ports/kinds/index.ts';
import { findGroup } from './groups.ts';
import type {
  DeviceConfig,
  EngineConfig,
  HostConfig,
  PortConfig,
  RegionConfig,
  RingsConfig,
  SocketAccess,
  VmConfig,
} from './host-config.ts';
import { defaultMac } from './mac.ts';
import type { NumaNodes } from './numa-nodes.ts';
import { resolveLimits } from './port-limits.ts';
import { parsePortName } from './port-name.ts';
import type { FileConfig } from './schema.ts';

const DEFAULT_RINGS: RingsConfig = { txRings: 1, rxRings: 1, txSlots: 1024, rxSlots: 1024 };
/** Region 1 is netmap's global region by custom, so an id that we choose starts after it. */
const FIRST_REGION_ID = 2;

function resolveRegions(file: FileConfig, ownNode: number | undefined): Map<string, RegionConfig> {
  const used = new Set([...file.regions.values()].map((region) => region.id));
  const nextId = (): number => {
    let id = FIRST_REGION_ID;
    while (used.has(id)) id++;
    used.add(id);
    return id;
  };
  return mapValues(file.regions, ({ numaNode = ownNode, ...region }) => ({
    ...region,
    id: region.id ?? nextId(),
    ...(numaNode !== undefined && { numaNode }),
  }));
}

function resolveVm(
  vm: FileConfig['vms'] extends Map<string, infer V> ? V : never,
  number: number,
  file: FileConfig,
  ownNode: number | undefined,
): VmConfig {
  const devices = vm.devices.map(
    (device, i): DeviceConfig => ({
      name: device.name ?? `net${i}`,
      port: device.port,
      mac: device.mac ?? defaultMac(number, i),
      policy: device.policy ?? file.engine.policy,
      bar0: device.bar0,
    }),
  );
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
  return { ...base, source: { ...port.source, dst, src: port.source.src ?? defaultMac(0, index) } };
}

function resolveEngine(
  { workers, cpus, numaNode, ...rest }: FileConfig['engine'],
  nodes: NumaNodes,
): EngineConfig {
  const engine = { ...rest, workers: workers ?? cpus?.length ?? 1 };
  if (cpus) return { ...engine, workerCpus: cpus.map((cpu) => [cpu]) };
  const node = numaNode === undefined ? undefined : nodes.get(numaNode);
  return node ? { ...engine, workerCpus: Array.from({ length: engine.workers }, () => node.cpus) } : engine;
}

/** The node that memory comes from when the file says it of the workers only; not every node with CPUs has memory. */
function ownMemoryNode({ numaNode }: FileConfig['engine'], nodes: NumaNodes): number | undefined {
  return numaNode !== undefined && nodes.get(numaNode)?.memory ? numaNode : undefined;
}

/** A group that is not there is left out here, and found by the checks. */
function resolveSockets({ socketMode: mode, socketGroup }: FileConfig): SocketAccess {
  const group = socketGroup === undefined ? undefined : findGroup(socketGroup);
  return { ...(mode !== undefined && { mode }), ...(group !== undefined && { group }) };
}

export function resolveConfig(file: FileConfig, nodes: NumaNodes): HostConfig {
  const ownNode = ownMemoryNode(file.engine, nodes);
  let number = 0;
  const vms = mapValues(file.vms, (vm) => resolveVm(vm, ++number, file, ownNode));
  const devices = [...vms.values()].flatMap((vm) => vm.devices);
  const members = [...file.switches.values()].flatMap((vale) => vale.members);
  const names = [...new Set([...file.ports.keys(), ...devices.map((device) => device.port), ...members])];
  const ports = names.map((name, index) => {
    const device = devices.find((candidate) => candidate.port === name);
    return [name, resolvePort(name, index, file, device)] as const;
  });
  return {
    runDir: resolvePath(file.runDir),
    sockets: resolveSockets(file),
    engine: resolveEngine(file.engine, nodes),
    regions: resolveRegions(file, ownNode),
    switches: mapValues(file.switches, ({ members: on, patienceUs, macAge, lookup }) => ({
      members: on,
      patienceUs,
      macAge: macAge === 'off' ? 0 : macAge,
      ...(lookup && { lookup }),
    })),
    ports: new Map(ports),
    vms,
  };
}

function mapValues<V, W>(from: ReadonlyMap<string, V>, map: (value: V) => W): Map<string, W> {
  return new Map([...from].map(([key, value]) => [key, map(value)]));
}
