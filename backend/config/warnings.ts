// Says aloud what works, and what somebody may not have meant: shared memory, memory far from the workers, rings that guests' drivers cannot use, things that nobody uses.
import { DEFAULT_PCI_IDS } from '../../pci/index.ts';
import { descriptorLimit, descriptorsNeeded } from './descriptors.ts';
import type { HostConfig } from './host-config.ts';
import { PRIVATE_BUF_SIZE } from './limits.ts';
import { type NumaNodes, readNumaNodes } from './numa-nodes.ts';
import { apartFromWorkers } from './numa-placement.ts';
import { placeDevices } from './placed.ts';
import { formatPath } from './schema.ts';

/** @param descriptors how many this process may have open. */
export function configWarnings(
  config: HostConfig,
  nodes: NumaNodes = readNumaNodes(),
  descriptors = descriptorLimit(),
): string[] {
  return [
    ...sharedRegions(config),
    ...apartFromWorkers(config, nodes),
    ...unusedPorts(config),
    ...q35(config),
    ...unequalRings(config),
    ...ringsTooShort(config),
    ...fewDescriptors(config, descriptors),
  ];
}

function sharedRegions(config: HostConfig): string[] {
  return [...config.regions.keys()].flatMap((region) => {
    const vms = [...config.vms].filter(([, vm]) => vm.region === region);
    const names = vms.map(([name]) => name);
    if (names.length === 0) return [`regions.${region}: no VM is in it`];
    if (names.length === 1) return [];
    return [
      `regions.${region}: shared by ${names.join(', ')}: each of them can read and change the packets of the others; sharing a region is sharing trust`,
    ];
  });
}

function unusedPorts(config: HostConfig): string[] {
  const used = new Set([
    ...[...config.vms.values()].flatMap((vm) => vm.devices.map((device) => device.port)),
    ...[...config.switches.values()].flatMap((vale) => vale.members),
  ]);
  return [...config.ports.keys()]
    .filter((name) => !used.has(name))
    .map((name) => `ports.'${name}': no device uses it`);
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

/** The drivers of Linux and FreeBSD keep as many slots free as a packet of 64 KiB takes, and two more. */
function ringsTooShort(config: HostConfig): string[] {
  return placeDevices(config).flatMap(({ vm, device, port }) => {
    const bufSize = vm.region === undefined ? PRIVATE_BUF_SIZE : config.regions.get(vm.region)!.bufSize;
    const least = Math.floor(65_536 / bufSize) + 2;
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
