// Units that people write where a file wants a plain number: they are no numbers here, but the message can say which one was meant.

/** What a unit stands for, in that of the key; written in lower case. */
export type Units = Readonly<Record<string, number>>;

/** Of a number of things, such as slots: `1K` is 1024 of them. */
const BINARY: Units = { k: 2 ** 10, ki: 2 ** 10, m: 2 ** 20, mi: 2 ** 20, g: 2 ** 30, gi: 2 ** 30 };

export const BYTES: Units = {
  ...BINARY,
  b: 1,
  byte: 1,
  bytes: 1,
  kb: 2 ** 10,
  kib: 2 ** 10,
  mb: 2 ** 20,
  mib: 2 ** 20,
  gb: 2 ** 30,
  gib: 2 ** 30,
};

/** Of packets, or packets a second: these are counted in thousands. */
export const PACKETS_EACH: Units = {
  k: 1e3,
  m: 1e6,
  g: 1e9,
  pps: 1,
  kpps: 1e3,
  mpps: 1e6,
  p: 1,
  packets: 1,
};

export const MICROSECONDS: Units = { us: 1, µs: 1, ms: 1e3, s: 1e6 };

export const SECONDS: Units = { s: 1, sec: 1, min: 60, h: 3600, d: 86_400 };

/** The number that was meant by `60`, `'60'`, `60B`, `2K` or `1.5`; undefined: nobody knows. */
export function asWhole(value: unknown, units: Units = {}): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.round(value) : undefined;
  const [, number, unit = ''] =
    typeof value === 'string' ? (/^\s*(-?\d+(?:[._]\d+)*)\s*([a-zµ]*)\s*$/i.exec(value) ?? []) : [];
  if (number === undefined) return undefined;
  const factor = unit === '' ? 1 : { ...BINARY, ...units }[unit.toLowerCase()];
  const meant = Number(number.replaceAll('_', '')) * (factor ?? Number.NaN);
  return Number.isFinite(meant) ? Math.round(meant) : undefined;
}
