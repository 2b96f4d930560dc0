// The highest rate without loss, by bisection: RFC 2544's throughput (section 26.1).

/** What one trial at a rate came to. */
export interface RateStep {
  /** Packets per second that were asked for; undefined: as many as go. */
  readonly asked: number | undefined;
  /** Packets per second that were sent. */
  readonly offered: number;
  /** Share of what was sent that did not arrive. */
  readonly loss: number;
}

export interface Highest {
  /** Packets per second; 0: none that was tried is without loss. */
  readonly pps: number;
  /** In the order in which they were tried. */
  readonly steps: readonly RateStep[];
}

export interface HighestOptions {
  /** How near the rate without loss and the one with loss come, as a share of the first trial's. */
  readonly resolution: number;
  /** A share of packets that may be missing: 0 is RFC 2544's. */
  readonly tolerance: number;
}

/** A sender that stays below this share of what it was asked for could not send more. */
const KEPT_UP = 0.97;

/**
 * Tries as fast as it goes first; where that loses packets, halves what is between a rate without loss and one with loss.
 * A rate that has lost packets is tried once more: what disturbed one of two trials is not the path's.
 * @param trial sends at so many packets per second (undefined: as many as go) for a while
 */
export async function highestRate(
  trial: (pps: number | undefined) => Promise<Omit<RateStep, 'asked'> & { readonly received: number }>,
  { resolution, tolerance }: HighestOptions,
): Promise<Highest> {
  const steps: RateStep[] = [];
  const run = async (asked: number | undefined) => {
    const { offered, loss, received } = await trial(asked);
    steps.push({ asked, offered, loss });
    return { offered, received, good: loss <= tolerance };
  };
  const first = await run(undefined);
  if (first.good) return { pps: first.offered, steps };
  let [low, high] = [0, first.offered];
  // What arrived of too much is the best guess.
  let next = Math.min(first.received, high * (1 - resolution));
  while (high - low > first.offered * resolution) {
    const tried = await run(next);
    const { offered, good } = tried.good ? tried : await run(next);
    if (!good) high = next;
    else if (offered < next * KEPT_UP) return { pps: offered, steps };
    else low = next;
    next = (low + high) / 2;
  }
  return { pps: low, steps };
}
