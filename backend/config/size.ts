// Sizes of memory as QEMU writes them: 512M, 2G.

const UNITS: Record<string, number> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes of a size such as `512M`, or undefined when `text` is none. */
export function parseSize(text: string): number | undefined {
  const match = /^([1-9][0-9]*)([KMGT])$/i.exec(text);
  if (!match) return undefined;
  const bytes = Number(match[1]) * UNITS[match[2]!.toUpperCase()]!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
