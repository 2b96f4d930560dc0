// The QEMU command line that attaches a VM to its devices on this host.

/** QEMU has vfio-user-pci from this version on. */
export const QEMU_VERSION_MIN = '10.1';

/** How long QEMU waits for an answer when nothing else is said; then it gives the device up for good. */
export const QEMU_PATIENCE_MS = 5000;
/** A host that is stopped in a debugger or a frozen cgroup goes on afterwards: its VMs wait for it. */
const MSG_TIMEOUT_MS = 600_000;

export interface QemuVm {
  readonly name: string;
  /** As QEMU writes it, e.g. `512M`. */
  readonly memory: string;
  readonly machine: 'pc' | 'q35';
  /** The NUMA node of its memory; undefined: the kernel's choice. */
  readonly numaNode?: number;
  /** In the order of the devices: the memory device first, or a driver finds no memory for its rings. */
  readonly socketPaths: readonly string[];
}

/** Everything after the program's name. Each option stands before its value. */
export function qemuArguments(vm: QemuVm): string[] {
  const node = vm.numaNode === undefined ? '' : `,host-nodes=${vm.numaNode},policy=bind`;
  return [
    '-name',
    vm.name,
    '-machine',
    // KVM where this user has it, else software emulation; both work with vfio-user.
    `${vm.machine},accel=kvm:tcg,memory-backend=mem`,
    // Without share=on the guest's memory comes without a descriptor, and the CSB in it cannot be reached.
    '-object',
    `memory-backend-memfd,id=mem,size=${vm.memory},share=on${node}`,
    '-m',
    vm.memory,
    '-nic',
    'none',
    ...vm.socketPaths.flatMap((path) => ['-device', vfioUserDevice(path)]),
  ];
}

/** In JSON, because a path may hold a comma; rombar 0, because there is no ROM and QEMU would warn about its size. */
function vfioUserDevice(path: string): string {
  return JSON.stringify({
    driver: 'vfio-user-pci',
    socket: { path, type: 'unix' },
    rombar: 0,
    'x-msg-timeout': MSG_TIMEOUT_MS,
  });
}

/** A command as a POSIX shell takes it, an option and its value on a line. */
export function formatCommand(program: string, args: readonly string[]): string {
  const lines = [program];
  for (const arg of args) {
    if (arg.startsWith('-')) lines.push(`  ${shellQuote(arg)}`);
    else lines.push(`${lines.pop()} ${shellQuote(arg)}`);
  }
  return lines.join(' \\\n');
}

export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
