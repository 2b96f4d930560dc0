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
