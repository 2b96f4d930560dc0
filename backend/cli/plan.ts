// `ptnet plan`: what attaches VMs under a hypervisor, ready to paste; nothing is started.
import { loadConfig } from '../config/load.ts';
import { type Hypervisor, plan as planOf, planText } from '../hypervisor/plans.ts';
import type { Io } from './io.ts';
import { launcherHere } from './qemu-here.ts';

export { HYPERVISORS } from '../hypervisor/plans.ts';

/** Whose text says which QEMU of this machine it is for. */
const RUN_BY_QEMU: readonly Hypervisor[] = ['qemu', 'libvirt'];

export interface PlanOptions {
  readonly for: Hypervisor;
  readonly json: boolean;
  readonly runDir?: string;
}

/** @param vm its name; undefined: all of them. */
export async function plan(
  file: string,
  vm: string | undefined,
  options: PlanOptions,
  io: Io,
): Promise<void> {
  const config = loadConfig(file, options.runDir === undefined ? {} : { runDir: options.runDir });
  // Of a VM that is not there, before a QEMU is looked for.
  planOf(config, { for: options.for, vm, name: file });
  const plans = planOf(config, {
    for: options.for,
    vm,
    name: file,
    ...(RUN_BY_QEMU.includes(options.for) && { launcher: await launcherHere() }),
  });
  if (options.json) io.out(`${JSON.stringify({ for: options.for, vms: plans })}\n`);
  else io.out(plans.map((one) => planText(options.for, one)).join('\n'));
}
