// The other way round: a host's configuration as a file would say it, with nothing left out.
import { stringify } from 'yaml';
import type {
  ApplicationsConfig,
  ControlConfig,
  HostConfig,
  LookupConfig,
  PortConfig,
  RegionConfig,
  SocketAccess,
  SwitchConfig,
  VmConfig,
} from './host-config.ts';
import { limitsForFile } from './port-limits.ts';

export type FileValue = string | number | boolean | FileValue[] | FileMap;
/** In kebab-case, in the order of the file. */
export type FileMap = Map<string, FileValue>;

const kebab = (key: string): string => key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Plain data as the file has it; what is undefined is left out. */
function toFile(value: unknown): FileValue {
  if (Array.isArray(value)) return value.map(toFile);
  if (typeof value !== 'object' || value === null) return value as FileValue;
  const entries = value instanceof Map ? [...value] : Object.entries(value).map(([k, v]) => [kebab(k), v]);
  return new Map(entries.filter(([, v]) => v !== undefined).map(([k, v]) => [k, toFile(v)]));
}

const octal = (mode: number | undefined): string | undefined =>
  mode === undefined ? undefined : `0${mode.toString(8)}`;
const group = ({ group: id }: SocketAccess): string | undefined =>
  id === undefined ? undefined : String(id);

function controlSection({ change, read, metrics }: ControlConfig) {
  const host = metrics?.host.includes(':') ? `[${metrics.host}]` : metrics?.host;
  return {
    mode: octal(change.mode),
    group: group(change),
    readMode: octal(read.mode),
    readGroup: group(read),
    metrics: metrics && `${host}:${metrics.port}`,
  };
}

function applicationsSection({ socket, region, ports }: ApplicationsConfig) {
  return { socketMode: octal(socket.mode), socketGroup: group(socket), region, ports };
}

function engineSection({ engine: { workers, workerCpus, numaNode, policy, spinUs } }: HostConfig) {
  const pinned = workerCpus?.every((cpus) => cpus.length === 1) ? workerCpus.map(([cpu]) => cpu!) : undefined;
  return { workers, cpus: pinned, numaNode, policy, spinUs };
}

function lookupField(lookup: LookupConfig): unknown {
  switch (lookup.kind) {
    case 'static':
      return { static: lookup.stations, unknown: lookup.unknown };
    case 'isolated':
      return { isolated: { promiscuous: lookup.promiscuous, communities: lookup.communities } };
    case 'plugin':
      return { plugin: lookup.path, options: lookup.options };
    default:
      return lookup.kind;
  }
}

function switchSection({ members, patienceUs, macAge, lookup, defaults: { limits, ...rest } }: SwitchConfig) {
  return {
    ...rest,
    ...limits,
    members,
    patienceUs,
    macAge: macAge === 0 ? 'off' : macAge,
    lookup: lookup && lookupField(lookup),
  };
}

function portSection({ addresses, limits, sink, source, ...rest }: PortConfig) {
  return {
    ...rest,
    address: addresses.length === 0 ? undefined : addresses,
    ...(limits && limitsForFile(limits)),
    source,
    sink: sink.verify ? sink : undefined,
  };
}

/** As fileSchema takes it: a configuration that is read from it is the same. */
export function writeConfig(config: HostConfig): FileMap {
  const map = <V>(from: ReadonlyMap<string, V>, write: (value: V) => unknown) =>
    new Map([...from].map(([name, value]) => [name, write(value)]));
  return toFile({
    runDir: config.runDir,
    socketMode: octal(config.sockets.mode),
    socketGroup: group(config.sockets),
    control: controlSection(config.control),
    applications: config.applications && applicationsSection(config.applications),
    engine: engineSection(config),
    regions: map(config.regions, (region: RegionConfig) => region),
    switches: map(config.switches, switchSection),
    ports: map(config.ports, portSection),
    vms: map(config.vms, (vm: VmConfig) => vm),
  }) as FileMap;
}

export function configText(config: HostConfig): string {
  return stringify(writeConfig(config), { defaultStringType: 'QUOTE_SINGLE', defaultKeyType: 'PLAIN' });
}
