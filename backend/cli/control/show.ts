// `ptnet show`: one thing of a running host in full, and what each of its counters means where it is not 0.
import { alternatives, nearest } from '../../config/nearest.ts';
import {
  DROPS,
  type Explanation,
  LOST_COUNTERS,
  RING_COUNTERS,
  SINK_COUNTERS,
  WORKER_COUNTERS,
} from '../../control/counters.ts';
import type { ControlClient, DeviceState, MemberState, PortState, RegionState } from '../../control/index.ts';
import { ControlError } from '../../control/index.ts';
import type { Io } from '../io.ts';
import { linkState, stateOf } from './ls.ts';

interface Found {
  readonly kind: string;
  readonly value: object;
  readonly text: string;
}

interface Candidate {
  readonly name: string;
  readonly kind: string;
  describe(): readonly string[];
  readonly value: object;
}

export async function show(
  client: ControlClient,
  name: string,
  { json }: { json: boolean },
  io: Io,
): Promise<void> {
  if (name === 'config') return io.out(await client.config());
  const all = await candidates(client);
  const found = all
    .filter((candidate) => candidate.name === name)
    .map(({ kind, value, describe }): Found => ({ kind, value, text: describe().join('\n') }));
  if (found.length === 0) {
    const names = [...new Set(all.map((candidate) => candidate.name))];
    const guess = nearest(name, names);
    throw new ControlError(
      `there is nothing of the name '${name}' in this host: ${alternatives(guess ? [guess] : names)} would be right`,
    );
  }
  if (json) io.out(`${JSON.stringify(found.map(({ kind, value }) => ({ kind, ...value })))}\n`);
  else io.out(`${found.map(({ text }) => text).join('\n\n')}\n`);
}

async function candidates(client: ControlClient): Promise<Candidate[]> {
  const [host, vms, ports, members, switches, regions, workers] = await Promise.all([
    client.host(),
    client.vms(),
    client.ports(),
    client.members(),
    client.switches(),
    client.regions(),
    client.workers(),
  ]);
  return [
    one('host', 'host', host, () => lines('the host', { ...host, api: undefined })),
    ...vms.map((vm) =>
      one('VM', vm.name, vm, () => [
        ...lines(`VM ${vm.name}`, {
          memory: vm.memory,
          machine: vm.machine,
          region: vm.region,
          connected: vm.connected,
        }),
        ...vm.devices.map(
          (device) => `  ${device.name}: ${stateOf(device)}${device.port ? `, ${device.port}` : ''}`,
        ),
      ]),
    ),
    ...vms.flatMap((vm) =>
      vm.devices.map((device) =>
        one('device', `${vm.name}/${device.name}`, device, () => deviceLines(vm.name, device)),
      ),
    ),
    ...ports.map((port) => one('port', port.name, port, () => portLines(port))),
    ...members.map((member) => one('member', member.name, member, () => memberLines(member))),
    ...switches.map((vale) =>
      one('switch', vale.name, vale, () =>
        lines(`switch ${vale.name}`, {
          lookup: vale.lookup,
          'patience-us': vale.patienceUs,
          'mac-age': vale.macAge === 0 ? 'off' : vale.macAge,
          ports: vale.ports.join(' ') || 'none',
          members: vale.members.join(' ') || 'none',
        }),
      ),
    ),
    ...regions.map((region) => one('region', region.name, region, () => regionLines(region))),
    ...workers.map((worker) =>
      one('worker', `worker${worker.worker}`, worker, () => [
        `worker ${worker.worker}, ${worker.cpus.length === 0 ? 'on any CPU' : `on CPU ${worker.cpus.join(', ')}`}`,
        ...explained(worker as unknown as Record<string, unknown>, WORKER_COUNTERS),
      ]),
    ),
  ];
}

const one = (kind: string, name: string, value: object, describe: () => readonly string[]): Candidate => ({
  kind,
  name,
  value,
  describe,
});

function lines(title: string, keys: Readonly<Record<string, unknown>>): string[] {
  const shown = Object.entries(keys).filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([key]) => key.length));
  return [title, ...shown.map(([key, value]) => `  ${key.padEnd(width)}  ${text(value)}`)];
}

function text(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Only those that are not 0, each with what it means and what to do. */
function explained(
  values: Readonly<Record<string, unknown>>,
  table: Readonly<Record<string, Explanation>>,
): string[] {
  return Object.entries(table).flatMap(([key, { meaning, action }]) => {
    const value = values[key];
    if (typeof value !== 'number' || value === 0) return [];
    return [`    ${key} ${value}: ${meaning}`, ...(action === undefined ? [] : [`      to do: ${action}`])];
  });
}

function deviceLines(vm: string, device: DeviceState): string[] {
  const { complaints, name, features, kind, ...rest } = device;
  const agreed =
    features && (features.vnetHdrLen > 0 ? `virtio-net header of ${features.vnetHdrLen} bytes` : 'none');
  const said = Object.entries(complaints);
  return [
    ...lines(`device ${vm}/${name} (${kind}): ${stateOf(device)}`, { ...rest, features: agreed }),
    ...(said.length === 0 ? [] : ['  what its guest and its clients did wrong (the log has more):']),
    ...said.map(([cause, count]) => `    ${cause}: ${count} times`),
  ];
}

function portLines(port: PortState): string[] {
  const { rings, name, sink, interface: link, kind, ...rest } = port;
  return [
    ...lines(`port ${name} (${kind})`, {
      ...rest,
      ...(link && { interface: `${link.name}, ${linkState(link)}` }),
    }),
    ...(link?.lost ? ['  interface', ...explained(link.lost, LOST_COUNTERS)] : []),
    ...rings.flatMap((ring) => ringLines(ring)),
    ...(sink ? ['  sink', ...explained(sink, SINK_COUNTERS)] : []),
  ];
}

function ringLines(ring: { dir: string; ring: number; drops: Record<string, number> }): string[] {
  const counters = explained(ring as unknown as Record<string, unknown>, RING_COUNTERS);
  const drops = explained(ring.drops, DROPS).map((line) => line.replace(/^ {4}(\S+) /, '    dropped, $1 '));
  const nothing = counters.length + drops.length === 0 ? ['    nothing yet'] : [];
  return [`  ${ring.dir} ring ${ring.ring}`, ...counters, ...drops, ...nothing];
}

function memberLines({ name, switch: vale, interface: link, rings }: MemberState): string[] {
  const { lost, name: linkName, ...rest } = link;
  return [
    ...lines(`member ${name} of ${vale}: ${linkState(link)}`, { interface: linkName, ...rest }),
    ...(lost ? explained(lost, LOST_COUNTERS) : []),
    ...rings.flatMap((ring) => ringLines(ring)),
  ];
}

function regionLines({ name, pools, vms, ...rest }: RegionState): string[] {
  const pool = ({ count, free, size }: { count: number; free: number; size: number }) =>
    `${free} of ${count} free, ${size} bytes each`;
  return lines(`region ${name}`, {
    VMs: vms.join(' ') || 'none',
    ...rest,
    netmap_if: pool(pools.if),
    rings: pool(pools.ring),
    buffers: pool(pools.buf),
  });
}
