// Probe packets for the addon's tests, written from the description of the format.
const MASK = 0xffff_ffff_ffff_ffffn;

function mix(x: bigint): bigint {
  const product = (x * 0x9e3779b97f4a7c15n) & MASK;
  return product ^ (product >> 32n);
}

export interface Probe {
  seq: bigint;
  stream?: number;
  size?: number;
  dst?: number[];
  src?: number[];
}

/** A whole packet at level 'full'. */
export function probe({ seq, stream = 0, size = 60, dst = [], src = [] }: Probe): Uint8Array {
  const packet = new Uint8Array(size);
  const view = new DataView(packet.buffer);
  packet.set(dst.length > 0 ? dst : [255, 255, 255, 255, 255, 255], 0);
  packet.set(src.length > 0 ? src : [2, 0, 0, 0, 0, 0], 6);
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
