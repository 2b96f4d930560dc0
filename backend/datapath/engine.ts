// engine: the workers of this host, and who gets the next attachment.
import { Engine } from '../../native/engine.ts';

export class WorkerPool {
  readonly engine: Engine;
  readonly count: number;
  readonly #load: number[];

  /** @param cpus those that each worker may run on; any when not given. */
  constructor(workers: number, cpus?: readonly (readonly number[])[]) {
    this.count = workers;
    this.engine = new Engine(cpus ?? Array.from({ length: workers }, () => []));
    this.#load = new Array<number>(workers).fill(0);
  }

  /** The worker that serves the fewest, or the one that is asked for; give it back with release(). */
  place(on?: number): number {
    const worker = on !== undefined && on < this.count ? on : this.#load.indexOf(Math.min(...this.#load));
    this.#load[worker]!++;
    return worker;
  }

  move(from: number, to: number): void {
    this.#load[from]!--;
    this.#load[to]!++;
  }

  release(worker: number): void {
    this.#load[worker]!--;
  }
}
