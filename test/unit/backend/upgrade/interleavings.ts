// All states that processes can come to by steps that follow each other in any order, for models of transactions.

/**
 * @param deaths so many of the processes have died in a state: it grows by a death alone.
 * @returns all of them, and those from which nothing goes on but by a death.
 */
export function explore<State>(
  start: State,
  steps: (state: State) => readonly State[],
  deaths: (state: State) => number,
): { all: State[]; ends: State[] } {
  const seen = new Map<string, State>([[JSON.stringify(start), start]]);
  const ends: State[] = [];
  for (const state of seen.values()) {
    const next = steps(state);
    if (next.every((each) => deaths(each) > deaths(state))) ends.push(state);
    for (const each of next) seen.set(JSON.stringify(each), each);
  }
  return { all: [...seen.values()], ends };
}
