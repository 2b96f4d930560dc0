// Changes of a running host as changes of its configuration: each gives the next one, checked as a file that says the same.
import type { HostConfig } from '../config/host-config.ts';
import { nextConfig } from '../config/load.ts';
import { alternatives, nearest } from '../config/nearest.ts';
import { parsePortName } from '../config/port-name.ts';
import { type FileMap, type FileValue, writeConfig } from '../config/write.ts';
import type { YamlValue } from '../config/yaml-values.ts';
import { kindOf } from '../ports/kinds/index.ts';
import { RequestError } from './problem.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** The sections of a file: mappings by name. */
type Section = 'regions' | 'switches' | 'ports' | 'vms';

function edit(config: HostConfig, change: (file: FileMap) => void): HostConfig {
  const file = writeConfig(config);
  change(file);
  return nextConfig(file as unknown as YamlValue, config);
}

const sectionOf = (file: FileMap, name: Section): FileMap => file.get(name) as FileMap;

/** @throws RequestError that names the nearest one */
export function entryOf<V>(all: ReadonlyMap<string, V>, what: string, name: string): V {
  const found = all.get(name);
  if (found !== undefined) return found;
  const names = [...all.keys()];
  const guess = nearest(name, names);
  const right =
    names.length === 0 ? 'there is none at all' : `${alternatives(guess ? [guess] : names)} would be right`;
  throw new RequestError('not-found', `there is no ${what} '${name}': ${right}`);
}

function toFile(value: Exclude<Json, null>): FileValue {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(toFile);
  if (typeof value !== 'object') return value;
  return new Map(
    Object.entries(value).flatMap(([key, v]) => (v === null ? [] : [[key, toFile(v)] as const])),
  );
}

/** RFC 7396: null takes away, mappings are merged, all else is put there. */
function merge(into: FileMap, patch: JsonObject): void {
  for (const [key, value] of Object.entries(patch)) {
    const there = into.get(key);
    if (value === null) into.delete(key);
    else if (isObject(value) && there instanceof Map) merge(there, value);
    else into.set(key, toFile(value));
  }
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A device with the file's keys; the VM is there. */
export function attachDevice(config: HostConfig, vm: string, device: JsonObject): HostConfig {
  entryOf(config.vms, 'VM', vm);
  refuseTaken(config, device.port);
  return edit(config, (file) => {
    const devices = (sectionOf(file, 'vms').get(vm) as FileMap).get('devices') as FileMap[];
    const names = devices.map((other) => other.get('name'));
    let free = 0;
    while (names.includes(`net${free}`)) free++;
    devices.push(toFile({ name: `net${free}`, ...device }) as FileMap);
  });
}

/** The check of a configuration would say it of the device that comes last in it. */
function refuseTaken(config: HostConfig, port: Json | undefined): void {
  for (const [vm, { devices }] of config.vms)
    for (const device of devices)
      if (device.port === port)
        throw new RequestError(
          'invalid',
          `'${port}' belongs to ${vm}'s ${device.name} already: a port of its own would be right`,
        );
}

/** A VM with the file's keys. */
export function addVm(config: HostConfig, name: string, vm: JsonObject): HostConfig {
  if (config.vms.has(name))
    throw new RequestError('refused', `vms.${name}: it is there already: another name would be right`);
  return edit(config, (file) => void sectionOf(file, 'vms').set(name, toFile(vm)));
}

export function removeVm(config: HostConfig, name: string): HostConfig {
  const { devices } = entryOf(config.vms, 'VM', name);
  return edit(config, (file) => {
    sectionOf(file, 'vms').delete(name);
    for (const { port } of devices) sectionOf(file, 'ports').delete(port);
  });
}

/** The last one takes its VM with it. */
export function detachDevice(config: HostConfig, vm: string, name: string): HostConfig {
  const device = deviceOf(config, vm, name);
  if (config.vms.get(vm)!.devices.length === 1) return removeVm(config, vm);
  return edit(config, (file) => {
    const entry = sectionOf(file, 'vms').get(vm) as FileMap;
    entry.set(
      'devices',
      (entry.get('devices') as FileMap[]).filter((other) => other.get('name') !== name),
    );
    sectionOf(file, 'ports').delete(device.port);
  });
}

function deviceOf(config: HostConfig, vm: string, name: string) {
  const { devices } = entryOf(config.vms, 'VM', vm);
  return entryOf(new Map(devices.map((device) => [device.name, device])), `device of ${vm}`, name);
}

export function changeDevice(config: HostConfig, vm: string, name: string, patch: JsonObject): HostConfig {
  deviceOf(config, vm, name);
  return edit(config, (file) => {
    const devices = (sectionOf(file, 'vms').get(vm) as FileMap).get('devices') as FileMap[];
    merge(devices.find((device) => device.get('name') === name)!, patch);
  });
}

export function changePort(config: HostConfig, name: string, patch: JsonObject): HostConfig {
  entryOf(config.ports, 'port', name);
  return edit(config, (file) => merge(sectionOf(file, 'ports').get(name) as FileMap, patch));
}

/** A switch that the file does not name has an entry from its first change on, and so have the others then. */
function nameSwitches(config: HostConfig, file: FileMap): FileMap {
  const switches = sectionOf(file, 'switches');
  for (const name of switchNames(config)) if (!switches.has(name)) switches.set(name, new Map());
  return switches;
}

export function switchNames(config: HostConfig): Set<string> {
  const implied = [...config.ports.keys()].flatMap((port) => {
    const parsed = parsePortName(port);
    return kindOf(parsed).switchOf(parsed) ?? [];
  });
  return new Set([...config.switches.keys(), ...implied]);
}

export function changeSwitch(config: HostConfig, name: string, patch: JsonObject): HostConfig {
  entryOf(new Map([...switchNames(config)].map((each) => [each, each])), 'switch', name);
  return edit(config, (file) => merge(nameSwitches(config, file).get(name) as FileMap, patch));
}

/** @param names of members that come together @param port the keys of the settings of each, such as `address` */
export function addMembers(
  config: HostConfig,
  vale: string,
  names: readonly string[],
  port: JsonObject,
): HostConfig {
  return edit(config, (file) => {
    const switches = nameSwitches(config, file);
    const entry = (switches.get(vale) as FileMap | undefined) ?? new Map<string, FileValue>();
    switches.set(vale, entry);
    entry.set('members', [...((entry.get('members') as string[] | undefined) ?? []), ...names]);
    if (Object.keys(port).length > 0)
      for (const name of names) sectionOf(file, 'ports').set(name, toFile(port));
  });
}

/** Those of them that are there: one has to be. */
export function removeMembers(config: HostConfig, vale: string, names: readonly string[]): HostConfig {
  const { members } = entryOf(config.switches, 'switch', vale);
  const [first] = names.filter((name) => members.includes(name));
  entryOf(new Map(members.map((member) => [member, member])), `member of ${vale}`, first ?? names[0]!);
  return edit(config, (file) => {
    (sectionOf(file, 'switches').get(vale) as FileMap).set(
      'members',
      members.filter((member) => !names.includes(member)),
    );
    for (const name of names) sectionOf(file, 'ports').delete(name);
  });
}

export function addRegion(config: HostConfig, name: string, region: JsonObject): HostConfig {
  if (config.regions.has(name))
    throw new RequestError('refused', `regions.${name}: it is there already: another name would be right`);
  return edit(config, (file) => void sectionOf(file, 'regions').set(name, toFile(region)));
}

export function removeRegion(config: HostConfig, name: string): HostConfig {
  entryOf(config.regions, 'region', name);
  return edit(config, (file) => void sectionOf(file, 'regions').delete(name));
}

/** How all devices are served, and members as far as they can be. */
export function changeEngine(config: HostConfig, patch: { policy?: string; spinUs?: number }): HostConfig {
  return edit(config, (file) => {
    const engine = file.get('engine') as FileMap;
    if (patch.spinUs !== undefined) engine.set('spin-us', patch.spinUs);
    if (patch.policy === undefined) return;
    engine.set('policy', patch.policy);
    for (const vm of sectionOf(file, 'vms').values())
      for (const device of (vm as FileMap).get('devices') as FileMap[]) device.set('policy', patch.policy);
  });
}
