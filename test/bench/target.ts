// What a target of the benchmark is: a figure of a row, and what is wanted of it.
import type { LatencyRow } from './latency-rows.ts';
import type { NetRow } from './net-rows.ts';
import type { ResultRow } from './result-rows.ts';

/** `points`: of a percentage. */
export type Unit = '%' | 'x' | 'µs' | 'ms' | 'points' | '/s' | 'calls';
export type Wanted = { readonly is: '>=' | '<=' | '<'; readonly bound: number };

export interface Target {
  readonly name: string;
  readonly wanted: Wanted | null;
  readonly unit: Unit;
  /** Labels of what is measured: the best one counts. */
  readonly anyOf: readonly string[];
  /** Labels of what it is compared with. */
  readonly against: readonly string[];
  /** From the row with that label. */
  figure(figures: Figures, label: string): number | undefined;
}

/** Medians, by label. */
export interface Figures {
  readonly results: ReadonlyMap<string, ResultRow>;
  readonly latency: ReadonlyMap<string, LatencyRow>;
  readonly cost: ReadonlyMap<string, number>;
  readonly net: ReadonlyMap<string, NetRow>;
}

export const atLeast = (bound: number): Wanted => ({ is: '>=', bound });
export const atMost = (bound: number): Wanted => ({ is: '<=', bound });
export const below = (bound: number): Wanted => ({ is: '<', bound });
