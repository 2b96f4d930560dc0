// Checks that workers and memory are placed on NUMA nodes that can hold them, and says when they are apart.
import type { HostConfig } from './host-config.ts';
import { formatList, NUMA_FOLDER, type NumaNode, type NumaNodes } from './numa-nodes.ts';
import { fail } from './placed.ts';
import { type FileConfig, formatPath } from './schema.ts';

export function checkNumaPlacement(file: FileConfig, nodes: NumaNodes): void {
  checkNode('engine.numa-node', file.engine.numaNode, nodes, 'CPUs', ({ cpus }) => cpus.length > 0);
  checkCpus(file, nodes);
  for (const key of ['regions', 'vms'] as const) {
    for (const [name, { numaNode }] of file[key]) {
      const path = formatPath([key, name, 'numa-node']);
      checkNode(path, numaNode, nodes, 'memory', ({ memory }) => memory);
    }
  }
}

function checkNode(
  path: string,
  node: number | undefined,
  nodes: NumaNodes,
  what: string,
  has: (node: NumaNode) => boolean,
): void {
  if (node === undefined) return;
  if (nodes.size === 0)
    fail(path, `this machine has no NUMA nodes (no ${NUMA_FOLDER}): a file without numa-node would be right`);
  const right = [...nodes].filter(([, candidate]) => has(candidate)).map(([number]) => number);
  const wrong = nodes.has(node) ? `NUMA node ${node} has no ${what}` : `there is no NUMA node ${node} here`;
  if (!right.includes(node)) fail(path, `${wrong}: ${formatList(right)} would be right`);
}

function checkCpus({ engine: { cpus = [], numaNode } }: FileConfig, nodes: NumaNodes): void {
  const there = numaNode === undefined ? undefined : nodes.get(numaNode)?.cpus;
  const wrong = there && cpus.find((cpu) => !there.includes(cpu));
  if (wrong !== undefined)
    fail(
      'engine.cpus',
      `${wrong} is not a CPU of NUMA node ${numaNode}: ${formatList(there!)} would be right`,
    );
}

/** Memory that is on another node than a worker; nothing is said of workers that may run anywhere. */
export function apartFromWorkers(config: HostConfig, nodes: NumaNodes): string[] {
  const cpus = new Set(config.engine.workerCpus?.flat());
  const workerNodes = [...nodes]
    .filter(([, node]) => node.cpus.some((cpu) => cpus.has(cpu)))
    .map(([number]) => number);
  return (['regions', 'vms'] as const).flatMap((key) =>
    [...config[key]].flatMap(([name, { numaNode }]) =>
      numaNode === undefined || workerNodes.every((node) => node === numaNode)
        ? []
        : [
            `${formatPath([key, name, 'numa-node'])}: its memory is on NUMA node ${numaNode} and workers run on ${formatList(workerNodes)}: what they read and write has to cross from node to node`,
          ],
    ),
  );
}
