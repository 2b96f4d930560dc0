// Which QEMU of this machine a command line is for, and whether its VMs run under KVM.
import { locateQemu, type Qemu } from '../../vm-images/fetch.ts';
import { whyNoKvm } from '../../vm-images/machine/kvm.ts';
import { ANY_QEMU, type Launcher } from '../hypervisor/launcher.ts';

/** For a command line to print: where no QEMU here will do, that of any machine where one does. */
export async function launcherHere(): Promise<Launcher> {
  const qemu = await locateQemu();
  return 'version' in qemu
    ? await launcherOf(qemu)
    : { ...ANY_QEMU, notes: [...ANY_QEMU.notes, missing(qemu.why)] };
}

/** One line. */
export const missing = (why: string): string => `no QEMU here has vfio-user-pci (${why})`;

export async function launcherOf(qemu: Qemu): Promise<Launcher> {
  const { binary, argsPrefix, version } = qemu;
  const whyNot = await whyNoKvm(qemu);
  const where =
    argsPrefix.length === 0 ? 'on the PATH' : `of ptnetmap's cache, run by the loader that came with it`;
  return {
    program: binary,
    prefix: argsPrefix,
    accels: [whyNot === undefined ? 'kvm' : 'tcg'],
    notes: [
      `QEMU ${version} ${where}; ${whyNot === undefined ? 'under KVM' : `under software emulation (${whyNot})`}`,
    ],
  };
}
