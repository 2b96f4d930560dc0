// In which order the ends of a trial begin: nobody's time starts before all can take part, and no sender's before its receiver runs.
import type { Loop, Part, RunningLoop } from './guests.ts';
import type { DeviceEnd } from './path.ts';

/** A loop that a guest was told to run. */
export interface BeginningLoop extends RunningLoop {
  /** Resolves once it runs, or has ended without: a receiver that does not run yet loses packets. */
  readonly began: Promise<void>;
}

export interface Starters {
  /** Tells a VM to run a loop; without it devices are processes' too. */
  inVm?(end: DeviceEnd, loop: Loop): BeginningLoop;
  /** Starts processes that take their loops up when they are told so. @throws Error when an end cannot be had */
  held(parts: readonly Part[]): Promise<readonly (() => BeginningLoop)[]>;
}

/**
 * Starts a loop on each end, in the order of `parts`, each when the one before it runs. Those that both send and receive
 * have no order: VMs, whose agents take longest to begin, do so side by side, and the others when these run.
 */
export async function startInOrder(parts: readonly Part[], starters: Starters): Promise<RunningLoop[]> {
  const isInVm = ({ end }: Part): boolean => end.kind === 'device' && starters.inVm !== undefined;
  const others = parts.filter((part) => !isInVm(part));
  const goes = others.length > 0 ? await starters.held(others) : [];
  const begin = (part: Part): BeginningLoop =>
    isInVm(part) ? starters.inVm!(part.end as DeviceEnd, part.loop) : goes[others.indexOf(part)]!();
  const running = new Map<Part, RunningLoop>();
  const inOrder = parts.some(({ loop }) => loop.op !== 'duplex');
  const steps = inOrder ? parts.map((part) => [part]) : [parts.filter(isInVm), others];
  for (const step of steps) {
    const begun = step.map((part) => ({ part, loop: begin(part) }));
    for (const { part, loop } of begun) running.set(part, loop);
    await Promise.all(begun.map(({ loop }) => loop.began));
  }
  return parts.map((part) => running.get(part)!);
}
