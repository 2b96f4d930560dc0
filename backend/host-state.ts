// What a running host is made of, part by part: what was configured beside what is in force now.
import type { RegionShape } from '../native/memory.ts';
import type { HostConfig, PortConfig, VmConfig } from './config/host-config.ts';
import { parsePortName } from './config/port-name.ts';
import type {
  DeviceState,
  MemberState,
  PortState,
  RegionState,
  SwitchState,
  VmState,
  WorkerState,
} from './control/schemas.ts';
import { type DeviceTable, MEMDEV, type PlacedDevice } from './devices.ts';
import type { HostStats, MemberStats, PortStats } from './host-stats.ts';
import { kindOf } from './ports/kinds/index.ts';
import { regionKey } from './ports/plan.ts';
import type { PortTable } from './ports/table.ts';

export interface HostState {
  readonly vms: VmState[];
  readonly ports: PortState[];
  readonly members: MemberState[];
  readonly switches: SwitchState[];
  readonly regions: RegionState[];
  readonly workers: WorkerState[];
}

export interface HostParts {
  readonly config: HostConfig;
  readonly ports: PortTable;
  readonly devices: DeviceTable;
}

export function hostState(parts: HostParts, stats: HostStats): HostState {
  const { config } = parts;
  return {
    vms: [...config.vms].map(([name, vm]) => vmState(parts, name, vm)),
    ports: stats.ports.map((port) => portState(parts, port)),
    members: stats.members.map(memberState),
    switches: switchStates(parts),
    regions: regionStates(parts),
    workers: stats.workers.map((worker, i) => ({
      worker: i,
      cpus: [...(config.engine.workerCpus?.[i] ?? [])],
      ...worker,
    })),
  };
}

function vmState({ devices }: HostParts, name: string, vm: VmConfig): VmState {
  const names = [MEMDEV, ...vm.devices.map((device) => device.name)];
  // One may be gone: a change failed, and could not be taken back.
  const all = names.flatMap((device) => {
    const placed = devices.get(name, device);
    return placed ? [deviceState(vm, placed)] : [];
  });
  return {
    name,
    memory: vm.memory,
    machine: vm.machine,
    region: vm.region ?? `vm:${name}`,
    connected: all.length === names.length && all.every(({ connected }) => connected),
    devices: all,
  };
}

function deviceState(vm: VmConfig, placed: PlacedDevice): DeviceState {
  const { exported, hosted, name } = placed;
  const base = {
    name,
    socketPath: exported.path,
    connected: exported.session !== undefined,
    complaints: { ...exported.counters },
  };
  if (!hosted) return { kind: 'memdev', ...base };
  const { port, mac, bar0 } = vm.devices.find((device) => device.name === name)!;
  const { worker, policy } = hosted;
  return {
    kind: 'ptnet',
    ...base,
    port,
    mac,
    bar0,
    started: hosted.device.serving,
    features: hosted.features,
    policy: policy.policy,
    spinUs: policy.spinUs,
    ...(worker !== undefined && { worker }),
    doorbells: hosted.doorbells,
  };
}

function portState({ config, ports }: HostParts, stats: PortStats): PortState {
  const { name } = stats;
  const parsed = parsePortName(name);
  const port = config.ports.get(name) ?? ports.madeWith(name)!;
  const vale = kindOf(parsed).switchOf(parsed);
  const region = ports.regionOf(name);
  return {
    ...stats,
    rings: [...stats.rings],
    kind: parsed.kind,
    ...(vale !== undefined && { switch: vale }),
    ...(region !== undefined && { region: regionName(region) }),
    ...settingsOf(port),
  };
}

function settingsOf({ txRings, rxRings, txSlots, rxSlots, vnetHdr, mtu, limits, source, sink }: PortConfig) {
  return {
    txRings,
    rxRings,
    txSlots,
    rxSlots,
    vnetHdr,
    ...(mtu !== undefined && { mtu }),
    ...(limits && { limits }),
    ...(source && { source: { ...source } }),
    ...(sink.verify && { verify: sink.payload ?? ('full' as const) }),
  };
}

function memberState(member: MemberStats): MemberState {
  return { ...member, rings: [...member.rings] };
}

function switchStates({ config, ports }: HostParts): SwitchState[] {
  const names = new Set([...config.switches.keys(), ...ports.switches.keys()]);
  return [...names].flatMap((name, index) => {
    const vale = config.switches.get(name);
    const on = [...ports.ports.keys()].filter((port) => {
      const parsed = parsePortName(port);
      return kindOf(parsed).switchOf(parsed) === name;
    });
    const members = ports.members.filter((member) => member.switch === name).map((member) => member.name);
    // One that nobody stands on any more is of no interest, unless the file has it.
    if (!vale && on.length + members.length === 0) return [];
    const state = {
      name,
      index,
      lookup: vale?.lookup?.kind ?? 'learning',
      patienceUs: vale?.patienceUs ?? 50,
      macAge: vale?.macAge ?? 300,
      ports: on,
      members,
    };
    return [state];
  });
}

/** As people call it: `lan`, `vm:vm1`. */
const regionName = (key: string): string => key.replace(/^region:/, '');

const NO_SHAPE: Partial<RegionShape> = {};

function regionStates({ config, ports }: HostParts): RegionState[] {
  const users = new Map([...ports.regions.keys()].map((key) => [key, [] as string[]]));
  for (const [name, vm] of config.vms) users.get(regionKey(name, vm.region))?.push(name);
  return [...ports.regions].map(([key, region]) => {
    const { id, memsize, barSize, lost, pools } = region.info;
    const vms = users.get(key)!;
    // One that no file has is an application's.
    const { hugepages = false, numaNode } = ports.shapes.get(key) ?? NO_SHAPE;
    const pool = ({ count, size, free }: { count: number; size: number; free: number }) => ({
      count,
      size,
      free,
    });
    return {
      name: regionName(key),
      id,
      shared: vms.length > 1,
      vms,
      memsize,
      barSize,
      hugepages,
      ...(numaNode !== undefined && { numaNode }),
      lost,
      pools: { if: pool(pools.if), ring: pool(pools.ring), buf: pool(pools.buf) },
    };
  });
}
