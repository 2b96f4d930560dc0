// Checks what one field cannot know about another: pipes and their regions, names, addresses, counts.
import { cpus as systemCpus } from 'node:os';
import { join } from 'node:path';
import { ALL_KINDS, kindOf } from '../ports/kinds/index.ts';
import { APPLICATIONS_SOCKET } from './applications.ts';
import type { HostConfig, PortConfig, SocketAccess, VmConfig } from './host-config.ts';
import { checkInterfaceKeys, checkOneUserPerInterface } from './interfaces.ts';
import { DEVICE_RINGS_MAX, SOCKET_PATH_BYTES_MAX, VM_DEVICES_MAX } from './limits.ts';
import { checkLookups } from './lookup-ports.ts';
import { alternatives, nearest } from './nearest.ts';
import type { NumaNodes } from './numa-nodes.ts';
import { checkNumaPlacement } from './numa-placement.ts';
import { fail, type NamedCheck, type Placed, placeDevices, problemsOf } from './placed.ts';
import { checkLimits } from './port-limits.ts';
import { parsePortName } from './port-name.ts';
import { checkRegionRoom } from './region-room.ts';
import { CONTROL_SOCKET, FILES_SOCKET, READ_SOCKET } from './run-dir.ts';
import { type FileConfig, formatPath } from './schema.ts';
import type { Problem } from './source-text.ts';

/** What cannot work; what parts have to agree on is looked at when each is well by itself. */
export function checkConfig(file: FileConfig, config: HostConfig, nodes: NumaNodes): Problem[] {
  const placed = placeDevices(config);
  const alone = problemsOf([
    ['file-empty', () => checkSomebody(config)],
    ['socket-group', () => checkGroup('socket-group', file.socketGroup, config.sockets)],
    ['socket-group', () => checkGroup('control.group', file.control.group, config.control.change)],
    ['socket-group', () => checkGroup('control.read-group', file.control.readGroup, config.control.read)],
    [
      'socket-group',
      () =>
        checkGroup(
          'applications.socket-group',
          file.applications?.socketGroup,
          config.applications?.socket ?? {},
        ),
    ],
    ['region-name', () => checkApplicationsRegion(config)],
    ['socket-path', () => checkApplicationsSocket(config)],
    ['worker-cpus', () => checkEngine(config.engine.workers, file.engine.cpus)],
    ['numa-node', () => checkNumaPlacement(file, nodes)],
    ['region-id', () => checkRegionIds(config)],
    ...[...config.vms].flatMap(([name, vm]) => vmChecks(name, vm, config)),
    ...placed.map((place): NamedCheck => ['doorbell-window', () => checkDevice(place)]),
    ...[...config.ports].map(([name, port]): NamedCheck => ['port-keys', () => checkPortKind(name, port)]),
  ]);
  if (alone.length > 0) return alone;
  const shared = problemsOf([
    ['port-owner', () => checkOneDevicePerPort(placed)],
    ['switch-member', () => checkMembers(config, placed)],
    ['interface-owner', () => checkOneUserPerInterface(config)],
  ]);
  if (shared.length > 0) return shared;
  return problemsOf([
    ['rate-limit', () => checkLimits(file, config, placed)],
    ['port-keys', () => checkKinds(placed, file, config)],
    ['lookup-ports', () => checkLookups(config, placed)],
    ['region-room', () => checkRegionRoom(config, placed)],
  ]);
}

function checkSomebody(config: HostConfig): void {
  if (config.applications) return;
  if (config.vms.size === 0 && [...config.switches.values()].every(({ members }) => members.length === 0))
    fail('vms', "there is none: a name such as 'vm1' with its devices would be right");
}

function checkGroup(path: string, name: string | undefined, { group }: SocketAccess): void {
  if (name !== undefined && group === undefined)
    fail(path, `there is no group '${name}' here: one of 'getent group' would be right`);
}

function checkApplicationsRegion({ applications, regions }: HostConfig): void {
  if (applications?.region !== undefined)
    checkRegionName('applications.region', applications.region, regions);
}

function checkApplicationsSocket({ applications, runDir }: HostConfig): void {
  if (applications) checkSocketPath(join(runDir, APPLICATIONS_SOCKET));
}

function checkEngine(workers: number, cpus: readonly number[] = []): void {
  if (cpus.length > 0 && cpus.length !== workers)
    fail('engine.cpus', `${cpus.length} CPUs for ${workers} workers: one for each would be right`);
  const there = systemCpus().length;
  const wrong = cpus.find((cpu) => cpu >= there);
  if (wrong !== undefined)
    fail('engine.cpus', `${wrong} is not a CPU of this machine: 0 to ${there - 1} would be right`);
}

function checkRegionIds(config: HostConfig): void {
  const owner = new Map<number, string>();
  for (const [name, { id }] of config.regions) {
    const other = owner.get(id);
    if (other !== undefined)
      fail(
        `regions.${name}.id`,
        `${id} is the id of region '${other}' already: an id of its own would be right`,
      );
    owner.set(id, name);
  }
}

function vmChecks(name: string, vm: VmConfig, config: HostConfig): NamedCheck[] {
  const path = formatPath(['vms', name]);
  return [
    ['vm-name', () => checkVmName(path, name)],
    [
      'region-name',
      () => vm.region !== undefined && checkRegionName(`${path}.region`, vm.region, config.regions),
    ],
    ['pci-slots', () => checkSlots(path, vm)],
    ['device-name', () => checkDeviceNames(path, vm)],
    ['socket-path', () => checkSocketPaths(name, vm, config)],
  ];
}

const OWN_SOCKETS: readonly string[] = [CONTROL_SOCKET, READ_SOCKET, FILES_SOCKET, APPLICATIONS_SOCKET];

function checkVmName(path: string, name: string): void {
  if (OWN_SOCKETS.includes(name))
    fail(path, `'${name}' is the name of the host's own socket: another name would be right`);
}

function checkSlots(path: string, vm: VmConfig): void {
  if (vm.devices.length > VM_DEVICES_MAX)
    fail(
      `${path}.devices`,
      `${vm.devices.length} devices do not fit on a PCI bus: at most ${VM_DEVICES_MAX} would be right`,
    );
}

function checkDeviceNames(path: string, vm: VmConfig): void {
  for (const [index, device] of vm.devices.entries()) {
    const first = vm.devices.findIndex((other) => other.name === device.name);
    if (first !== index)
      fail(
        `${path}.devices[${index}].name`,
        `'${device.name}' is the name of devices[${first}] already: a name of its own would be right`,
      );
  }
}

function checkSocketPaths(name: string, vm: VmConfig, config: HostConfig): void {
  for (const device of vm.devices) checkSocketPath(join(config.runDir, name, `${device.name}.sock`));
}

function checkRegionName(path: string, name: string, regions: HostConfig['regions']): void {
  if (regions.has(name)) return;
  const names = [...regions.keys()];
  const guess = nearest(name, names);
  const right =
    names.length === 0 ? `an entry '${name}' under regions` : alternatives(guess ? [guess] : names);
  fail(path, `there is no region '${name}': ${right} would be right`);
}

function checkSocketPath(socket: string): void {
  const bytes = Buffer.byteLength(socket);
  if (bytes > SOCKET_PATH_BYTES_MAX)
    fail(
      'run-dir',
      `'${socket}' has ${bytes} bytes, too many for a socket: at most ${SOCKET_PATH_BYTES_MAX} would be right`,
    );
}

function checkDevice({ device, port, portPath }: Placed): void {
  const rings = port.txRings + port.rxRings;
  if (rings > DEVICE_RINGS_MAX)
    fail(
      portPath,
      `'${device.port}' has ${port.txRings} tx and ${port.rxRings} rx rings, and a device has doorbells for ${DEVICE_RINGS_MAX}: tx-rings and rx-rings that add up to at most ${DEVICE_RINGS_MAX} would be right`,
    );
}

function checkPortKind(name: string, port: PortConfig): void {
  const kind = kindOf(parsePortName(name));
  checkInterfaceKeys(name, port);
  // Only a port whose other side is the host makes packets up and swallows them.
  if (kind.hasSourceAndSink) return;
  const key = port.source ? 'source' : port.sink.verify ? 'sink' : undefined;
  if (key)
    fail(
      formatPath(['ports', name, key]),
      `'${name}' is not a null port: 'null:a' would be right for a ${key}`,
    );
}

function checkOneDevicePerPort(placed: readonly Placed[]): void {
  const first = new Map<string, Placed>();
  for (const place of placed) {
    const other = first.get(place.device.port);
    if (other)
      fail(
        place.portPath,
        `'${place.device.port}' belongs to ${other.vmName}'s ${other.device.name} already: a port of its own would be right`,
      );
    first.set(place.device.port, place);
  }
}

/** Who stands on a switch without a VM: of a kind that can, each once, and no port of a device. */
function checkMembers(config: HostConfig, placed: readonly Placed[]): void {
  const owners = new Map(
    placed.map(({ device, vmName }) => [device.port, `the port of ${vmName}'s ${device.name}`]),
  );
  for (const [vale, { members }] of config.switches)
    for (const [index, name] of members.entries()) {
      const path = formatPath(['switches', vale, 'members', index]);
      const kind = kindOf(parsePortName(name));
      if (!kind.join) fail(path, `'${name}' cannot stand on a switch by itself: 'tap:lan' would be right`);
      const owner = owners.get(name);
      if (owner !== undefined)
        fail(path, `'${name}' is ${owner} already: an interface of its own would be right`);
      owners.set(name, `a member of switch '${vale}'`);
      const { txRings, rxRings } = config.ports.get(name)!;
      if (txRings !== rxRings)
        fail(
          formatPath(['ports', name, 'rx-rings']),
          `'${name}' has ${txRings} tx and ${rxRings} rx rings, and a member has queues for both ways: the same number would be right`,
        );
    }
}

/** What the devices of one kind have to agree on. */
function checkKinds(placed: readonly Placed[], file: FileConfig, config: HostConfig): void {
  const members = [...config.switches.values()].flatMap((vale) => vale.members);
  for (const kind of ALL_KINDS) {
    const complaint = kind.check(
      placed.filter(({ portName }) => kindOf(portName) === kind),
      [...file.switches.keys()],
      placed,
      members,
    );
    if (!complaint) continue;
    const { path, text, check } = complaint;
    fail(typeof path === 'string' ? path : formatPath(path), text, check);
  }
}
