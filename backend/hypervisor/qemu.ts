// The QEMU command line that attaches a VM to its devices on this host.
import type { AttachedDevice, AttachedVm } from './attach.ts';
import { type Accel, EITHER } from './launcher.ts';

/** How long QEMU waits for an answer when nothing else is said; then it gives the device up for good. */
export const QEMU_PATIENCE_MS = 5000;
/** A host that is stopped in a debugger or a frozen cgroup goes on afterwards: its VMs wait for it. */
const MSG_TIMEOUT_MS = 600_000;

/** Everything after the program's name. Each option stands before its value. */
export function qemuArguments(vm: AttachedVm, accels: readonly Accel[] = EITHER): string[] {
  const node = vm.numaNode === undefined ? '' : `,host-nodes=${vm.numaNode},policy=bind`;
  return [
    '-name',
    vm.name,
    '-machine',
    `${vm.machine},memory-backend=mem`,
    ...accels.flatMap((each) => ['-accel', each]),
    // Without share=on the guest's memory comes without a descriptor, and the CSB in it cannot be reached.
    '-object',
    `memory-backend-memfd,id=mem,size=${vm.memory},share=on${node}`,
    '-m',
    vm.memory,
    '-nic',
    'none',
    ...vm.devices.flatMap((device) => ['-device', vfioUserDevice(device)]),
  ];
}

/** In JSON, because a path may hold a comma; rombar 0, because there is no ROM and QEMU would warn about its size. */
export function vfioUserDevice({ name, socketPath }: AttachedDevice): string {
  return JSON.stringify({
    driver: 'vfio-user-pci',
    // A device's name may begin with a digit, an id may not.
    id: `ptnet-${name}`,
    socket: { path: socketPath, type: 'unix' },
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
