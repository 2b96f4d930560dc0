// Steps of which each is taken, whatever those before it failed with.

/** @throws what the first of them that failed threw, once all are done. */
export function runAll(steps: readonly (() => void)[]): void {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
