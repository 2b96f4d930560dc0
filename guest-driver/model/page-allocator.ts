// First-fit allocator of page numbers, for guest RAM.

interface Run {
  first: number;
  count: number;
}

export class PageAllocator {
  /** Free runs by page number; neighbours are merged. */
  #free: Run[];

  constructor(first: number, count: number) {
    this.#free = [{ first, count }];
  }

  get available(): number {
    return this.#free.reduce((sum, run) => sum + run.count, 0);
  }

  /** The first of `count` neighbouring pages. @throws RangeError when there is no such run. */
  allocate(count: number): number {
    const at = this.#free.findIndex((run) => run.count >= count);
    const run = this.#free[at];
    if (!run) throw new RangeError(`guest RAM: no ${count} pages in a row left: want more RAM`);
    const { first } = run;
    run.first += count;
    run.count -= count;
    if (run.count === 0) this.#free.splice(at, 1);
    return first;
  }

  /** Gives pages back. @throws RangeError when one of them is free already. */
  free(first: number, count: number): void {
    let at = this.#free.findIndex((run) => run.first > first);
    if (at < 0) at = this.#free.length;
    const before = this.#free[at - 1];
    const after = this.#free[at];
    if ((before && before.first + before.count > first) || (after && first + count > after.first)) {
      throw new RangeError(`guest RAM: pages ${first} to ${first + count - 1} are not all in use`);
    }
    this.#free.splice(at, 0, { first, count });
    this.#merge(at);
    this.#merge(at - 1);
  }

  #merge(at: number): void {
    const run = this.#free[at];
    const next = this.#free[at + 1];
    if (!run || !next || run.first + run.count !== next.first) return;
    run.count += next.count;
    this.#free.splice(at + 1, 1);
  }
}
