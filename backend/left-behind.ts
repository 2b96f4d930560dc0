// Who was attached to a host that ended, and has dead devices since: programs that run and have one of our sockets on their command line.
import { readdirSync, readFileSync } from 'node:fs';
import type { HostVm } from './host-vms.ts';

export interface LeftBehind {
  readonly vm: string;
  readonly pid: number;
  /** As the kernel calls it: 15 characters at most. */
  readonly program: string;
}

interface Candidate extends LeftBehind {
  readonly parent: number;
}

/** What may follow a path and is still part of it. */
const GOES_ON = /[\w./-]/;

function names(commandLine: string, path: string): boolean {
  for (let at = commandLine.indexOf(path); at >= 0; at = commandLine.indexOf(path, at + 1))
    if (!GOES_ON.test(commandLine[at + path.length] ?? ' ')) return true;
  return false;
}

/** Undefined when it has ended meanwhile, or is none of our business. */
function candidate(pid: number, vms: readonly HostVm[]): Candidate | undefined {
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    const vm = vms.find(({ devices }) => devices.some(({ socketPath }) => names(commandLine, socketPath)));
    if (vm === undefined) return undefined;
    // pid (program) state parent ...; the program's name may have blanks and parentheses of its own.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const end = stat.lastIndexOf(')');
    const program = stat.slice(stat.indexOf('(') + 1, end);
    return { vm: vm.name, pid, program, parent: Number(stat.slice(end + 2).split(' ')[1]) };
  } catch {
    return undefined;
  }
}

/**
 * QEMU opens the sockets of its devices when it starts, and not again: whoever was there before the host that serves
 * them now has lost them. Of a program and those that started it, such as a shell with a command, only the program.
 * Devices that were plugged later are on no command line, and /proc may hide what others run.
 */
export function leftBehind(vms: readonly HostVm[]): LeftBehind[] {
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => candidate(Number(name), vms) ?? [])
    .filter(({ pid }) => pid !== process.pid);
  return found
    .filter(({ pid, vm }) => !found.some((other) => other.parent === pid && other.vm === vm))
    .map(({ vm, pid, program }) => ({ vm, pid, program }));
}
