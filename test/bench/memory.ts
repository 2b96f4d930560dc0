// What a port costs in memory: two hosts in processes of their own, with few ports and with many, compared.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { projectRoot } from '../harness/paths.ts';
import { killAll, type Sockets, startGuests } from './guests.ts';
import { type IdlePlan, idlePortsPlan } from './idle-plans.ts';

const FEW = 4;
const MANY = 254;

/** Bytes that one more attached port adds to what the host has touched, its share of the region included. */
export async function measureMemoryPerPort(): Promise<number> {
  const few = await memoryOf(idlePortsPlan(FEW));
  const many = await memoryOf(idlePortsPlan(MANY));
  return (many - few) / (MANY - FEW);
}

async function memoryOf(plan: IdlePlan): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-bench-'));
  const file = join(folder, 'host.yaml');
  writeFileSync(file, plan.config);
  const main = join(projectRoot(), 'dist', 'backend', 'cli', 'main.js');
  const child = execa(process.execPath, [main, 'up', file, '--json', '--run-dir', folder], {
    buffer: false,
    reject: false,
    stderr: 'ignore',
  });
  try {
    const guests = await startGuests(await socketsFrom(child.stdout), plan.guests);
    const bytes = residentBytes(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
    killAll(guests);
    return bytes;
  } finally {
    child.kill('SIGTERM');
    await child;
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Plans {
  readonly vms: readonly {
    readonly name: string;
    readonly devices: readonly { readonly socketPath: string }[];
  }[];
}

/** The first line says where the sockets are. */
async function socketsFrom(stdout: Readable): Promise<Sockets> {
  for await (const line of createInterface({ input: stdout })) {
    const { vms } = JSON.parse(line) as Plans;
    return {
      sockets: (name) => vms.find((vm) => vm.name === name)!.devices.map(({ socketPath }) => socketPath),
    };
  }
  throw new Error('a host ended before it said where its sockets are');
}

/** Memory of its own and shared memory that it has touched; not its program. */
export function residentBytes(status: string): number {
  const kib = (key: string) =>
    Number(new RegExp(`^${key}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN);
  return (kib('RssAnon') + kib('RssShmem')) * 1024;
}
