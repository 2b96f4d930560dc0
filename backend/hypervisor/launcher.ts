// The QEMU that a command line is made for: which program it is, and what runs its machines.

export type Accel = 'kvm' | 'tcg';

export interface Launcher {
  readonly program: string;
  /** What comes before QEMU's own arguments: an unpacked QEMU is run by the loader that came with it. */
  readonly prefix: readonly string[];
  /** QEMU takes the first that it can start. */
  readonly accels: readonly Accel[];
  /** What people should know about it, a line each. */
  readonly notes: readonly string[];
}

export const QEMU = 'qemu-system-x86_64';

/** QEMU has vfio-user-pci from this version on. */
export const QEMU_VERSION_MIN = '10.1';

/** KVM where there is one, else software emulation. Both work with vfio-user. */
export const EITHER: readonly Accel[] = ['kvm', 'tcg'];

/** Any QEMU that is new enough, anywhere. */
export const ANY_QEMU: Launcher = {
  program: QEMU,
  prefix: [],
  accels: EITHER,
  notes: [`QEMU ${QEMU_VERSION_MIN} or newer`],
};
