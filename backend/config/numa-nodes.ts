// The NUMA nodes of this machine as the kernel lists them: the CPUs of each, and whether it has memory.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const NUMA_FOLDER = '/sys/devices/system/node';

export interface NumaNode {
  readonly cpus: readonly number[];
  readonly memory: boolean;
}

/** By their numbers; empty where the kernel knows no nodes. */
export type NumaNodes = ReadonlyMap<number, NumaNode>;

export function readNumaNodes(folder = NUMA_FOLDER): NumaNodes {
  if (!existsSync(join(folder, 'online'))) return new Map();
  const read = (name: string): number[] => parseList(readFileSync(join(folder, name), 'utf8'));
  const withMemory = read('has_memory');
  return new Map(
    read('online').map((node) => [
      node,
      { cpus: read(`node${node}/cpulist`), memory: withMemory.includes(node) },
    ]),
  );
}

/** The kernel's notation for a set of numbers, such as `0-3,8`; an empty one is an empty line. */
function parseList(text: string): number[] {
  const ranges = text.trim().split(',').filter(Boolean);
  return ranges.flatMap((range) => {
    const [first, last] = range.split('-').map(Number);
    return Array.from({ length: (last ?? first!) - first! + 1 }, (_, i) => first! + i);
  });
}

/** The same notation from numbers that rise. */
export function formatList(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const n of numbers) {
    const range = ranges.at(-1);
    if (range && range[1] === n - 1) range[1] = n;
    else ranges.push([n, n]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}
