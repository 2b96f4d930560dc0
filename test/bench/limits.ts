// The machine's limits, and which of them bounds a scenario.
import { availableParallelism } from 'node:os';
import { type LimitName, measureLimit } from '../../native/limits.ts';
import { slotsOf } from './plans.ts';
import { BULK_PATH, type Scenario } from './scenarios.ts';

export type { LimitName } from '../../native/limits.ts';

/** Rates bound what a path can do. */
export type RateLimitName = 'slots' | 'slots+copy' | 'memory';
/** Times do not: they tell what kind of machine the rates are from. */
export type TimeLimitName = Exclude<LimitName, RateLimitName>;

interface LimitInfo<Name, Unit> {
  readonly name: Name;
  readonly unit: Unit;
  readonly meaning: string;
}

export const RATE_LIMITS: readonly LimitInfo<RateLimitName, 'slots' | 'bytes'>[] = [
  { name: 'slots', unit: 'slots', meaning: 'two threads passing slots through a ring' },
  { name: 'slots+copy', unit: 'slots', meaning: 'the same with a 60-byte copy' },
  { name: 'memory', unit: 'bytes', meaning: 'memory bandwidth, one thread copying' },
];

/** Of one round trip or one change. */
export const TIME_LIMITS: readonly LimitInfo<TimeLimitName, 'ns'>[] = [
  { name: 'core-to-core', unit: 'ns', meaning: 'a cache line from the first CPU to the second and back' },
  { name: 'switch', unit: 'ns', meaning: 'a change of one CPU from one thread to another' },
];

export const LIMITS = [...RATE_LIMITS, ...TIME_LIMITS];

export const limitLabel = (name: LimitName): string => `limit ${name}`;

/** What is done per second, or how many ns it takes. */
export async function sampleLimit(name: LimitName, seconds: number): Promise<number> {
  const { perSecond } = await measureLimit(name, seconds);
  return TIME_LIMITS.some((limit) => limit.name === name) ? 1e9 / perSecond : perSecond;
}

/** @return why a round trip between two CPUs cannot be had here; undefined when it can. */
export function whyNoCoreToCore(cpus = availableParallelism()): string | undefined {
  return cpus < 2 ? 'there is one CPU: a cache line has nowhere to go' : undefined;
}

/** What the machine did per second in one round. */
export type LimitRates = Readonly<Record<RateLimitName, number>>;

/** Packets per second that one pair of threads could pass at best, as far as the limits tell. */
export function bound(scenario: Scenario, rates: LimitRates): number {
  const slots = scenario.path === 'host-to-guest' ? 1 : slotsOf(scenario.size);
  const bytes = bytesTouched(scenario);
  if (bytes === 0) return rates.slots / slots;
  return Math.min(rates['slots+copy'] / slots, rates.memory / bytes);
}

const CACHE_LINE = 64;

/** Bytes of a packet that are written and read. A switch copies, and so does the kernel, whether or not the guests look. */
export function bytesTouched({ path, payload, size }: Scenario): number {
  const copied = path.endsWith('-vale') || path.startsWith('vale-') || path === BULK_PATH;
  if (payload === 'full' || copied) return size;
  return payload === 'stamp' ? Math.min(size, CACHE_LINE) : 0;
}
