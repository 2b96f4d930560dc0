// What is fuzzed: a property that holds for everything a peer can do on one surface. As a test it runs a fixed number
// of times from a fixed seed; with PTNET_FUZZ_SECONDS set it runs for so long, from any seed.
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
/** A file that gets a line for each surface: its name and how many inputs were tried. */
const figures = process.env.PTNET_FUZZ_FIGURES;
const UNBOUNDED = 2 ** 31 - 1;

export function hold<T>(surface: string, property: fc.IAsyncPropertyWithHooks<T>, run: Run<T>): Promise<void>;
export function hold<T>(surface: string, property: fc.IPropertyWithHooks<T>, run: Run<T>): void;
export function hold<T>(
  surface: string,
  property: fc.IPropertyWithHooks<T> | fc.IAsyncPropertyWithHooks<T>,
  run: Run<T>,
): Promise<void> | void {
  if (!fuzzing) return fc.assert(property as fc.IProperty<T>, run);
  let inputs = 0;
  const counted = property.beforeEach(() => {
    inputs += 1;
  });
  const report = (): void => {
    if (figures !== undefined) appendFileSync(figures, `${surface}: ${inputs} inputs\n`);
  };
  const forLong = {
    ...(run.examples === undefined ? {} : { examples: run.examples }),
    numRuns: UNBOUNDED,
    interruptAfterTimeLimit: seconds * 1000,
  };
  const done = fc.assert(counted as fc.IProperty<T>, forLong) as Promise<void> | undefined;
  if (done === undefined) return report();
  return done.then(report);
}
