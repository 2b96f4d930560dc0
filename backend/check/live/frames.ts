// The frames that paths are tried with: from addresses and length alone it is known what every byte has to be.
import { macBytes } from '../../config/mac.ts';

export const ETHERNET_MIN = 14;
/** Without a tag. */
export const ETHERNET_MAX = 1514;
/** IEEE's number for local experiments. */
const ETHERTYPE = [0x88, 0xb5];
const EVERYBODY = 'ff:ff:ff:ff:ff:ff';
/** Around powers of two, and what jumbo frames and segments have. */
const LONG = [1518, 1522, 2047, 2048, 2049, 4095, 4096, 4097, 9014, 16_384, 32_768, 65_535];
/** Where every size would take too long. */
const SOME = [
  14, 15, 16, 31, 32, 33, 59, 60, 61, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025, 1513, 1514,
];

export interface Addresses {
  readonly src: string;
  /** Undefined: everybody. */
  readonly dst?: string;
}

/** Every size of a frame without a tag, and some that take several slots, up to `most` bytes; or some of them. */
export function sizesUpTo(most: number, every: boolean): number[] {
  const short = every
    ? Array.from({ length: ETHERNET_MAX - ETHERNET_MIN + 1 }, (_, i) => ETHERNET_MIN + i)
    : SOME;
  return [...short, ...LONG].filter((size) => size <= most);
}

/** A frame of `size` bytes; whoever gets it can make the same and compare. */
export function frameOf({ src, dst = EVERYBODY }: Addresses, size: number): Uint8Array {
  const frame = new Uint8Array(size);
  frame.set(macBytes(dst), 0);
  frame.set(macBytes(src), 6);
  frame.set(ETHERTYPE, 12);
  // A generator of its own for each sender, receiver and size: a byte of another frame does not fit.
  let state = size;
  for (const octet of frame.subarray(0, ETHERNET_MIN)) state = (Math.imul(state, 31) + octet) >>> 0;
  for (let i = ETHERNET_MIN; i < size; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    frame[i] = state >>> 24;
  }
  return frame;
}

const mac = (frame: Uint8Array, at: number): string =>
  Array.from(frame.subarray(at, at + 6), (octet) => octet.toString(16).padStart(2, '0')).join(':');

/** Who it says it is from and for; undefined for one that is too short, or not of ours. */
export function addressesOf(frame: Uint8Array): Required<Addresses> | undefined {
  if (frame.length < ETHERNET_MIN || frame[12] !== ETHERTYPE[0] || frame[13] !== ETHERTYPE[1])
    return undefined;
  return { dst: mac(frame, 0), src: mac(frame, 6) };
}

/** Whether every byte is as it was sent. */
export function isWhole(frame: Uint8Array): boolean {
  const addresses = addressesOf(frame);
  if (addresses === undefined) return false;
  return Buffer.compare(frameOf(addresses, frame.length), frame) === 0;
}
