// Cycles per packet, counted by perf over the host and its guests; most virtual machines count none.
import { execa } from 'execa';
import { type MeasureOptions, measure } from './measure.ts';
import { planOf } from './plans.ts';
import type { PathName } from './scenarios.ts';

/** @return why cycles cannot be counted here; undefined when they can. */
export async function whyNoCycles(): Promise<string | undefined> {
  const { exitCode, stderr, code } = await execa('perf', ['stat', '-e', 'cycles', '-x,', 'true'], {
    reject: false,
  });
  if (code === 'ENOENT') return 'cycles: there is no perf on this machine';
  if (exitCode !== 0) return `cycles: perf says: ${stderr.split('\n')[0]}`;
  return parseCycles(stderr) === undefined ? 'cycles: this machine does not count them for perf' : undefined;
}

/** The first field of the line that counts cycles; undefined when it is no number. */
export function parseCycles(output: string): number | undefined {
  const count =
    output
      .split('\n')
      .find((line) => line.includes('cycles'))
      ?.split(',')[0] ?? '';
  return /^\d+$/.test(count) ? Number(count) : undefined;
}

export async function cyclesPerPacket(path: PathName, options: MeasureOptions): Promise<number> {
  const scenario = { path, vm: false, size: 60, rings: 1, burst: 256, payload: 'none' } as const;
  let cyclesPerSecond: number | undefined;
  const rates = await measure(planOf(scenario), {
    ...options,
    during: async (pids) => {
      const seconds = `${options.seconds}`;
      const args = ['stat', '-e', 'cycles', '-x,', '-p', pids.join(','), '--', 'sleep', seconds];
      const { stderr } = await execa('perf', args);
      const cycles = parseCycles(stderr);
      if (cycles === undefined) throw new Error(`perf: no count of cycles in '${stderr}'`);
      cyclesPerSecond = cycles / options.seconds;
    },
  });
  return cyclesPerSecond! / rates.received;
}
