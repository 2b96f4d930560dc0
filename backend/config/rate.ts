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

const within = (value: number, { min, max }: { min: number; max: number }): boolean =>
  value >= min && value <= max;

export function bitRateProblem(value: unknown): string | undefined {
  if (within(bitRate(value), BIT_RATE)) return undefined;
  const bps = typeof value === 'string' ? /^([\d.]+[kmgt]?)bps$/i.exec(value)?.[1] : undefined;
  if (bps) return `'${value}' may be bits or bytes: '${bps}bit' would be right for bits`;
  return Number.isNaN(bitRate(value))
    ? `${quote(value)} is not a rate: '1Gbit' would be right`
    : `${quote(value)} is not within 8Kbit and 1Tbit: '1Gbit' would be right`;
}

export function packetRateProblem(value: unknown): string | undefined {
  return within(packetRate(value), PACKET_RATE)
    ? undefined
    : `${quote(value)} is not a number of packets a second: '1000pps' would be right`;
}

export function burstProblem(value: unknown): string | undefined {
  const bytes = burstSize(value);
  return within(bytes, BURST) && Number.isInteger(bytes)
    ? undefined
    : `${quote(value)} is not a size from 2048 to ${BURST.max} bytes: '1MiB' would be right`;
}
