// Says aloud what works, and what somebody may not have meant: shared memory, memory far from the workers, rings that guests' drivers cannot use, things that nobody uses.
import { DEFAULT_PCI_IDS } from '../../pci/index.ts';
import { descriptorLimit, descriptorsNeeded } from './descriptors.ts';
import type { HostConfig } from './host-config.ts';
import { PRIVATE_BUF_SIZE } from './limits.ts';
import { nearest } from './nearest.ts';
import { type NumaNodes, readNumaNodes } from './numa-nodes.ts';
import { apartFromWorkers } from './numa-placement.ts';
import { placeDevices } from './placed.ts';
import { shown } from './quote.ts';
import { formatPath } from './schema.ts';
import { regionUsers, slotsKeptFree, switchPorts, unusedPorts } from './users.ts';

/** @param descriptors how many this process may have open. */
export function configWarnings(
  config: HostConfig,
  nodes: NumaNodes = readNumaNodes(),
  descriptors = descriptorLimit(),
): string[] {
  return [
    ...sharedRegions(config),
    ...apartFromWorkers(config, nodes),
    ...unusedPorts(config).map((name) => `ports.'${name}': no device uses it`),
    ...lonelyPorts(config),
    ...q35(config),
    ...unequalRings(config),
    ...ringsTooShort(config),
    ...fewDescriptors(config, descriptors),
  ];
}

function sharedRegions(config: HostConfig): string[] {
  return [...config.regions.keys()].flatMap((region) => {
    const names = regionUsers(config, region);
    if (names.length === 0) return [`regions.${region}: no VM is in it`];
    if (names.length === 1) return [];
    return [
      `regions.${region}: shared by ${names.join(', ')}: each of them can read and change the packets of the others; sharing a region is sharing trust`,
    ];
  });
}

/** Who is alone on a switch talks to nobody: most often a name was mistyped. */
function lonelyPorts(config: HostConfig): string[] {
  if (config.applications) return [];
  const standing = switchPorts(config);
  return [...standing].flatMap(([vale, ports]) => {
    if (ports.length > 1) return [];
    const { path, port } = ports[0]!;
    const others = [...standing.keys()].filter((name) => name !== vale);
    const guess = nearest(vale, others);
    const meant =
      guess !== undefined && port.startsWith(`${vale}:`) ? guess + port.slice(vale.length) : guess;
    const end = meant === undefined ? 'a second port would be right' : `'${shown(meant)}' may be meant`;
    return [`${path}: '${shown(port)}' is alone on switch '${shown(vale)}', so nobody can answer: ${end}`];
  });
}

function q35(config: HostConfig): string[] {
  return [...config.vms]
    .filter(([, vm]) => vm.machine === 'q35' && vm.pciIds === DEFAULT_PCI_IDS)
    .map(
      ([name]) =>
        `vms.${name}.machine: a PCIe root port of QEMU has the memory device's ids (1b36:000c), and a Linux guest driver may take it for one; 'pc' has none`,
    );
}

function unequalRings(config: HostConfig): string[] {
  return placeDevices(config)
    .filter(({ port }) => port.txRings !== port.rxRings)
    .map(
      ({ device, port }) =>
        `${formatPath(['ports', device.port])}: ${port.txRings} tx and ${port.rxRings} rx rings: netmap's Linux driver needs as many of one as of the other, or a guest's kernel stops`,
    );
}

function ringsTooShort(config: HostConfig): string[] {
  return placeDevices(config).flatMap(({ vm, device, port }) => {
    const bufSize = vm.region === undefined ? PRIVATE_BUF_SIZE : config.regions.get(vm.region)!.bufSize;
    const least = slotsKeptFree(bufSize);
    if (port.txSlots > least) return [];
    return [
      `${formatPath(['ports', device.port, 'tx-slots'])}: a guest's network stack never sends on a ring of ${port.txSlots} slots with buffers of ${bufSize} bytes: more than ${least} would be right (netmap applications are fine)`,
    ];
  });
}

function fewDescriptors(config: HostConfig, limit: number): string[] {
  const needed = descriptorsNeeded(config);
  if (needed <= limit) return [];
  return [
    `vms: they need about ${needed} descriptors, and this process may open ${limit}: 'ulimit -n ${needed}' or LimitNOFILE=${needed} would be right`,
  ];
}
