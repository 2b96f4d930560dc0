// Says aloud what works, and what somebody may not have meant: shared memory, memory far from the workers, things that nobody uses.
import type { HostConfig } from './host-config.ts';
import { type NumaNodes, readNumaNodes } from './numa-nodes.ts';
import { apartFromWorkers } from './numa-placement.ts';

export function configWarnings(config: HostConfig, nodes: NumaNodes = readNumaNodes()): string[] {
  return [
    ...sharedRegions(config),
    ...apartFromWorkers(config, nodes),
    ...unusedPorts(config),
    ...q35(config),
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
  const used = new Set([...config.vms.values()].flatMap((vm) => vm.devices.map((device) => device.port)));
  return [...config.ports.keys()]
    .filter((name) => !used.has(name))
    .map((name) => `ports.'${name}': no device uses it`);
}

function q35(config: HostConfig): string[] {
  return [...config.vms]
    .filter(([, vm]) => vm.machine === 'q35')
    .map(
      ([name]) =>
        `vms.${name}.machine: a PCIe root port of QEMU has the memory device's ids (1b36:000c), and a Linux guest driver may take it for one; 'pc' has none`,
    );
}
