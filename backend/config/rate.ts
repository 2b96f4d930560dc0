// How much a second, as a file writes it: `1Gbit`, `1000pps`, and what may come at once, `1MiB`.
import { quote } from './fields.ts';
import { BIT_RATE, BURST, PACKET_RATE } from './limits.ts';

const DECIMAL: Record<string, number> = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12 };
const BINARY: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
const RATE = /^(\d+(?:\.\d+)?)([KMGT]?)bit(?:\/s)?$/i;
const PACKETS = /^(\d+(?:\.\d+)?)([KM]?)pps$/i;
const SIZE = /^(\d+)(?:([KMG])(?:i?B)?|B)?$/i;

const parsed = (text: unknown, form: RegExp, units: Record<string, number>): number => {
  if (typeof text === 'number') return text;
  const [, number, unit = ''] = typeof text === 'string' ? (form.exec(text) ?? []) : [];
  return number === undefined ? Number.NaN : Number(number) * units[unit.toUpperCase()]!;
};

/** Bits a second of `1Gbit`, `1.5Mbit`, `800000`; NaN when it is no rate. */
export const bitRate = (value: unknown): number => parsed(value, RATE, DECIMAL);
/** Packets a second of `1000pps`, `20Kpps`, `1000`; NaN when it is none. */
export const packetRate = (value: unknown): number => parsed(value, PACKETS, DECIMAL);
/** Bytes of `1MiB`, `64K`, `65536`; NaN when it is no size. */
export const burstSize = (value: unknown): number => parsed(value, SIZE, BINARY);

/** How they look, for editors. */
export const BIT_RATE_FORM = rateForm('^\\d+(\\.\\d+)?[KMGTkmgt]?[Bb][Ii][Tt](/s)?$', '1Gbit', BIT_RATE);
export const PACKET_RATE_FORM = rateForm('^\\d+(\\.\\d+)?[KMkm]?[Pp][Pp][Ss]$', '1000pps', PACKET_RATE);
export const BURST_FORM = rateForm('^\\d+([KMGkmg]i?[Bb]?|[Bb])?$', '1MiB', BURST);

function rateForm(pattern: string, example: string, { min, max }: { min: number; max: number }) {
  const number = { type: 'number' as const, minimum: min, maximum: max };
  return { anyOf: [{ type: 'string' as const, pattern, examples: [example] }, number] };
}

const within = (value: number, { min, max }: { min: number; max: number }): boolean =>
  value >= min && value <= max;

export function bitRateProblem(value: unknown): string | undefined {
  if (within(bitRate(value), BIT_RATE)) return undefined;
  const bps = typeof value === 'string' ? /^([\d.]+[kmgt]?)bps$/i.exec(value)?.[1] : undefined;
  if (bps) return `'${value}' may be bits or bytes: '${bps}bit' would be right for bits`;
  if (!Number.isNaN(bitRate(value)))
    return `${quote(value)} is not within 8Kbit and 1Tbit: '1Gbit' would be right`;
  // GB is bytes, and may be meant.
  const [, number, unit = ''] =
    typeof value === 'string'
      ? (/^(\d+(?:\.\d+)?) ?([KMGTkmgt]?)(?: ?[Bb]its?|b)?(?:ps|\/s)?$/.exec(value) ?? [])
      : [];
  const meant = `${number}${unit.toUpperCase()}bit`;
  return `${quote(value)} is not a rate: '${within(bitRate(meant), BIT_RATE) ? meant : '1Gbit'}' would be right`;
}

export function packetRateProblem(value: unknown): string | undefined {
  if (within(packetRate(value), PACKET_RATE)) return undefined;
  const [, number, unit = ''] =
    typeof value === 'string'
      ? (/^(\d+(?:\.\d+)?) ?([km]?)(?: ?p(?:ackets)?(?:\/s)?)?$/i.exec(value) ?? [])
      : [];
  const meant = `${number}${unit.toUpperCase()}pps`;
  return `${quote(value)} is not a number of packets a second: '${within(packetRate(meant), PACKET_RATE) ? meant : '1000pps'}' would be right`;
}

export function burstProblem(value: unknown): string | undefined {
  const bytes = burstSize(value);
  return within(bytes, BURST) && Number.isInteger(bytes)
    ? undefined
    : `${quote(value)} is not a size from 2048 to ${BURST.max} bytes: '1MiB' would be right`;
}
