// What a machine has and lacks of what ptnetmap uses, for bug reports: no names of machines or people, no addresses, no paths of a home.

import { existsSync } from 'node:fs';
import { cpus, homedir, version as kernelVersion, release } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Machine } from '../machine/machine.ts';
import { readNumber, readText } from '../machine/proc.ts';
import { formatBytes } from '../region-size.ts';
import { type CgroupLimits, readCgroup } from './cgroup.ts';

export interface DoctorItem {
  /** Stable: scripts compare it. */
  readonly name: string;
  /** Null: there is nothing to lack. */
  readonly has: boolean | null;
  readonly value: string;
  /** What it is of use for. */
  readonly use: string;
}

/** Beside a Machine. */
export interface DoctorFacts {
  readonly version: string;
  readonly cgroup: CgroupLimits;
  readonly home: string;
  /** Whether a program is in the PATH. */
  readonly finds: (program: string) => boolean;
}

const PROGRAMS = [
  ['ip', 'check --live of interfaces'],
  ['unshare', 'check --live of interfaces'],
  ['setpriv', 'VMs that end with their command'],
  ['g++', 'building from sources'],
  ['make', 'building from sources'],
  ['cloud-hypervisor', 'VMs without QEMU'],
] as const;

const inPath = (program: string): boolean =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && existsSync(join(folder, program)));

export const doctorFacts = (version: string): DoctorFacts => ({
  version,
  cgroup: readCgroup(),
  home: homedir(),
  finds: inPath,
});

const limit = (value: number, unit: (value: number) => string = String): string =>
  Number.isFinite(value) ? unit(value) : 'unlimited';

export function examine(machine: Machine, facts: DoctorFacts): DoctorItem[] {
  const items = [
    ...software(facts),
    ...hardware(machine, facts),
    ...rights(machine),
    ...virtualization(machine),
    ...PROGRAMS.map(([program, use]) => {
      const has = facts.finds(program);
      return { name: `program ${program}`, has, value: has ? 'there' : 'not in the PATH', use };
    }),
  ];
  return items.map((item) => ({ ...item, value: withoutHome(item.value, facts.home) }));
}

const literally = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A path below somebody's home tells who that is. */
export const withoutHome = (text: string, home: string): string =>
  (home === '/' || home === ''
    ? text
    : text.replaceAll(new RegExp(`${literally(home)}(?![\\w.-])`, 'g'), '~')
  ).replaceAll(/\/home\/[^/\s'":]+/g, '~');

const item = (name: string, has: boolean | null, value: string, use: string): DoctorItem => ({
  name,
  has,
  value,
  use,
});

function software({ version }: DoctorFacts): DoctorItem[] {
  const distribution = /^PRETTY_NAME="?([^"\n]*)/m.exec(readText('/etc/os-release'))?.[1] ?? 'unknown';
  return [
    item('ptnetmap', null, version, ''),
    item('Node', null, `${process.version}, ${process.arch}`, ''),
    item('kernel', null, `${release()} (${kernelVersion()})`, ''),
    item('distribution', null, distribution, ''),
  ];
}

function hardware(machine: Machine, { cgroup }: DoctorFacts): DoctorItem[] {
  const { hugepages, addressBits, nodes } = machine;
  const model = cpus()[0]?.model.trim() || 'unknown';
  return [
    item(
      'CPUs',
      null,
      `${machine.cpus} for this process, of ${cpus().length}: ${model}`,
      'workers and virtual CPUs',
    ),
    item('address bits', null, `${addressBits ?? 'unknown'}`, 'how large regions of a VM may be'),
    item('NUMA nodes', null, `${nodes.size}`, 'numa-node'),
    item(
      'memory',
      null,
      `${formatBytes(machine.memory)}, ${formatBytes(machine.memoryAvailable)} can be had`,
      'VMs and regions',
    ),
    item(
      'cgroup memory',
      null,
      cgroup.memory === undefined ? 'unlimited' : formatBytes(cgroup.memory),
      'VMs and regions',
    ),
    item('cgroup CPUs', null, cgroup.cpus === undefined ? 'unlimited' : `${cgroup.cpus}`, 'workers'),
    item(
      'huge pages',
      hugepages.free > 0,
      `${hugepages.free} of ${hugepages.total} of 2 MiB are free`,
      'hugepages: true',
    ),
  ];
}

function rights(machine: Machine): DoctorItem[] {
  const uses = {
    CAP_NET_ADMIN: 'making taps, addresses, mtus',
    CAP_NET_RAW: 'interfaces of the host',
    CAP_BPF: 'AF_XDP',
    CAP_SYS_ADMIN: 'network namespaces',
    CAP_IPC_LOCK: 'AF_XDP beyond the limit of locked memory',
    CAP_SYS_NICE: 'numa-node in a container',
  } as const;
  const { limits } = machine;
  const aio = readNumber('/proc/sys/fs/aio-max-nr');
  return [
    item('root', machine.uid === 0, machine.uid === 0 ? 'yes' : 'no', ''),
    ...Object.entries(uses).map(([name, use]) => {
      const has = (machine.capabilities as ReadonlySet<string>).has(name);
      return item(name, has, has ? 'yes' : 'no', use);
    }),
    item('descriptors', null, limit(limits.descriptors), 'RLIMIT_NOFILE: about 20 for each device'),
    item('locked memory', null, limit(limits.lockedBytes, formatBytes), 'RLIMIT_MEMLOCK: AF_XDP'),
    item('mappings', null, limit(limits.maps), 'vm.max_map_count: two for each device'),
    item(
      'asynchronous operations',
      null,
      aio === undefined ? 'unknown' : `${aio}`,
      'fs.aio-max-nr: interrupts',
    ),
  ];
}

function virtualization({ kvm, qemus, tun, libxdp }: Machine): DoctorItem[] {
  const found = qemus.map(({ from, version, why }) =>
    item(
      `QEMU (${from})`,
      why === undefined,
      why === undefined ? `${version}, with vfio-user-pci` : why.split('\n')[0]!,
      'VMs',
    ),
  );
  return [
    item('KVM', kvm.usable, kvm.why, 'VMs at full speed; they are emulated without'),
    ...(found.length > 0
      ? found
      : [item('QEMU', false, 'no qemu-system-x86_64 in the PATH or the cache', 'VMs')]),
    item('/dev/net/tun', tun.usable, tun.why, 'taps'),
    item('libxdp', libxdp, libxdp ? 'libxdp.so.1' : 'no libxdp.so.1', 'AF_XDP'),
  ];
}
