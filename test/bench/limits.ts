// The machine's limits, and which of them bounds a scenario.
import { type LimitName, measureLimit } from '../../native/limits.ts';
import { slotsOf } from './plans.ts';
import type { Scenario } from './scenarios.ts';

export type { LimitName } from '../../native/limits.ts';

export interface LimitInfo {
  readonly name: LimitName;
  readonly unit: 'slots' | 'bytes';
  readonly meaning: string;
}

export const LIMITS: readonly LimitInfo[] = [
  { name: 'slots', unit: 'slots', meaning: 'two threads passing slots through a ring' },
  { name: 'slots+copy', unit: 'slots', meaning: 'the same with a 60-byte copy' },
  { name: 'memory', unit: 'bytes', meaning: 'memory bandwidth, one thread copying' },
];

export const limitLabel = (name: LimitName): string => `limit ${name}`;

export async function sampleLimit(name: LimitName, seconds: number): Promise<number> {
  return (await measureLimit(name, seconds)).perSecond;
}

/** What the machine did per second in one round. */
export type LimitRates = Readonly<Record<LimitName, number>>;

/** Packets per second that one pair of threads could pass at best, as far as the limits tell. */
export function bound(scenario: Scenario, rates: LimitRates): number {
  const slots = scenario.path === 'host-to-guest' ? 1 : slotsOf(scenario.size);
  const bytes = bytesTouched(scenario);
  if (bytes === 0) return rates.slots / slots;
  return Math.min(rates['slots+copy'] / slots, rates.memory / bytes);
}

const CACHE_LINE = 64;

/** Bytes of a packet that are written and read. A switch copies, whether or not the guests look. */
export function bytesTouched({ path, payload, size }: Scenario): number {
  if (payload === 'full' || path === 'guest-to-guest-vale' || path.startsWith('vale-')) return size;
  return payload === 'stamp' ? Math.min(size, CACHE_LINE) : 0;
}
