// Probe packets against vectors computed with BigInt straight from the definition, and the tracker's books.
import { describe, expect, test } from 'vitest';
import {
  buildProbe,
  mixWord,
  ProbeTracker,
  stampProbe,
  verifyProbe,
} from '../../../../guest-driver/model/probe-packet.ts';

const MASK = (1n << 64n) - 1n;

function mix(x: bigint): bigint {
  const product = (x * 0x9e3779b97f4a7c15n) & MASK;
  return product ^ (product >> 32n);
}

/** The packet by definition. */
function reference(size: number, stream: number, seq: bigint): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.fill(0xff, 0, 6);
  bytes[6] = 2;
  view.setUint16(12, 0x88b5, false);
  view.setUint16(14, stream, true);
  view.setBigUint64(16, seq, true);
  view.setBigUint64(24, mix((seq ^ (BigInt(stream) << 48n) ^ (BigInt(size) << 32n)) & MASK), true);
  for (let offset = 32; offset < size; offset += 8) {
    const word = mix((seq + BigInt(offset) + (BigInt(stream) << 40n)) & MASK);
    for (let i = 0; i < 8 && offset + i < size; i++)
      bytes[offset + i] = Number((word >> BigInt(8 * i)) & 0xffn);
  }
  return bytes;
}

describe('mix', () => {
  test('a vector worked out by hand: mix(1) is K with its high half folded in', () => {
    expect(mixWord(1n)).toBe(0x9e3779b97f4a7c15n ^ 0x9e3779b9n);
  });

  test.each([
    0n,
    1n,
    0xffffn,
    0x10000n,
    0xffffffffn,
    0x100000000n,
    0xffffffff00000000n,
    MASK,
    0x123456789abcdef0n,
  ])('mix(%s) is what BigInt says', (x) => {
    expect(mixWord(x)).toBe(mix(x));
  });
});

describe('building', () => {
  test.each([
    [32, 0, 0],
    [33, 1, 1],
    [60, 0, 1],
    [63, 255, 0xffffffff],
    [64, 3, 0x100000000],
    [1514, 17, Number.MAX_SAFE_INTEGER],
    [9000, 255, 0xffffffe0],
  ])('%i bytes, stream %i, seq %i', (size, stream, seq) => {
    expect(buildProbe(size, { stream, seq })).toEqual(reference(size, stream, BigInt(seq)));
  });

  test('addresses are taken as given', () => {
    const packet = buildProbe(60, {
      stream: 0,
      seq: 0,
      dst: Uint8Array.of(2, 0, 0, 0, 1, 0),
      src: Uint8Array.of(2, 0, 0, 0, 2, 1),
    });
    expect([...packet.subarray(0, 12)]).toEqual([2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 2, 1]);
  });

  test('less than 32 bytes is refused', () => {
    expect(() => buildProbe(31, { stream: 0, seq: 0 })).toThrow('probe packet: 31 bytes: want 32 or more');
  });

  test('stamp leaves the payload alone', () => {
    const packet = buildProbe(60, { stream: 2, seq: 5 }, 'stamp');
    expect([...packet.subarray(32)]).toEqual(new Array(28).fill(0));
    expect([...packet.subarray(0, 32)]).toEqual([...reference(60, 2, 5n).subarray(0, 32)]);
  });
});

describe('verifying', () => {
  test('every single changed byte but the addresses is noticed', () => {
    for (let i = 12; i < 61; i++) {
      const packet = buildProbe(61, { stream: 9, seq: 77 });
      packet[i]! ^= 0x10;
      expect(verifyProbe(packet), `byte ${i}`).toMatchObject({ ok: false });
    }
  });

  test('a packet cut short is noticed', () => {
    expect(verifyProbe(buildProbe(64, { stream: 0, seq: 1 }).subarray(0, 60))).toEqual({
      ok: false,
      reason: 'check',
    });
    expect(verifyProbe(new Uint8Array(31))).toEqual({ ok: false, reason: 'short: 31 bytes' });
  });

  test('a stream above 255 is corrupt even with a right check', () => {
    expect(verifyProbe(reference(60, 256, 0n))).toEqual({ ok: false, reason: 'stream 256' });
  });

  test('the level says how deep to look', () => {
    const packet = buildProbe(60, { stream: 0, seq: 3 });
    packet[40]! ^= 1;
    expect(verifyProbe(packet, 'stamp')).toEqual({ ok: true, stream: 0, seq: 3 });
    expect(verifyProbe(packet, 'full')).toEqual({ ok: false, reason: 'payload near byte 40' });
  });

  test('works on a view that starts at an odd byte', () => {
    const memory = new Uint8Array(100);
    memory.set(buildProbe(60, { stream: 1, seq: 2 }), 3);
    expect(verifyProbe(memory.subarray(3, 63))).toEqual({ ok: true, stream: 1, seq: 2 });
  });
});

describe('ProbeTracker', () => {
  const feed = (tracker: ProbeTracker, stream: number, ...seqs: number[]) =>
    seqs.map((seq) => tracker.accept(buildProbe(60, { stream, seq })));

  test('in order is ok', () => {
    const tracker = new ProbeTracker();
    expect(feed(tracker, 0, 0, 1, 2)).toEqual(['ok', 'ok', 'ok']);
    expect(tracker).toMatchObject({ packets: 3, bytes: 180, lost: 0, late: 0, corrupt: 0 });
  });

  test('a gap counts what is missing, what comes after all is late, a duplicate too', () => {
    const tracker = new ProbeTracker();
    expect(feed(tracker, 4, 2, 0, 3, 3)).toEqual(['lost', 'late', 'ok', 'late']);
    expect(tracker).toMatchObject({ lost: 2, late: 2, corrupt: 0 });
    expect(tracker.expected(4)).toBe(4);
  });

  test('streams are counted on their own', () => {
    const tracker = new ProbeTracker();
    expect([...feed(tracker, 0, 0), ...feed(tracker, 255, 0), ...feed(tracker, 0, 1)]).toEqual([
      'ok',
      'ok',
      'ok',
    ]);
  });

  test('corrupt packets move nothing', () => {
    const tracker = new ProbeTracker();
    const bad = buildProbe(60, { stream: 0, seq: 0 });
    bad[59]! ^= 1;
    expect(tracker.accept(bad)).toBe('corrupt');
    expect(tracker.lastReason).toBe('payload near byte 59');
    expect(feed(tracker, 0, 0)).toEqual(['ok']);
  });

  test('level none only counts', () => {
    const tracker = new ProbeTracker('none');
    expect(tracker.accept(new Uint8Array(5))).toBe('ok');
    expect(tracker).toMatchObject({ packets: 1, bytes: 5, corrupt: 0 });
  });

  test('a restamped packet carries its new number', () => {
    const tracker = new ProbeTracker('stamp');
    const packet = buildProbe(60, { stream: 0, seq: 0 }, 'stamp');
    expect(tracker.accept(packet)).toBe('ok');
    stampProbe(packet, 0, 1);
    expect(tracker.accept(packet)).toBe('ok');
  });
});
