// A host that is told a NUMA node: its regions' memory comes from there, its workers run on the CPUs of that node only.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { NumaNodes } from '../../backend/config/numa-nodes.ts';
import { Region } from '../../native/memory.ts';
import { startHost } from './scene.ts';

/** The real node 0 with one of its CPUs left out, so that workers on the node are told from workers anywhere. */
const NODES: NumaNodes = new Map([[0, { cpus: [0], memory: true }]]);
const CONFIG = `
regions: { lan: { id: 77, ring-num: 4, ring-size: 2048, buf-num: 300 } }
ports: { 'null:a': { tx-slots: 64, rx-slots: 64 }, 'null:b': { tx-slots: 64, rx-slots: 64 } }
vms:
  vm1: { region: lan, devices: [{ port: 'null:a' }] }
  vm2: { devices: [{ port: 'null:b' }] }
`;

/** The policy and the nodes of each region that this process maps, by the region's id, as the kernel tells them. */
function regionMaps(): Record<string, string> {
  const lines = readFileSync('/proc/self/numa_maps', 'utf8').split('\n');
  const maps = lines.flatMap((line) => {
    const id = /\/memfd:ptnetmap-region-(\d+)/.exec(line)?.[1];
    const [, policy, ...values] = line.split(' ');
    const nodes = values.flatMap((value) => /^(N\d+)=/.exec(value)?.[1] ?? []);
    return id === undefined ? [] : [[id, [policy, ...nodes].join(' ')]];
  });
  return Object.fromEntries(maps);
}

/** The CPUs that each worker may run on, as the kernel lists them. */
function workerCpus(): string[] {
  const field = (task: string, name: string): string => {
    const status = readFileSync(`/proc/self/task/${task}/status`, 'utf8');
    return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)![1]!;
  };
  return readdirSync('/proc/self/task')
    .filter((task) => /^ptnet-w\d+$/.test(field(task, 'Name')))
    .map((task) => field(task, 'Cpus_allowed_list'));
}

/** Why this kernel, or the container around us, lets nobody choose where memory comes from. */
function whyNot(): string | undefined {
  const shape = { ifNum: 2, ifSize: 1024, ringNum: 4, ringSize: 2048, bufNum: 4, bufSize: 2048 };
  try {
    new Region({ id: 1, ...shape, numaNode: 0 });
    return undefined;
  } catch (error) {
    return /mbind: (Function not implemented|Operation not permitted)/.exec((error as Error).message)?.[0];
  }
}
const why = whyNot();

test.skipIf(why !== undefined)(
  `with a node regions are touched there, named and private ones, and workers keep to its CPUs${why === undefined ? '' : ` (not run: ${why})`}`,
  async () => {
    await startHost(`engine: { workers: 2, numa-node: 0 }\n${CONFIG}`, NODES);
    // The private one has the lowest id that is free.
    expect(regionMaps()).toMatchObject({ 77: 'prefer:0 N0', 2: 'prefer:0 N0' });
    expect(workerCpus()).toEqual(['0', '0']);
  },
);
