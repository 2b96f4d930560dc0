// What attached rings cost the host while nothing moves, or little: its CPU time, as a share of one CPU.
import { setTimeout as sleep } from 'node:timers/promises';
import type { PolicyName } from '../../native/engine.ts';
import { TestHost } from '../harness/host.ts';
import { killAll, startGuests } from './guests.ts';
import { type IdlePlan, idlePlan, tricklePlan } from './idle-plans.ts';
import type { MeasureOptions } from './measure.ts';

/** An adaptive worker has long stopped spinning, and the guests have come to rest. */
const SETTLE_MS = 300;

export const measureIdle = (rings: number, options: MeasureOptions): Promise<number> =>
  measureHost(idlePlan(rings), options);

export const measureTrickle = (policy: PolicyName, options: MeasureOptions): Promise<number> =>
  measureHost(tricklePlan(policy), options);

/** The host runs in this process, and nothing else does meanwhile. */
async function measureHost(plan: IdlePlan, { seconds, signal }: MeasureOptions): Promise<number> {
  const host = await TestHost.start(plan.config);
  try {
    const guests = await startGuests(host, plan.guests);
    try {
      for (const guest of guests) guest.go();
      await sleep(SETTLE_MS, undefined, { signal });
      const cpu = process.cpuUsage();
      const start = performance.now();
      await sleep(seconds * 1000, undefined, { signal });
      const { user, system } = process.cpuUsage(cpu);
      return (user + system) / 1000 / (performance.now() - start);
    } finally {
      killAll(guests);
    }
  } finally {
    await host.close();
  }
}
