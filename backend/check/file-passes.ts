// What the checks of a file by itself have seen where nothing is wrong, with the numbers that they reckon with.

import { formatPath } from '../config/format-path.ts';
import type { HostConfig } from '../config/host-config.ts';
import { DEVICE_RINGS_MAX, SWITCH_PORTS_MAX, VM_DEVICES_MAX } from '../config/limits.ts';
import { placeDevices } from '../config/placed.ts';
import { kindOf } from '../ports/kinds/index.ts';
import { objectNeeds, regionNeeds } from '../ports/needs.ts';
import { planRegions, regionKey } from '../ports/plan.ts';
import { type Finding, pass } from './finding.ts';

export function filePasses(config: HostConfig): Finding[] {
  const placed = placeDevices(config);
  const members = [...config.switches.values()].flatMap((vale) => vale.members);
  const pipes = placed.filter(({ portName }) => portName.kind === 'pipe');
  const limited = [...config.ports.values()].filter(({ limits }) => limits !== undefined);
  const lookups = [...config.switches.values()].filter(({ lookup }) => lookup !== undefined);
  return [
    pass('file-form', 'file', 'each key and value is known'),
    pass(
      'file-empty',
      'file',
      `${config.vms.size} VMs, ${placed.length} devices, ${members.length} members of switches`,
    ),
    ...(config.sockets.group === undefined
      ? []
      : [pass('socket-group', 'socket-group', 'the group is there')]),
    pass('socket-path', 'run-dir', `each socket's path below '${config.runDir}' is short enough`),
    pass('worker-cpus', 'engine', workers(config)),
    pass('region-id', 'regions', `${config.regions.size} regions with different ids`),
    pass('port-keys', 'ports', `${config.ports.size} ports, each with settings of its kind`),
    pass('port-owner', 'vms', `${placed.length} devices, each with a port of its own`),
    pass('port-parent', 'ports', 'each pipe and monitor of a port has that port'),
    ...vms(config),
    ...placed.map(({ device, port }) =>
      pass(
        'doorbell-window',
        formatPath(['ports', device.port]),
        `${port.txRings} tx + ${port.rxRings} rx rings of ${DEVICE_RINGS_MAX} doorbells`,
      ),
    ),
    ...(pipes.length === 0
      ? []
      : [
          pass('pipe-ends', 'ports', `${pipes.length / 2} pipes, each with both ends`),
          pass('pipe-agrees', 'ports', `${pipes.length / 2} pipes, the ends of each agree`),
        ]),
    ...(members.length === 0
      ? []
      : [
          pass(
            'switch-member',
            'switches',
            `${members.length} members, each on one switch and nobody's device`,
          ),
        ]),
    ...switches(config),
    pass('interface-owner', 'ports', 'no interface of the host has two users'),
    pass('ring-pairs', 'ports', 'ports of interfaces and echoes have as many rx as tx rings'),
    ...(limited.length === 0 ? [] : [pass('rate-limit', 'ports', `${limited.length} ports with limits`)]),
    ...(lookups.length === 0
      ? []
      : [pass('lookup-ports', 'switches', `${lookups.length} lookup functions name their own ports`)]),
    ...rooms(config),
  ];
}

function workers({ engine }: HostConfig): string {
  const cpus = engine.workerCpus?.map((list) => list.join(',')).join(' ');
  return `${engine.workers} workers, ${cpus === undefined ? 'on any CPU' : `on CPUs ${cpus}`}`;
}

function vms(config: HostConfig): Finding[] {
  return [...config.vms].flatMap(([name, { devices, region }]) => {
    const object = formatPath(['vms', name]);
    return [
      pass('vm-name', object, 'no name of the host'),
      pass('region-name', object, region === undefined ? 'a private region' : `region '${region}'`),
      pass('pci-slots', object, `${devices.length} of ${VM_DEVICES_MAX} devices`),
      pass('device-name', object, devices.map((device) => device.name).join(', ')),
    ];
  });
}

function switches(config: HostConfig): Finding[] {
  const counts = new Map<string, number>();
  for (const { portName } of placeDevices(config)) {
    const name = kindOf(portName).switchOf(portName);
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].flatMap(([name, count]) => [
    pass(
      'switch-name',
      formatPath(['switches', name]),
      config.switches.has(name) ? 'named in the file' : 'the file names no switches',
    ),
    pass('switch-size', formatPath(['switches', name]), `${count} of ${SWITCH_PORTS_MAX} ports`),
  ]);
}

/** The arithmetic of each region. */
function rooms(config: HostConfig): Finding[] {
  const placed = placeDevices(config);
  const shapes = planRegions(config);
  const users = new Map<string, typeof placed>();
  for (const place of placed) {
    const key = regionKey(place.vmName, place.vm.region);
    users.set(key, [...(users.get(key) ?? []), place]);
  }
  return [...users].map(([key, places]) => {
    const shape = shapes.get(key)!;
    const needs = regionNeeds(new Map(places.map(({ device, port }) => [device.port, port])));
    const objects = places.map(({ port }) => objectNeeds(port));
    const largest = (of: 'ifSize' | 'ringSize'): number => Math.max(...objects.map((object) => object[of]));
    const { vm, vmName } = places[0]!;
    return pass(
      'region-room',
      formatPath(vm.region === undefined ? ['vms', vmName] : ['regions', vm.region]),
      `${needs.ifNum} of ${shape.ifNum} netmap_if of ${largest('ifSize')} of ${shape.ifSize} bytes, ${needs.ringNum} of ${shape.ringNum} rings of ${largest('ringSize')} of ${shape.ringSize} bytes, ${needs.bufNum} of ${shape.bufNum} buffers of ${shape.bufSize} bytes`,
    );
  });
}
