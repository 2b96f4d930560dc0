// Shares the event loop among sessions: a piece of work at a time, in turn, and between turns the loop's other events.

/** What one session may use before the next one comes, and what all of them may before the event loop goes on. */
const SLICE_MS = 1;
const TURN_MS = 4;

export interface Work {
  /** Does a piece. @return whether there is more. */
  step(): boolean;
}

export class Turns {
  readonly #waiting = new Set<Work>();
  #spentMs = 0;
  #scheduled = false;

  /** There is something to do: at once, unless others wait or this turn is over; the rest of it in later turns. */
  add(work: Work): void {
    if (this.#waiting.has(work)) return;
    if (this.#waiting.size > 0 || this.#spentMs >= TURN_MS || this.#serve(work)) this.#waiting.add(work);
    this.#schedule();
  }

  #serve(work: Work): boolean {
    const start = performance.now();
    let more: boolean;
    do more = work.step();
    while (more && performance.now() - start < SLICE_MS);
    this.#spentMs += performance.now() - start;
    return more;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    this.#spentMs = 0;
    for (const work of [...this.#waiting]) {
      if (this.#spentMs >= TURN_MS) break;
      this.#waiting.delete(work);
      // To the end of the line.
      if (this.#serve(work)) this.#waiting.add(work);
    }
    if (this.#waiting.size > 0) this.#schedule();
  }
}
