// NETMAP_REQ_OPT_OFFSETS: what a register asks for, checked in netmap's order, and what it is told.
import { constants } from 'node:os';
import type { OffsetPart, OffsetsAsked, OffsetsGiven } from '../../native/ports.ts';
import { isSystemError } from '../errors.ts';
import { checkedBody, OFFSETS, writeBody } from './bodies.ts';
import type { Options } from './options.ts';
import { NETMAP_REQ_OPT } from './protocol.ts';

const { EIO, EINVAL, EOPNOTSUPP } = constants.errno;
/** Of `ptr` in a slot. */
const BITS_MAX = 64;

/**
 * What gives rings the offsets that the option asks for; undefined: it was not given.
 * @throws ProtocolError EINVAL when it has not netmap's size.
 */
export function offsetsAsked(
  options: Options,
  set: (parts: readonly OffsetPart[], asked: OffsetsAsked) => OffsetsGiven,
): ((parts: readonly OffsetPart[]) => void) | undefined {
  const bytes = options.take(NETMAP_REQ_OPT.OFFSETS);
  if (!bytes) return undefined;
  const { max, initial, bits, minGap } = checkedBody(OFFSETS, bytes);
  return (parts) => {
    const { info, region } = parts[0]!.port;
    const refuse = (errno: number, what: string): never =>
      options.refuse(NETMAP_REQ_OPT.OFFSETS, errno, `${info.name}: offsets: ${what}`);
    const bufSize = region.info.pools.buf.size;
    if (!info.takesOffsets) refuse(EOPNOTSUPP, 'its packets are where their senders have put them');
    if (bits > BITS_MAX) refuse(EINVAL, `${bits} bits: 0 to ${BITS_MAX} would be right`);
    if (max > bufSize) refuse(EINVAL, `a maximum of ${max}: up to ${bufSize} would be right`);
    const width = bits === 0 ? BITS_MAX : bits;
    if (max >= 2 ** width) refuse(EINVAL, `a maximum of ${max}: ${bits} bits hold less`);
    if (initial > max) refuse(EINVAL, `${initial} at first: up to the maximum of ${max} would be right`);
    const asked = { max, bits: width, initial, gap: Math.min(minGap, bufSize) };
    const given = granted(() => set(parts, asked), refuse);
    options.give(NETMAP_REQ_OPT.OFFSETS, writeBody(OFFSETS, bytes, given));
  };
}

function granted(set: () => OffsetsGiven, refuse: (errno: number, what: string) => never): OffsetsGiven {
  try {
    return set();
  } catch (error) {
    return refuse(isSystemError(error) ? -error.errno : EIO, String(error));
  }
}
