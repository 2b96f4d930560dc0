// Reads what the checks want to know of this machine; nothing of it is changed.
import { accessSync, constants, existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type InstalledQemu, installedQemus } from '../../../vm-images/installed.ts';
import { whyNoKvm } from '../../../vm-images/machine/kvm.ts';
import { readNumaNodes } from '../../config/numa-nodes.ts';
import { readInterfaces } from './interfaces.ts';
import type { Kvm, Machine } from './machine.ts';
import {
  readAddressBits,
  readCapabilities,
  readHugepages,
  readLimit,
  readListening,
  readMemory,
  readNumber,
} from './proc.ts';

const TUN = '/dev/net/tun';
/** Where the dynamic loader looks, on Debian and on others. */
const LIBXDP = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/local/lib',
];

export async function readMachine(): Promise<Machine> {
  const memory = readMemory();
  const qemus = await installedQemus();
  return {
    cpus: availableParallelism(),
    nodes: readNumaNodes(),
    memory: memory.total,
    memoryAvailable: memory.available,
    hugepages: readHugepages(),
    addressBits: readAddressBits(),
    capabilities: readCapabilities(),
    uid: process.geteuid?.() ?? 0,
    limits: {
      descriptors: readLimit('Max open files'),
      lockedBytes: readLimit('Max locked memory'),
      maps: readNumber('/proc/sys/vm/max_map_count') ?? Number.POSITIVE_INFINITY,
    },
    tun: findTun(),
    libxdp: LIBXDP.some((folder) => existsSync(`${folder}/libxdp.so.1`)),
    kvm: await findKvm(qemus),
    qemus,
    interfaces: readInterfaces(),
    listening: readListening(),
  };
}

/** Found out by running a guest, so only where there is a QEMU that can. */
async function findKvm(qemus: readonly InstalledQemu[]): Promise<Kvm> {
  const qemu = qemus.find(({ why }) => why === undefined);
  if (qemu === undefined) return { usable: false, why: 'there is no QEMU that could try it' };
  const { binary, argsPrefix, version = '' } = qemu;
  const why = await whyNoKvm({ binary, argsPrefix: [...argsPrefix], version });
  return why === undefined ? { usable: true, why: 'a guest has run' } : { usable: false, why };
}

function findTun(): { usable: boolean; why: string } {
  if (!existsSync(TUN)) return { usable: false, why: `there is no ${TUN}` };
  try {
    accessSync(TUN, constants.R_OK | constants.W_OK);
    return { usable: true, why: `${TUN} can be opened` };
  } catch {
    return { usable: false, why: `this user may not open ${TUN}` };
  }
}
