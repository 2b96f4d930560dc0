/** The QEMU command line of a test VM. */

export type Machine = 'pc' | 'q35';

export interface QemuOptions {
  readonly machine: Machine;
  /** As QEMU spells sizes: 256M. */
  readonly memory: string;
  readonly smp: number;
  readonly accel: 'kvm' | 'tcg';
  readonly kernel: string;
  readonly initramfs: string;
  /** Added to the kernel's command line. */
  readonly append?: string;
  /** vfio-user sockets: each becomes a device, in this order. */
  readonly sockets: readonly string[];
  /** Arguments that come last, for other devices. */
  readonly more?: readonly string[];
  /** The Unix socket, already listening, that QEMU connects its QMP monitor to. */
  readonly qmpSocket: string;
}

/** The root bus: a q35 machine gets no root ports, whose PCI id is that of the memory device. */
const ROOT_BUS = { pc: 'pci.0', q35: 'pcie.0' } as const;

/**
 * A panic restarts the guest at once, which the harness sees on the console.
 * What the kernel would calibrate and test at boot costs seconds under emulation.
 */
const KERNEL_ARGUMENTS =
  'console=ttyS0 quiet panic=-1 nokaslr mitigations=off no_timer_check tsc=reliable noreplace-smp edd=off';

/** The id of the k-th vfio-user device, for device_del. */
export const deviceId = (k: number): string => `vfio${k}`;

/** Properties of a vfio-user device, for -device and for QMP's device_add. */
export function vfioUserDevice(machine: Machine, id: string, socket: string): Record<string, unknown> {
  return {
    driver: 'vfio-user-pci',
    id,
    bus: ROOT_BUS[machine],
    socket: { path: socket, type: 'unix' },
    rombar: 0,
  };
}

export function qemuArguments(options: QemuOptions): string[] {
  const { machine, memory, smp, accel } = options;
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-nic', 'none'],
    ...['-machine', `${machine},accel=${accel},memory-backend=mem`],
    ...['-object', `memory-backend-memfd,id=mem,size=${memory},share=on`],
    ...['-m', memory, '-smp', String(smp)],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-qmp', `unix:${options.qmpSocket}`],
    ...['-kernel', options.kernel, '-initrd', options.initramfs],
    ...['-append', [KERNEL_ARGUMENTS, options.append].filter(Boolean).join(' ')],
    ...options.sockets.flatMap((socket, k) => [
      '-device',
      JSON.stringify(vfioUserDevice(machine, deviceId(k), socket)),
    ]),
    ...(options.more ?? []),
  ];
}
