// What the options of the programs are written as: times, shares, sizes and paces.
import { InvalidArgumentError } from 'commander';
import { packetRate } from '../config/rate.ts';
import { parseSize } from '../config/size.ts';

const NS: Record<string, number> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
const TIME_NS_MAX = 3600e9;

function time(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ns|us|ms|s)$/.exec(text) ?? [];
  return number === undefined ? Number.NaN : Math.round(Number(number) * NS[unit!]!);
}

/** `10ms`, or between two, `10ms..20ms`: the least, and what may come on top. */
export function delay(text: string): { delayNs: number; jitterNs: number } {
  const [from = '', to = from, more] = text.split('..');
  const [least, most] = [time(from), time(to)];
  if (more !== undefined || !(least <= most) || most > TIME_NS_MAX)
    throw new InvalidArgumentError("A time, '10ms', or two, '10ms..20ms', up to an hour would be right.");
  return { delayNs: least, jitterNs: most - least };
}

/** `1%` or `0.01`. */
export function share(text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?|\.\d+)(%?)$/.exec(text) ?? [];
  const value = Number(number) / (percent === '%' ? 100 : 1);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError("A share, '1%' or '0.01', would be right.");
  return value;
}

export function size(text: string): number {
  const bytes = parseSize(text) ?? (/^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN);
  if (!(bytes >= 4096)) throw new InvalidArgumentError("A size of 4K or more, '100M', would be right.");
  return bytes;
}

/** @param max the largest that makes sense. */
export const count =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= min && number <= max))
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER
          ? `A number from ${min} on would be right.`
          : `A number from ${min} to ${max} would be right.`,
      );
    return number;
  };

/** `2` and `0.5` times the pace of a file, or `top`. */
export function speed(text: string): number {
  if (text === 'top') return 0;
  const times = /^(\d+(?:\.\d+)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (!(times >= 0.001 && times <= 1e6))
    throw new InvalidArgumentError("Times the file's pace, '2', or 'top' would be right.");
  return times;
}

/** `1000pps`, `1.5Mpps`, `1000`. */
export function pace(text: string): number {
  const perSecond = Math.round(packetRate(/^\d+$/.test(text) ? Number(text) : text));
  if (!(perSecond >= 1 && perSecond <= 1e9))
    throw new InvalidArgumentError("Packets a second, '1000pps', would be right.");
  return perSecond;
}
