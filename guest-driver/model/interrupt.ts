// One MSI-X vector in the guest: an eventfd that the host signals, with waiting on the event loop.
import { closeFd, eventfd, eventfdDrain, watchReadable } from '../../native/os.ts';

export class Interrupt {
  readonly vector: number;
  readonly fd: number;
  /** Interrupts seen since the vector was made. */
  count = 0;
  #closed = false;

  constructor(vector: number) {
    this.vector = vector;
    this.fd = eventfd();
  }

  /** How many were raised since the last look; does not wait. */
  drain(): number {
    if (this.#closed) return 0;
    const raised = Number(eventfdDrain(this.fd));
    this.count += raised;
    return raised;
  }

  /** Resolves to how many were raised since the last look, or to 0 after `timeoutMs`. */
  async wait(timeoutMs: number): Promise<number> {
    return (await waitForAny([this], timeoutMs)) === this ? this.drain() : 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.fd);
  }
}

/** The first of `interrupts` that is pending, not drained yet; undefined after `timeoutMs`. */
export async function waitForAny(
  interrupts: readonly Interrupt[],
  timeoutMs: number,
): Promise<Interrupt | undefined> {
  return await new Promise((resolve) => {
    const watches: { close(): void }[] = [];
    const finish = (found: Interrupt | undefined) => {
      clearTimeout(timer);
      for (const watch of watches.splice(0)) watch.close();
      resolve(found);
    };
    const timer = setTimeout(finish, timeoutMs, undefined);
    for (const interrupt of interrupts) {
      // Level-triggered: one that was raised before we watch is reported as well. The watch goes before the drain.
      watches.push(watchReadable(interrupt.fd, () => finish(interrupt)));
    }
  });
}
