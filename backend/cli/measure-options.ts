// What `ptnet measure` is told on its command line: lists of sizes, bursts, rates and loads.
import { InvalidArgumentError } from 'commander';
import type { Load } from '../measure/latency.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9 };

/** `1.5M` as a number. */
function rateOf(text: string): number | undefined {
  const parts = /^(\d+(?:\.\d+)?)([kKMG]?)(?:pps)?$/.exec(text.trim());
  return parts ? Number(parts[1]) * UNITS[parts[2]!]! : undefined;
}

const list = (text: string): string[] => text.split(',').map((word) => word.trim());

function whole(text: string, what: string, min: number, max: number, example: string): number[] {
  return list(text).map((word) => {
    const number = Number(word);
    if (!/^\d+$/.test(word) || number < min || number > max)
      throw new InvalidArgumentError(
        `'${word}' is no ${what}: whole numbers from ${min} to ${max}, as '${example}', would be right.`,
      );
    return number;
  });
}

/** What a guest's loop and its receiver can tell apart and take. */
const SIZE_MIN = 32;
const SIZE_MAX = 65_535;
const BURST_MAX = 4096;

export const sizes = (text: string): number[] => whole(text, 'size', SIZE_MIN, SIZE_MAX, '60,512,1514');
export const bursts = (text: string): number[] => whole(text, 'burst', 1, BURST_MAX, '1,16,256');

export const rates = (text: string): number[] =>
  list(text).map((word) => {
    const rate = rateOf(word);
    if (rate === undefined || rate <= 0)
      throw new InvalidArgumentError(
        `'${word}' is no rate: packets per second, as '500k' or '1.5M', would be right.`,
      );
    return rate;
  });

export const loads = (text: string): Load[] =>
  list(text).map((word) => {
    const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(word)?.[1];
    if (percent !== undefined && Number(percent) > 0 && Number(percent) <= 100)
      return { share: Number(percent) / 100 };
    const pps = rateOf(word);
    if (pps === undefined || pps <= 0)
      throw new InvalidArgumentError(
        `'${word}' is no load: a share of the highest rate, as '50%', or packets per second, as '10k', would be right.`,
      );
    return { pps };
  });

/** A share, from `1%`. */
export function share(text: string): number {
  const percent = /^(\d+(?:\.\d+)?)\s*%?$/.exec(text.trim())?.[1];
  if (percent === undefined || Number(percent) > 50)
    throw new InvalidArgumentError(`'${text}' is no share: percent from 0 to 50, as '1%', would be right.`);
  return Number(percent) / 100;
}
