// Fills in what a file leaves out: ids, names, MAC addresses, and the ports that devices use.
import { resolve as resolvePath } from 'node:path';
import type {
  DeviceConfig,
  EngineConfig,
  HostConfig,
  PortConfig,
  RegionConfig,
  RingsConfig,
  VmConfig,
} from './host-config.ts';
import { defaultMac } from './mac.ts';
import { parsePortName } from './port-name.ts';
import type { FileConfig } from './schema.ts';

const DEFAULT_RINGS: RingsConfig = { txRings: 1, rxRings: 1, txSlots: 1024, rxSlots: 1024 };
/** Region 1 is netmap's global region by custom, so an id that we choose starts after it. */
const FIRST_REGION_ID = 2;

function resolveRegions(file: FileConfig): Record<string, RegionConfig> {
  const used = new Set(Object.values(file.regions).map((region) => region.id));
  const nextId = (): number => {
    let id = FIRST_REGION_ID;
    while (used.has(id)) id++;
    used.add(id);
    return id;
  };
  return mapValues(file.regions, (region) => ({ ...region, id: region.id ?? nextId() }));
}

function resolveVm(vm: FileConfig['vms'][string], number: number, file: FileConfig): VmConfig {
  const devices = vm.devices.map(
    (device, i): DeviceConfig => ({
      name: device.name ?? `net${i}`,
      port: device.port,
      mac: device.mac ?? defaultMac(number, i),
      policy: device.policy ?? file.engine.policy,
      bar0: device.bar0,
    }),
  );
  const { memory, machine, region } = vm;
  return region === undefined ? { memory, machine, devices } : { memory, machine, region, devices };
}

/** The rings of a port: what the port says, then what its switch says, then ours. */
function resolveRings(name: string, file: FileConfig): RingsConfig {
  const parsed = parsePortName(name);
  const given = [
    file.ports[name],
    parsed.kind === 'vale' ? file.switches[`vale${parsed.switch}`] : undefined,
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

const isGiven = (value: number | undefined): value is number => value !== undefined;

function resolvePort(
  name: string,
  index: number,
  file: FileConfig,
  device: DeviceConfig | undefined,
): PortConfig {
  const port = file.ports[name];
  const { verify = false, payload } = port?.sink ?? {};
  const sink = payload === undefined ? { verify } : { verify, payload };
  const base = { ...resolveRings(name, file), sink };
  if (!port?.source) return base;
  // A source speaks to the guest behind the port, from an address of the host's own.
  const dst = port.source.dst ?? device?.mac ?? 'ff:ff:ff:ff:ff:ff';
  return { ...base, source: { ...port.source, dst, src: port.source.src ?? defaultMac(0, index) } };
}

function resolveEngine({ workers, cpus, ...rest }: FileConfig['engine']): EngineConfig {
  const engine = { ...rest, workers: workers ?? cpus?.length ?? 1 };
  return cpus === undefined ? engine : { ...engine, cpus };
}

export function resolveConfig(file: FileConfig): HostConfig {
  let number = 0;
  const vms = mapValues(file.vms, (vm) => resolveVm(vm, ++number, file));
  const devices = Object.values(vms).flatMap((vm) => vm.devices);
  const names = [...new Set([...Object.keys(file.ports), ...devices.map((device) => device.port)])];
  const ports = names.map((name, index) => {
    const device = devices.find((candidate) => candidate.port === name);
    return [name, resolvePort(name, index, file, device)] as const;
  });
  return {
    runDir: resolvePath(file.runDir),
    engine: resolveEngine(file.engine),
    regions: resolveRegions(file),
    switches: mapValues(file.switches, ({ patienceUs }) => ({ patienceUs })),
    ports: Object.fromEntries(ports),
    vms,
  };
}

function mapValues<V, W>(record: Record<string, V>, map: (value: V) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
