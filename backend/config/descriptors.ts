// How many descriptors a host needs, and how many this process may have: the VM that comes last must not find none left.
import { readFileSync } from 'node:fs';
import type { HostConfig } from './host-config.ts';

/** Node's own, the workers', the log. */
const BASE = 64;
/** Two control sockets, with their connections. */
const CONTROL = 2 * (1 + 32);
const PER_REGION = 1;
/** Its socket, its connection, and the maps of a VM's memory: RAM below and above 4 GiB, and what firmware adds. */
const PER_DEVICE = 2 + 16;
/** An interrupt and a doorbell, as the client's and as ours. */
const PER_RING = 4;

/** When every VM is attached; a little more than that. */
export function descriptorsNeeded(config: HostConfig): number {
  const vms = [...config.vms.values()];
  const devices = vms.flatMap((vm) => vm.devices);
  const rings = devices.reduce((sum, device) => {
    const { txRings, rxRings } = config.ports.get(device.port)!;
    return sum + txRings + rxRings;
  }, 0);
  const regions = config.regions.size + vms.length;
  return (
    BASE + CONTROL + PER_REGION * regions + PER_DEVICE * (devices.length + vms.length) + PER_RING * rings
  );
}

/** Node raises the soft limit to the hard one when it starts. */
export function descriptorLimit(): number {
  const match = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  const limit = Number(match?.[1]);
  return Number.isInteger(limit) ? limit : Number.POSITIVE_INFINITY;
}
