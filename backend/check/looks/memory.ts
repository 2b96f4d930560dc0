// Looks at where memory goes: a VM's address space with its BAR, this machine's RAM, and its huge pages.
import { parseSize } from '../../config/size.ts';
import { type Finding, failed, pass, warn } from '../finding.ts';
import type { QemuCommand } from '../qemu-command.ts';
import { formatBytes } from '../region-size.ts';
import type { Scene } from '../scene.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const HUGEPAGE = 2 * MIB;
/** Where the hole ends: interrupt controllers and firmware lie behind it. */
const HOLE_END = 0xfec0_0000;
/** What QEMU's usual CPUs have, emulated or by KVM, unless they are told otherwise. */
const ADDRESS_BITS = 40;

/** Where the PCI hole of a machine begins: firmware and QEMU leave it beside so much RAM. */
function holeStart(machine: string, ram: number): number {
  if (/q35/.test(machine)) return 0xc000_0000;
  if (ram <= 2 * GIB) return 0x8000_0000;
  return ram <= 3 * GIB ? 0xc000_0000 : 0xe000_0000;
}

export function lookAtMemory(scene: Scene): Finding[] {
  return [
    ...[...scene.config.vms.keys()].map((name) => barWindow(name, scene)),
    hostMemory(scene),
    ...hugepages(scene),
  ];
}

function addressBits({ cpu }: QemuCommand, own: number | undefined): number {
  const said = /phys-bits=(\d+)/.exec(cpu)?.[1];
  if (said !== undefined && Number(said) > 0) return Number(said);
  if (/host-phys-bits=(on|true)/.test(cpu) && own !== undefined) return own;
  // With KVM a guest cannot have more than the machine.
  return Math.min(ADDRESS_BITS, own ?? ADDRESS_BITS);
}

function barWindow(name: string, { config, commands, machine, regionOf }: Scene): Finding {
  const object = `vms.${name}`;
  const command = commands.get(name)!;
  const ram = command.memory ?? parseSize(config.vms.get(name)!.memory)!;
  const { bar, memory } = regionOf(name);
  const start = holeStart(command.machine, ram);
  const hole = HOLE_END - start;
  const bits = addressBits(command, machine.addressBits);
  const sizes = `the region has ${formatBytes(memory)}, so BAR 1 ${formatBytes(bar)}`;
  // Naturally aligned, beside the small BARs of other devices, which take less than 64 MiB.
  const low = Math.ceil((start + 64 * MIB) / bar) * bar;
  const hex = (address: number): string => `0x${address.toString(16)}`;
  const window = `the PCI hole of '${command.machine}' with ${formatBytes(ram)} of RAM is ${formatBytes(hole)} from ${hex(start)}`;
  if (low + bar <= HOLE_END) return pass('bar-window', object, `${sizes}; ${window}`);
  const above = 4 * GIB + Math.max(0, ram - 2 * GIB);
  const end = (Math.floor(above / bar) + 2) * bar;
  if (end > 2 ** bits)
    return failed(
      'bar-window',
      object,
      `${sizes}; ${window}; above the RAM it would end at ${hex(end)}, and the CPU has ${bits} address bits`,
      'a smaller region or VM, or -cpu host,host-phys-bits=on where the machine has more bits',
    );
  return pass('bar-window', object, `${sizes}; ${window}: it lies above 4 GiB, where 64-bit guests reach it`);
}

function hostMemory({ config, machine, regions }: Scene): Finding {
  const vms = [...config.vms.values()].reduce((sum, vm) => sum + parseSize(vm.memory)!, 0);
  const own = regions.reduce((sum, { memory }) => sum + memory, 0);
  const sum = `VMs ${formatBytes(vms)} + regions ${formatBytes(own)} = ${formatBytes(vms + own)}`;
  const have = `this machine has ${formatBytes(machine.memory)}, of which ${formatBytes(machine.memoryAvailable)} can be had`;
  const remedy = 'less memory for VMs, smaller regions, or a larger machine';
  if (vms + own > machine.memory) return failed('host-memory', 'host', `${sum}; ${have}`, remedy);
  return vms + own > machine.memoryAvailable
    ? warn('host-memory', 'host', `${sum}; ${have}`, remedy)
    : pass('host-memory', 'host', `${sum}; ${have}`);
}

function hugepages({ config, machine, regionOf }: Scene): Finding[] {
  const users = [...config.regions].filter(([, region]) => region.hugepages);
  if (users.length === 0) return [];
  const bars = users.map(([name]) => {
    const vm = [...config.vms].find(([, { region }]) => region === name)?.[0];
    return vm === undefined ? 0 : regionOf(vm).bar;
  });
  const wanted = bars.reduce((sum, bar) => sum + bar / HUGEPAGE, 0);
  const { free } = machine.hugepages;
  const evidence = `${users.map(([name]) => `regions.${name}`).join(', ')}: ${wanted} huge pages of 2 MiB, ${free} are free`;
  return [
    wanted <= free
      ? pass('hugepages', 'host', evidence)
      : failed('hugepages', 'host', evidence, `${wanted - free} more in /proc/sys/vm/nr_hugepages`),
  ];
}
