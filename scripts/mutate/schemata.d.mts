import type { Mutant } from './mutants.mjs';

export declare const HEADER: string;
export declare function schemaOf(
  line: string,
  mutants: readonly (Mutant & { number: number })[],
): { text: string; numbers: number[] };
