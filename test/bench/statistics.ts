// What is said about the samples of several rounds.

export interface Stat {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function median(samples: readonly number[]): number {
  if (samples.length === 0) throw new RangeError('median: no samples');
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function summarize(samples: readonly number[]): Stat {
  return { median: median(samples), min: Math.min(...samples), max: Math.max(...samples) };
}

/** The same of every figure, with `digits` decimals. */
export function scale({ median, min, max }: Stat, factor: number, digits: number): Stat {
  const round = (value: number) => Number((value * factor).toFixed(digits));
  return { median: round(median), min: round(min), max: round(max) };
}

/** Of the figure that each sample has; undefined when none has it. */
export function statOf<S>(
  samples: readonly S[],
  figure: (sample: S) => number | undefined,
  factor: number,
  digits: number,
): Stat | undefined {
  const figures = samples.map(figure).filter((value) => value !== undefined);
  return figures.length === 0 ? undefined : scale(summarize(figures), factor, digits);
}

/**
 * The median of the rounds' own ratios: what a round disturbed, it disturbed both of.
 * @return undefined when no round has both, or the other is 0 in all of them.
 */
export function medianRatio(ours: readonly number[], theirs: readonly number[]): number | undefined {
  const ratios = ours.flatMap((value, round) => {
    const other = theirs[round] ?? 0;
    return other > 0 ? [value / other] : [];
  });
  return ratios.length === 0 ? undefined : Number(median(ratios).toFixed(4));
}
