// How much of the machine this process's control group lets it have; both versions of cgroups.
import { dirname, join } from 'node:path';
import { readText } from '../machine/proc.ts';

const ROOT = '/sys/fs/cgroup';
/** Version 1 has no word for none: it has the largest number of pages. */
const NONE_V1 = 2 ** 62;

export interface CgroupLimits {
  /** Undefined: no limit. */
  readonly memory?: number;
  readonly cpus?: number;
}

/** A group and those that it is in: the least of their limits counts. */
function upwards(root: string, group: string): string[] {
  const folders = [join(root, group)];
  while (folders.at(-1) !== root && folders.length < 64) folders.push(dirname(folders.at(-1)!));
  return folders;
}

const least = (values: readonly (number | undefined)[]): number | undefined => {
  const given = values.filter((value): value is number => value !== undefined && value < NONE_V1);
  return given.length === 0 ? undefined : Math.min(...given);
};

/** @param read a file's text; empty: there is none. */
export function readCgroup(read: (path: string) => string = readText): CgroupLimits {
  const groups = read('/proc/self/cgroup')
    .split('\n')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .flatMap((match) => (match ? [{ controllers: match[1]!.split(','), group: match[2]! }] : []));
  const number = (path: string): number | undefined => {
    const text = read(path);
    return /^\d+$/.test(text) ? Number(text) : undefined;
  };
  const memory: (number | undefined)[] = [];
  const cpus: (number | undefined)[] = [];
  for (const { controllers, group } of groups) {
    const v2 = controllers.join() === '';
    for (const root of v2 ? [ROOT, join(ROOT, 'unified')] : [join(ROOT, controllers.join(','))])
      for (const folder of upwards(root, group)) {
        memory.push(number(join(folder, v2 ? 'memory.max' : 'memory.limit_in_bytes')));
        const [quota, period] = v2
          ? read(join(folder, 'cpu.max')).split(' ').map(Number)
          : [number(join(folder, 'cpu.cfs_quota_us')), number(join(folder, 'cpu.cfs_period_us'))];
        if (quota !== undefined && period !== undefined && quota > 0 && period > 0) cpus.push(quota / period);
      }
  }
  const [bytes, share] = [least(memory), least(cpus)];
  return { ...(bytes !== undefined && { memory: bytes }), ...(share !== undefined && { cpus: share }) };
}
