// What the checks of a file on a machine look at: the configuration beside what follows from it.
import type { HostConfig } from '../config/host-config.ts';
import { type Placed, placeDevices } from '../config/placed.ts';
import { attachedVms } from '../hypervisor/attach.ts';
import { qemuArguments } from '../hypervisor/qemu.ts';
import { planRegions, regionKey } from '../ports/plan.ts';
import type { Machine } from './machine/machine.ts';
import { parseQemuCommand, type QemuCommand } from './qemu-command.ts';
import { type RegionSize, regionSize } from './region-size.ts';

export interface Scene {
  readonly config: HostConfig;
  readonly machine: Machine;
  readonly placed: readonly Placed[];
  /** Of each VM: its user's command, else the one that is printed for it. */
  readonly commands: ReadonlyMap<string, QemuCommand>;
  /** The region that a VM sees. */
  readonly regionOf: (vm: string) => RegionSize & { readonly bufSize: number };
  /** Each region once. */
  readonly regions: readonly RegionSize[];
}

/** @param commands by a VM's name: the words of the command that starts it. */
export function makeScene(
  config: HostConfig,
  machine: Machine,
  commands: ReadonlyMap<string, readonly string[]> = new Map(),
): Scene {
  const shapes = planRegions(config);
  const sizes = new Map(
    [...shapes].map(([key, shape]) => [key, { ...regionSize(shape), bufSize: shape.bufSize }]),
  );
  return {
    config,
    machine,
    placed: placeDevices(config),
    commands: new Map(
      attachedVms(config).map((vm) => [
        vm.name,
        parseQemuCommand(commands.get(vm.name) ?? qemuArguments(vm)),
      ]),
    ),
    regionOf: (vm) => sizes.get(regionKey(vm, config.vms.get(vm)!.region))!,
    regions: [...sizes.values()],
  };
}
