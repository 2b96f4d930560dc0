// Checks what one field cannot know about another: pipes and their regions, names, addresses, counts.
import { cpus as systemCpus } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import type { HostConfig, PortConfig, VmConfig } from './host-config.ts';
import { DEVICE_RINGS_MAX, SOCKET_PATH_BYTES_MAX, SWITCH_PORTS_MAX, VM_DEVICES_MAX } from './limits.ts';
import { alternatives, nearest } from './nearest.ts';
import type { NumaNodes } from './numa-nodes.ts';
import { checkNumaPlacement } from './numa-placement.ts';
import { fail, type Placed, placeDevices } from './placed.ts';
import { formatPortName, parsePortName, peerOf } from './port-name.ts';
import { checkRegionRoom } from './region-room.ts';
import { type FileConfig, formatPath } from './schema.ts';

/** Throws a ConfigurationError for the first thing that cannot work. */
export function checkConfig(file: FileConfig, config: HostConfig, nodes: NumaNodes): void {
  if (config.vms.size === 0)
    throw new ConfigurationError("vms: there is none: a name such as 'vm1' with its devices would be right");
  if (file.socketGroup !== undefined && config.sockets.group === undefined)
    fail(
      'socket-group',
      `there is no group '${file.socketGroup}' here: one of 'getent group' would be right`,
    );
  checkEngine(config.engine.workers, file.engine.cpus);
  checkNumaPlacement(file, nodes);
  const placed = placeDevices(config);
  checkRegionIds(config);
  for (const [name, vm] of config.vms) checkVm(name, vm, config);
  for (const place of placed) checkDevice(place);
  for (const [name, port] of config.ports) checkPortKind(name, port);
  checkOneDevicePerPort(placed);
  checkPipes(placed);
  checkSwitches(placed, [...file.switches.keys()]);
  checkRegionRoom(config, placed);
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

/** Only null ports make packets up and swallow them. */
function checkPortKind(name: string, port: PortConfig): void {
  if (parsePortName(name).kind === 'null') return;
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

function checkPipes(placed: readonly Placed[]): void {
  for (const place of placed) {
    if (place.portName.kind !== 'pipe') continue;
    const otherName = formatPortName(peerOf(place.portName));
    const peer = placed.find((candidate) => candidate.device.port === otherName);
    if (!peer)
      fail(
        `${place.path}.port`,
        `'${place.device.port}' has no other end: a device with port '${otherName}' would be right`,
      );
    checkPipeRegion(place, peer);
    checkPipeRings(place, peer);
  }
}

function checkPipeRegion(a: Placed, b: Placed): void {
  if (a.vmName === b.vmName || (a.vm.region !== undefined && a.vm.region === b.vm.region)) return;
  const where = (place: Placed): string =>
    place.vm.region === undefined ? 'its private region' : `region '${place.vm.region}'`;
  const right = a.vm.region ?? b.vm.region ?? 'lan';
  fail(
    `${b.path}.port`,
    `${b.vmName} has '${b.device.port}' in ${where(b)} and ${a.vmName} has '${a.device.port}' in ${where(a)}: 'region: ${right}' for both VMs would be right`,
  );
}

/** A TX ring of one end is joined to an RX ring of the other, slot by slot. */
function checkPipeRings(a: Placed, b: Placed): void {
  const pairs = [
    ['rings', a.port.txRings, b.port.rxRings],
    ['slots', a.port.txSlots, b.port.rxSlots],
  ] as const;
  for (const [what, tx, rx] of pairs) {
    if (tx !== rx)
      fail(
        formatPath(['ports', a.device.port, `tx-${what}`]),
        `${tx} tx ${what} of '${a.device.port}' meet ${rx} rx ${what} of '${b.device.port}': the same number would be right`,
      );
  }
}

function checkSwitches(placed: readonly Placed[], declared: readonly string[]): void {
  const switches = new Map<string, Placed[]>();
  for (const place of placed) {
    if (place.portName.kind !== 'vale') continue;
    const name = `vale${place.portName.switch}`;
    if (declared.length > 0 && !declared.includes(name)) {
      const guess = nearest(name, declared);
      fail(
        `${place.path}.port`,
        `there is no switch '${name}' under switches: ${alternatives(guess ? [guess] : declared)} would be right`,
      );
    }
    switches.set(name, [...(switches.get(name) ?? []), place]);
  }
  for (const [name, places] of switches) checkSwitch(name, places);
}

function checkSwitch(name: string, places: readonly Placed[]): void {
  if (places.length > SWITCH_PORTS_MAX)
    fail(
      `${places[SWITCH_PORTS_MAX]!.path}.port`,
      `switch '${name}' has ${places.length} ports: at most ${SWITCH_PORTS_MAX} would be right`,
    );
  const owner = new Map<string, Placed>();
  for (const place of places) {
    const other = owner.get(place.device.mac);
    if (other)
      fail(
        `${place.path}.mac`,
        `'${place.device.mac}' is the address of ${other.vmName}'s ${other.device.name} on switch '${name}' already: an address of its own would be right`,
      );
    owner.set(place.device.mac, place);
  }
}
