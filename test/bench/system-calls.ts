// System calls while an application and the worker that serves it are busy: counted by ptrace, at which a thread that makes none never stops.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { client } from '../harness/application.ts';
import { type MeasureOptions, measure } from './measure.ts';
import { planOf } from './plans.ts';
import type { Busy } from './scenarios.ts';

const SCENARIO = {
  path: 'application-to-host',
  vm: false,
  size: 60,
  rings: 1,
  burst: 256,
  payload: 'full',
} as const;
/** After so long it shows which thread of a process does the work. */
const LOOK_MS = 50;
/** Of x86-64: a thread that finds nothing to do gives its CPU to others, if there are any. */
const SCHED_YIELD = '24';

const usedBy = (pid: number): Map<string, number> =>
  new Map(
    readdirSync(`/proc/${pid}/task`).map((thread) => {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      return [thread, Number(text.split(' ')[0])];
    }),
  );

/** That of a process which has used most of a CPU meanwhile: its worker, or its loop. */
async function busiestThread(pid: number): Promise<string> {
  const before = usedBy(pid);
  await sleep(LOOK_MS);
  const [busiest] = [...usedBy(pid)]
    .map(([thread, used]) => ({ thread, used: used - (before.get(thread) ?? used) }))
    .sort((a, b) => b.used - a.used);
  return busiest!.thread;
}

export interface SystemCalls {
  /** Of a thousand bursts. */
  readonly calls: number;
  /** Those that only give a CPU to others. */
  readonly yields: number;
}

export async function countSystemCalls(of: Busy, options: MeasureOptions): Promise<SystemCalls> {
  const program = await client('syscalls');
  let perSecond = { calls: 0, yields: 0 };
  // A worker that is always busy: one that has parked, because others had the application's CPU, is to be kicked.
  const rates = await measure(
    { ...planOf(SCENARIO), policy: 'poll' },
    {
      ...options,
      during: async ([host, application]) => {
        const thread = await busiestThread(of === 'worker' ? host! : application!);
        const { stdout } = await execa(program, [thread, `${Math.ceil(options.seconds * 1000)}`]);
        const { all, calls } = JSON.parse(stdout) as { all: number; calls: Record<string, number> };
        const yields = calls[SCHED_YIELD] ?? 0;
        perSecond = { calls: (all - yields) / options.seconds, yields: yields / options.seconds };
      },
    },
  );
  const thousands = rates.received / SCENARIO.burst / 1000;
  return { calls: perSecond.calls / thousands, yields: perSecond.yields / thousands };
}
