// Counters that go on from what another process has counted.

/** Each of `now` with what was counted before. */
export function sumOf<T extends { readonly [K in keyof T]: number }>(now: T, before: T | undefined): T {
  if (before === undefined) return now;
  const keys = Object.keys(now) as (keyof T)[];
  return Object.fromEntries(keys.map((key) => [key, now[key] + before[key]])) as T;
}
