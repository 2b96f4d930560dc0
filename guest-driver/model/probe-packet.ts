// Sequenced probe packets: build them, verify them, and keep the books per stream (lost, late, corrupt).
//
// 64-bit words are kept as two 32-bit halves: a BigInt per payload word would make the tests that fill whole
// packets an order of magnitude slower.

export const PROBE = {
  MIN_SIZE: 32,
  ETHERTYPE: 0x88b5,
  STREAMS: 256,
  DST: 0,
  SRC: 6,
  TYPE: 12,
  STREAM: 14,
  SEQ: 16,
  CHECK: 24,
  PAYLOAD: 32,
} as const;

/** none: headers only; stamp: seq and check; full: every payload byte too. */
export type PayloadLevel = 'none' | 'stamp' | 'full';

export interface ProbeFields {
  stream: number;
  /** A safe integer. */
  seq: number;
  dst?: Uint8Array;
  src?: Uint8Array;
}

const TWO_32 = 0x1_0000_0000;
// 0x9E3779B97F4A7C15 in the halves and quarters that the product below needs.
const K_HI = 0x9e3779b9;
const K_LO = 0x7f4a7c15;
const K_LO_1 = K_LO >>> 16;
const K_LO_0 = K_LO & 0xffff;

// mix() leaves its result here: returning a pair would allocate one object per payload word.
let mixLo = 0;
let mixHi = 0;

/** mix(x) = p ^ (p >> 32), p = x * 0x9E3779B97F4A7C15 mod 2^64; into mixLo and mixHi. */
function mix(lo: number, hi: number): void {
  const x1 = (lo >>> 16) & 0xffff;
  const x0 = lo & 0xffff;
  const low = x0 * K_LO_0;
  const mid = x0 * K_LO_1 + x1 * K_LO_0 + Math.floor(low / 0x10000);
  const productLo = (mid << 16) | (low & 0xffff);
  const carry = x1 * K_LO_1 + Math.floor(mid / 0x10000);
  const productHi = (carry + Math.imul(hi, K_LO) + Math.imul(lo, K_HI)) | 0;
  mixLo = (productLo ^ productHi) >>> 0;
  mixHi = productHi >>> 0;
}

/** The mix function on its own, for tests and tools. */
export function mixWord(x: bigint): bigint {
  mix(Number(x & 0xffffffffn), Number((x >> 32n) & 0xffffffffn));
  return (BigInt(mixHi) << 32n) | BigInt(mixLo);
}

function mixCheck(seqLo: number, seqHi: number, stream: number, size: number): void {
  mix(seqLo, seqHi ^ (stream << 16) ^ size);
}

/** The word at `offset`: mix(seq + offset + (stream << 40)). */
function mixPayload(seqLo: number, seqHi: number, stream: number, offset: number): void {
  const sum = seqLo + offset;
  mix(sum >>> 0, seqHi + (sum >= TWO_32 ? 1 : 0) + (stream << 8));
}

function viewOf(packet: Uint8Array): DataView {
  return new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
}

/** Writes addresses, ethertype and stream: what the `none` level writes once. */
export function writeProbeHeader(
  packet: Uint8Array,
  fields: Pick<ProbeFields, 'stream' | 'dst' | 'src'>,
): void {
  if (packet.length < PROBE.MIN_SIZE) {
    throw new RangeError(`probe packet: ${packet.length} bytes: want ${PROBE.MIN_SIZE} or more`);
  }
  packet.fill(0xff, PROBE.DST, PROBE.DST + 6);
  if (fields.dst) packet.set(fields.dst, PROBE.DST);
  packet.set(fields.src ?? [2, 0, 0, 0, 0, 0], PROBE.SRC);
  const view = viewOf(packet);
  view.setUint16(PROBE.TYPE, PROBE.ETHERTYPE, false);
  view.setUint16(PROBE.STREAM, fields.stream, true);
}

/** Writes seq and check over a packet whose length is final. */
export function stampProbe(packet: Uint8Array, stream: number, seq: number): void {
  const view = viewOf(packet);
  const seqLo = seq >>> 0;
  const seqHi = Math.floor(seq / TWO_32);
  view.setUint32(PROBE.SEQ, seqLo, true);
  view.setUint32(PROBE.SEQ + 4, seqHi, true);
  mixCheck(seqLo, seqHi, stream, packet.length);
  view.setUint32(PROBE.CHECK, mixLo, true);
  view.setUint32(PROBE.CHECK + 4, mixHi, true);
}

/** Fills the payload. */
export function fillProbe(packet: Uint8Array, stream: number, seq: number): void {
  const view = viewOf(packet);
  const seqLo = seq >>> 0;
  const seqHi = Math.floor(seq / TWO_32);
  let offset = PROBE.PAYLOAD;
  for (; offset + 8 <= packet.length; offset += 8) {
    mixPayload(seqLo, seqHi, stream, offset);
    view.setUint32(offset, mixLo, true);
    view.setUint32(offset + 4, mixHi, true);
  }
  mixPayload(seqLo, seqHi, stream, offset);
  for (let i = 0; offset + i < packet.length; i++) packet[offset + i] = tailByte(i);
}

/** Byte `i` of the word that mix() left. */
function tailByte(i: number): number {
  return ((i < 4 ? mixLo >>> (8 * i) : mixHi >>> (8 * (i - 4))) & 0xff) >>> 0;
}

/** One whole probe packet of `size` bytes. */
export function buildProbe(size: number, fields: ProbeFields, payload: PayloadLevel = 'full'): Uint8Array {
  const packet = new Uint8Array(size);
  writeProbeHeader(packet, fields);
  if (payload !== 'none') stampProbe(packet, fields.stream, fields.seq);
  if (payload === 'full') fillProbe(packet, fields.stream, fields.seq);
  return packet;
}

export type ProbeVerdict = { ok: true; stream: number; seq: number } | { ok: false; reason: string };

/** Verifies one whole packet (all its fragments joined) down to `payload`. */
export function verifyProbe(packet: Uint8Array, payload: PayloadLevel = 'full'): ProbeVerdict {
  if (packet.length < PROBE.MIN_SIZE) return { ok: false, reason: `short: ${packet.length} bytes` };
  const view = viewOf(packet);
  const type = view.getUint16(PROBE.TYPE, false);
  if (type !== PROBE.ETHERTYPE) return { ok: false, reason: `ethertype 0x${type.toString(16)}` };
  const stream = view.getUint16(PROBE.STREAM, true);
  if (stream >= PROBE.STREAMS) return { ok: false, reason: `stream ${stream}` };
  const seqLo = view.getUint32(PROBE.SEQ, true);
  const seqHi = view.getUint32(PROBE.SEQ + 4, true);
  const seq = seqHi * TWO_32 + seqLo;
  if (payload === 'none') return { ok: true, stream, seq };
  mixCheck(seqLo, seqHi, stream, packet.length);
  if (view.getUint32(PROBE.CHECK, true) !== mixLo || view.getUint32(PROBE.CHECK + 4, true) !== mixHi) {
    return { ok: false, reason: 'check' };
  }
  const bad = payload === 'full' ? firstBadByte(packet, view, stream, seqLo, seqHi) : -1;
  return bad < 0 ? { ok: true, stream, seq } : { ok: false, reason: `payload near byte ${bad}` };
}

/** Offset of the first payload word (or tail byte) that is wrong, or -1. */
function firstBadByte(
  packet: Uint8Array,
  view: DataView,
  stream: number,
  seqLo: number,
  seqHi: number,
): number {
  let offset = PROBE.PAYLOAD;
  for (; offset + 8 <= packet.length; offset += 8) {
    mixPayload(seqLo, seqHi, stream, offset);
    if (view.getUint32(offset, true) !== mixLo || view.getUint32(offset + 4, true) !== mixHi) return offset;
  }
  mixPayload(seqLo, seqHi, stream, offset);
  for (let i = 0; offset + i < packet.length; i++) {
    if (packet[offset + i] !== tailByte(i)) return offset + i;
  }
  return -1;
}

/** What a receiver of probe packets has seen; every stream starts at seq 0. */
export class ProbeTracker {
  packets = 0;
  bytes = 0;
  lost = 0;
  late = 0;
  corrupt = 0;
  /** Why the last corrupt packet was called so. */
  lastReason = '';
  readonly #payload: PayloadLevel;
  readonly #expected = new Float64Array(PROBE.STREAMS);

  constructor(payload: PayloadLevel = 'full') {
    this.#payload = payload;
  }

  /** The next seq that `stream` should carry. */
  expected(stream: number): number {
    return this.#expected[stream] ?? 0;
  }

  /** Counts one whole packet and says what it was; `lost` means that packets before it are missing. */
  accept(packet: Uint8Array): 'ok' | 'lost' | 'late' | 'corrupt' {
    this.packets += 1;
    this.bytes += packet.length;
    if (this.#payload === 'none') return 'ok';
    const verdict = verifyProbe(packet, this.#payload);
    if (!verdict.ok) {
      this.corrupt += 1;
      this.lastReason = verdict.reason;
      return 'corrupt';
    }
    const expected = this.expected(verdict.stream);
    if (verdict.seq < expected) {
      this.late += 1;
      return 'late';
    }
    this.#expected[verdict.stream] = verdict.seq + 1;
    if (verdict.seq === expected) return 'ok';
    this.lost += verdict.seq - expected;
    return 'lost';
  }
}
