// The types of mutants.mjs, for its test.
export interface Mutant {
  readonly file: string;
  readonly line: number;
  readonly name: string;
  readonly before: string;
  readonly after: string;
}
export function mutantsOf(file: string, text: string): Mutant[];
export function withMutant(text: string, mutant: Mutant): string;
export function random(seed: number): () => number;
export function sample<T>(list: readonly T[], count: number, seed: number): T[];
