// Finds the word that somebody who mistyped probably meant.

/** Levenshtein distance, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Separators and case are what people get wrong most often: `txRings` and `tx_rings` are both `tx-rings`. */
const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_]/g, '');

/** The candidate nearest to `word`, or undefined when none is near enough to be a good guess. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const start = plain(word);
  const extended = candidates.find((c) => start.length >= 3 && plain(c).startsWith(start));
  const shortened = candidates.find((c) => c.length >= 3 && start.startsWith(plain(c)));
  if (extended ?? shortened) return extended ?? shortened;
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const d = distance(plain(word), plain(candidate));
    if (d < bestDistance) {
      best = candidate;
      bestDistance = d;
    }
  }
  return best;
}

/** `'a', 'b' or 'c'`. */
export function alternatives(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word}'`);
  const last = quoted.pop();
  return quoted.length === 0 ? (last ?? 'nothing') : `${quoted.join(', ')} or ${last}`;
}
