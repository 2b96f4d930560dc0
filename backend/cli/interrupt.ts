// Work that ends when somebody asks the process to: with what it has made taken away again.
import { PtnetError } from '../errors.ts';
import type { Io } from './io.ts';

/** What the work fails with then. */
export class Interrupted extends PtnetError {
  constructor() {
    super('ERR_INTERRUPTED', 'interrupted');
  }
}

/** Runs it to its end, whatever it does with the signal; what went wrong after the signal is nobody's concern. */
export async function interruptible<T>(io: Io, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  void io.untilStopped().then(() => controller.abort(new Interrupted()));
  try {
    const result = await work(controller.signal);
    controller.signal.throwIfAborted();
    return result;
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  }
}
