// The definition of a probe packet, which has a sequence number and whose every byte can be checked. The host and the
// guest's core have their own readings of it, and no other code has one.
//
//   0 destination, 6 source, 12 ethertype 0x88b5, 14 stream, 16 sequence number, 24 check of the header, 32 payload;
//   little-endian but for the ethertype
const MASK = 0xffff_ffff_ffff_ffffn;
const EVERYBODY = [255, 255, 255, 255, 255, 255];
const NOBODY = [2, 0, 0, 0, 0, 0];

function mix(x: bigint): bigint {
  const product = (x * 0x9e3779b97f4a7c15n) & MASK;
  return product ^ (product >> 32n);
}

export interface Probe {
  seq: bigint;
  stream?: number;
  size?: number;
  /** For everybody when not given. */
  dst?: ArrayLike<number>;
  /** 02:00:00:00:00:00 when not given. */
  src?: ArrayLike<number>;
}

/** A whole packet at level 'full'. */
export function probe({ seq, stream = 0, size = 60, dst = EVERYBODY, src = NOBODY }: Probe): Uint8Array {
  const packet = new Uint8Array(size);
  const view = new DataView(packet.buffer);
  packet.set(dst, 0);
  packet.set(src, 6);
  view.setUint16(12, 0x88b5, false);
  view.setUint16(14, stream, true);
  view.setBigUint64(16, seq, true);
  view.setBigUint64(24, mix(seq ^ (BigInt(stream) << 48n) ^ (BigInt(size) << 32n)), true);
  for (let o = 32; o < size; o++) {
    const word = mix((seq + BigInt(o - (o % 8)) + (BigInt(stream) << 40n)) & MASK);
    packet[o] = Number((word >> BigInt(8 * (o % 8))) & 0xffn);
  }
  return packet;
}
