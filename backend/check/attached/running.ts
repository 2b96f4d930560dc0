// VMs that run now and are attached to the sockets of a configuration: whose processes they are, and how they were started.
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { HostConfig } from '../../config/host-config.ts';
import { attachedVms } from '../../hypervisor/attach.ts';
import { readText } from '../machine/proc.ts';

export interface RunningVm {
  readonly pid: number;
  /** The words of its command. */
  readonly command: readonly string[];
  /** `qemu-system-x86_64`, `cloud-hypervisor`. */
  readonly program: string;
}

const HYPERVISOR = /^(qemu-system-\w+|qemu-kvm|kvm|cloud-hypervisor)$/;

/** All processes' commands that this user may see. */
export function readCommands(folder = '/proc'): Map<number, string[]> {
  const commands = new Map<number, string[]>();
  for (const name of readdirSync(folder)) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const words = readFileSync(`${folder}/${name}/cmdline`, 'utf8').split('\0');
      if (words.length > 1) commands.set(Number(name), words.slice(0, -1));
    } catch {
      // It has ended, or is somebody else's.
    }
  }
  return commands;
}

/** By the names of the VMs. A process that names the socket of a VM's memory device runs that VM. */
export function runningVms(
  config: HostConfig,
  commands: ReadonlyMap<number, readonly string[]>,
): Map<string, RunningVm> {
  const running = new Map<string, RunningVm>();
  for (const { name, devices } of attachedVms(config))
    for (const [pid, command] of commands) {
      // A loader may stand before the program.
      const program = command.map((word) => basename(word)).find((word) => HYPERVISOR.test(word));
      if (program === undefined || !command.some((word) => word.includes(devices[0]!.socketPath))) continue;
      running.set(name, { pid, command, program });
    }
  return running;
}

/** Ids of the regions that a process has mapped; undefined: this user may not look. */
export function mappedRegions(
  pid: number,
  read = (path: string) => readFileSync(path, 'utf8'),
): Set<number> | undefined {
  try {
    const ids = [...read(`/proc/${pid}/maps`).matchAll(/\/memfd:ptnetmap-region-(\d+)/g)];
    return new Set(ids.map(([, id]) => Number(id)));
  } catch {
    return undefined;
  }
}

/** Paths of Unix sockets that somebody is connected to, with how many. */
export function readConnected(text = readText('/proc/net/unix')): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, state, path] = /^\S+ \S+ \S+ \S+ \S+ (\S+) +\d+ (\/.*)$/.exec(line) ?? [];
    if (path !== undefined && state === '03') counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
}
