// Rounds: everything once in each, in an order that is rotated, so that what disturbs the machine disturbs all alike.

/** Something to measure; `S` is what one measurement gives. */
export interface Item<S> {
  readonly label: string;
  run(round: number): Promise<S>;
}

export interface Outcome<S> {
  /** By label, one sample a round, in the order of the rounds. Only items that never failed. */
  readonly samples: ReadonlyMap<string, readonly S[]>;
  /** By label, why. What failed once is not tried again. */
  readonly failures: ReadonlyMap<string, string>;
}

export interface Step {
  readonly label: string;
  readonly round: number;
  /** From 1, of all measurements of the whole run. */
  readonly number: number;
  readonly total: number;
}

export function rotate<T>(items: readonly T[], by: number): T[] {
  if (items.length === 0) return [];
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

/** @param stopped asked before each measurement; when true, what is there so far is the outcome. */
export async function runRounds<S>(
  items: readonly Item<S>[],
  rounds: number,
  onStep: (step: Step) => void,
  stopped: () => boolean = () => false,
): Promise<Outcome<S>> {
  const samples = new Map<string, S[]>(items.map(({ label }) => [label, []]));
  const failures = new Map<string, string>();
  let number = 0;
  for (let round = 0; round < rounds; round++) {
    // Each round starts further on by an equal part of the list.
    for (const { label, run } of rotate(items, Math.floor((round * items.length) / rounds))) {
      if (stopped()) return { samples, failures };
      number++;
      if (failures.has(label)) continue;
      onStep({ label, round: round + 1, number, total: items.length * rounds });
      try {
        samples.get(label)!.push(await run(round));
      } catch (error) {
        failures.set(label, error instanceof Error ? error.message : String(error));
        samples.delete(label);
      }
    }
  }
  return { samples, failures };
}
