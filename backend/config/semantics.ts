// Checks what one field cannot know about another: pipes and their regions, names, addresses, counts.
import { cpus as systemCpus } from 'node:os';
import { join } from 'node:path';
import { ALL_KINDS, kindOf } from '../ports/kinds/index.ts';
import type { HostConfig, PortConfig, VmConfig } from './host-config.ts';
import { checkInterfaceKeys, checkOneUserPerInterface } from './interfaces.ts';
import { DEVICE_RINGS_MAX, SOCKET_PATH_BYTES_MAX, VM_DEVICES_MAX } from './limits.ts';
import { alternatives, nearest } from './nearest.ts';
import type { NumaNodes } from './numa-nodes.ts';
import { checkNumaPlacement } from './numa-placement.ts';
import { fail, type Placed, placeDevices, problemsOf } from './placed.ts';
import { checkLimits } from './port-limits.ts';
import { parsePortName } from './port-name.ts';
import { checkRegionRoom } from './region-room.ts';
import { type FileConfig, formatPath } from './schema.ts';
import type { Problem } from './source-text.ts';

/** What cannot work; what parts have to agree on is looked at when each is well by itself. */
export function checkConfig(file: FileConfig, config: HostConfig, nodes: NumaNodes): Problem[] {
  const placed = placeDevices(config);
  const alone = problemsOf([
    () => checkSomebody(config),
    () => checkSocketGroup(file, config),
    () => checkEngine(config.engine.workers, file.engine.cpus),
    () => checkNumaPlacement(file, nodes),
    () => checkRegionIds(config),
    ...[...config.vms].map(
      ([name, vm]) =>
        () =>
          checkVm(name, vm, config),
    ),
    ...placed.map((place) => () => checkDevice(place)),
    ...[...config.ports].map(
      ([name, port]) =>
        () =>
          checkPortKind(name, port),
    ),
  ]);
  if (alone.length > 0) return alone;
  const shared = problemsOf([
    () => checkOneDevicePerPort(placed),
    () => checkMembers(config, placed),
    () => checkOneUserPerInterface(config),
  ]);
  if (shared.length > 0) return shared;
  return problemsOf([
    () => checkLimits(file, config, placed),
    () => checkKinds(placed, [...file.switches.keys()]),
    () => checkRegionRoom(config, placed),
  ]);
}

function checkSomebody(config: HostConfig): void {
  if (config.vms.size === 0 && [...config.switches.values()].every(({ members }) => members.length === 0))
    fail('vms', "there is none: a name such as 'vm1' with its devices would be right");
}

function checkSocketGroup(file: FileConfig, config: HostConfig): void {
  if (file.socketGroup !== undefined && config.sockets.group === undefined)
    fail(
      'socket-group',
      `there is no group '${file.socketGroup}' here: one of 'getent group' would be right`,
    );
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

function checkVm(name: string, vm: VmConfig, config: HostConfig): void {
  const path = formatPath(['vms', name]);
  const regions = [...config.regions.keys()];
  if (vm.region !== undefined && !regions.includes(vm.region)) {
    const guess = nearest(vm.region, regions);
    const right =
      regions.length === 0
        ? `an entry '${vm.region}' under regions`
        : alternatives(guess ? [guess] : regions);
    fail(`${path}.region`, `there is no region '${vm.region}': ${right} would be right`);
  }
  if (vm.devices.length > VM_DEVICES_MAX)
    fail(
      `${path}.devices`,
      `${vm.devices.length} devices do not fit on a PCI bus: at most ${VM_DEVICES_MAX} would be right`,
    );
  vm.devices.forEach((device, index) => {
    const first = vm.devices.findIndex((other) => other.name === device.name);
    if (first !== index)
      fail(
        `${path}.devices[${index}].name`,
        `'${device.name}' is the name of devices[${first}] already: a name of its own would be right`,
      );
    const socket = join(config.runDir, name, `${device.name}.sock`);
    if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES_MAX) {
      const bytes = Buffer.byteLength(socket);
      fail(
        'run-dir',
        `'${socket}' has ${bytes} bytes, too many for a socket: at most ${SOCKET_PATH_BYTES_MAX} would be right`,
      );
    }
  });
}

function checkDevice({ device, port, path }: Placed): void {
  const rings = port.txRings + port.rxRings;
  if (rings > DEVICE_RINGS_MAX)
    fail(
      `${path}.port`,
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
        `${place.path}.port`,
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
function checkKinds(placed: readonly Placed[], switches: readonly string[]): void {
  for (const kind of ALL_KINDS) {
    const complaint = kind.check(
      placed.filter(({ portName }) => kindOf(portName) === kind),
      switches,
    );
    if (!complaint) continue;
    const { path, text } = complaint;
    fail(typeof path === 'string' ? path : formatPath(path), text);
  }
}
