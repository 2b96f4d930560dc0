// What is fuzzed: a property that holds for everything a peer can do on one surface. As a test it runs a fixed number
// of times from a fixed seed; with PTNET_FUZZ_SECONDS set it runs for so long, from any seed or from PTNET_TEST_SEED.
import { appendFileSync } from 'node:fs';
import fc from 'fast-check';

interface Run<T> {
  readonly seed: number;
  readonly numRuns: number;
  /** The seed corpus: inputs that are tried before all others. */
  readonly examples?: T[];
}

const seconds = Number(process.env.PTNET_FUZZ_SECONDS ?? 0);
/** How many inputs there are is then up to the machine, and so is what they reach. */
export const fuzzing = seconds > 0;
const seed = process.env.PTNET_TEST_SEED;
/** A file that gets a line for each surface: its name and how many inputs were tried. */
const figures = process.env.PTNET_FUZZ_FIGURES;
/** Inputs between two looks at the clock. */
const BATCH = 20;

/** A count of inputs that grows until the time is over. */
class Effort {
  readonly #surface: string;
  readonly #end = performance.now() + seconds * 1000;
  #inputs = 0;

  constructor(surface: string) {
    this.#surface = surface;
  }

  /** What the next batch runs with; undefined when the time is over, which is then written down. */
  next<T>(examples: T[] = []): fc.Parameters<T> | undefined {
    if (this.#inputs > 0 && performance.now() > this.#end) {
      if (figures !== undefined) appendFileSync(figures, `${this.#surface}: ${this.#inputs} inputs\n`);
      return undefined;
    }
    const first = this.#inputs === 0 ? examples : [];
    const numRuns = BATCH + first.length;
    this.#inputs += numRuns;
    return { numRuns, examples: first, ...(seed !== undefined && { seed: Number(seed) + this.#inputs }) };
  }
}

export function hold<T>(surface: string, property: fc.IProperty<T>, run: Run<T>): void {
  if (!fuzzing) {
    fc.assert(property, run);
    return;
  }
  const effort = new Effort(surface);
  for (let batch = effort.next(run.examples); batch; batch = effort.next()) fc.assert(property, batch);
}

export async function holdAsync<T>(
  surface: string,
  property: fc.IAsyncProperty<T>,
  run: Run<T>,
): Promise<void> {
  if (!fuzzing) return await fc.assert(property, run);
  const effort = new Effort(surface);
  for (let batch = effort.next(run.examples); batch; batch = effort.next()) await fc.assert(property, batch);
}
