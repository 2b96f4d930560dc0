// TxRing and RxRing against a CSB in plain memory: indices at the wrap and off by one, and who kicks whom when.
import { describe, expect, test } from 'vitest';
import { NS, SYNC_FLAG } from '../../../../guest-driver/model/layout.ts';
import { BUF_SIZE, makeRx, makeTx } from './fake-region.ts';

const packet = (size: number, fill = 7) => new Uint8Array(size).fill(fill);

describe('TxRing', () => {
  test('a fresh ring has one slot less than its size', () => {
    const { ring } = makeTx(8);
    expect(ring.available()).toBe(7);
    expect(ring.pending()).toBe(0);
  });

  test.each([0, 1, 6, 7])('fills up and refuses one more when it starts at %i', (start) => {
    const { ring } = makeTx(8, start);
    for (let i = 0; i < 7; i++) expect(ring.put(packet(60, i))).toBe(true);
    expect(ring.put(packet(60))).toBe(false);
    expect(ring.available()).toBe(0);
    expect(ring.head).toBe((start + 7) % 8);
  });

  test('what put() fills is not published before the next sync', async () => {
    const { ring, csb } = makeTx(8, 6);
    ring.put(packet(60));
    ring.put(packet(60));
    ring.put(packet(60));
    expect(csb.atok(0).head).toBe(6);
    await ring.txsync();
    expect(csb.atok(0)).toMatchObject({ head: 1, cur: 1 });
    expect(ring.shared).toMatchObject({ head: 1, cur: 1 });
    expect(ring.pending()).toBe(3);
  });

  test('a packet larger than a buffer is cut into slots that all but the last say MOREFRAG', () => {
    const { ring } = makeTx(8, 6);
    const bytes = Uint8Array.from({ length: 2 * BUF_SIZE + 2 }, (_, i) => i);
    expect(ring.put(bytes)).toBe(true);
    const slots = [6, 7, 0].map((i) => ring.shared.slot(i));
    expect(slots.map(({ len }) => len)).toEqual([44, 44, 42]);
    expect(slots.map(({ flags }) => flags)).toEqual([NS.MOREFRAG, NS.MOREFRAG, 0]);
    const joined = slots.flatMap(({ bufIdx, len }) => [...ring.shared.buffer(bufIdx).subarray(0, len)]);
    expect(joined).toEqual([...bytes]);
  });

  test('a packet for which there are too few slots takes none', () => {
    const { ring } = makeTx(8);
    ring.put(packet(60), { frags: 5 });
    expect(ring.put(packet(60), { frags: 3 })).toBe(false);
    expect(ring.available()).toBe(2);
    expect(ring.put(packet(60), { frags: 2 })).toBe(true);
  });

  test('refuses packets that no ring of its size could carry', () => {
    const { ring } = makeTx(8);
    expect(() => ring.put(packet(60), { frags: 8 })).toThrow(/8 slots for a packet: want 7 or less/);
    expect(() => ring.put(packet(2 * BUF_SIZE + 1), { frags: 2 })).toThrow(/each big enough/);
  });

  test('kicks when the host sleeps and there is something new, once', async () => {
    const { ring, csb, kicked } = makeTx(8);
    csb.ktoa(0).kernNeedKick = 1;
    ring.put(packet(60));
    expect(await ring.txsync()).toBe(true);
    expect(kicked).toEqual([0]);
    csb.ktoa(0).kernNeedKick = 0;
    ring.put(packet(60));
    expect(await ring.txsync()).toBe(false);
    expect(ring.kicks).toBe(1);
  });

  test('does not kick a sleeping host when there is nothing new', async () => {
    const { ring, csb } = makeTx(8);
    csb.ktoa(0).kernNeedKick = 1;
    expect(await ring.txsync()).toBe(false);
  });

  test('FORCE_RECLAIM kicks even when not asked to and says so in sync_flags', async () => {
    const { ring, csb } = makeTx(8);
    expect(await ring.txsync(SYNC_FLAG.FORCE_RECLAIM)).toBe(true);
    expect(csb.atok(0).syncFlags).toBe(SYNC_FLAG.FORCE_RECLAIM);
  });

  test('asks for an interrupt only when it is full', async () => {
    const { ring, csb } = makeTx(4);
    ring.put(packet(60), { frags: 2 });
    await ring.txsync();
    expect(csb.atok(0).applNeedKick).toBe(0);
    ring.put(packet(60));
    await ring.txsync();
    expect(csb.atok(0).applNeedKick).toBe(1);
    csb.ktoa(0).hwtail = 0;
    await ring.txsync();
    expect(csb.atok(0).applNeedKick).toBe(0);
    expect(ring.available()).toBe(1);
  });

  test('asks for an interrupt when some room is not enough', async () => {
    const { ring, csb } = makeTx(8);
    ring.put(packet(60), { frags: 6 });
    expect(ring.put(packet(60), { frags: 2 })).toBe(false);
    ring.wantRoom();
    await ring.txsync();
    expect(csb.atok(0)).toMatchObject({ head: 6, cur: 7, applNeedKick: 1 });
  });

  test('a poller never asks for an interrupt', async () => {
    const { ring, csb } = makeTx(4);
    ring.wantsInterrupts = false;
    ring.put(packet(60), { frags: 3 });
    await ring.txsync();
    expect(csb.atok(0).applNeedKick).toBe(0);
  });

  test('room that comes between the two looks is not slept over', () => {
    const { ring, csb } = makeTx(4);
    ring.put(packet(60), { frags: 3 });
    // The host frees a slot right after the guest has asked for an interrupt.
    const words = csb.guestToHost;
    const entry = ring.atok;
    Object.defineProperty(entry, 'applNeedKick', {
      set(value: number) {
        Atomics.store(words, 2, value);
        if (value === 1) csb.ktoa(0).hwtail = 0;
      },
    });
    ring.prepareSync();
    expect(csb.atok(0).applNeedKick).toBe(0);
    expect(ring.available()).toBe(1);
  });

  test('indices of the host that leave the ring are an error', async () => {
    const { ring, csb } = makeTx(8);
    csb.ktoa(0).hwtail = 8;
    await expect(ring.txsync()).rejects.toThrow('ring: hwtail 8 in the CSB: want less than 8');
    csb.ktoa(0).hwtail = 7;
    csb.ktoa(0).hwcur = 0xffffffff;
    await expect(ring.txsync()).rejects.toThrow('hwcur 4294967295');
  });

  test('setHead() publishes any value and leaves the ring as it is', () => {
    const { ring, csb } = makeTx(8);
    ring.setHead(0xffffffff, 3);
    expect(csb.atok(0)).toMatchObject({ head: 0xffffffff, cur: 3 });
    expect(ring.head).toBe(0);
  });

  test('advance() goes up to tail and no further', () => {
    const { ring } = makeTx(8, 5);
    ring.advance(7);
    expect(() => ring.advance()).toThrow('advance by 1: want 0 or less');
  });
});

describe('RxRing', () => {
  test('a fresh ring is empty', () => {
    const { ring } = makeRx(8);
    expect(ring.available()).toBe(0);
    expect(ring.take()).toBeUndefined();
  });

  test.each([0, 1, 6, 7])(
    'takes what the host delivered from %i on and gives the slots back',
    async (start) => {
      const { ring, csb } = makeRx(8, start);
      for (let i = 0; i < 7; i++) {
        const slot = ring.shared.slot((start + i) % 8);
        slot.len = i + 1;
        ring.shared.buffer(slot.bufIdx).fill(i);
      }
      csb.ktoa(0).hwtail = (start + 7) % 8;
      await ring.rxsync();
      for (let i = 0; i < 7; i++) expect(ring.take()).toEqual(packet(i + 1, i));
      expect(ring.take()).toBeUndefined();
      await ring.rxsync();
      expect(csb.atok(0)).toMatchObject({ head: (start + 7) % 8, cur: (start + 7) % 8, applNeedKick: 1 });
    },
  );

  test('joins fragments, and waits for the last one', async () => {
    const { ring, csb } = makeRx(8, 7);
    for (const [i, fill] of [1, 2, 3].entries()) {
      const slot = ring.shared.slot((7 + i) % 8);
      slot.len = 4;
      slot.flags = i < 2 ? NS.MOREFRAG : 0;
      ring.shared.buffer(slot.bufIdx).fill(fill);
    }
    csb.ktoa(0).hwtail = 1;
    await ring.rxsync();
    expect(ring.take()).toBeUndefined();
    csb.ktoa(0).hwtail = 2;
    await ring.rxsync();
    expect(ring.take()).toEqual(Uint8Array.of(1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
    expect(ring.head).toBe(2);
  });

  test('asks for an interrupt only when it is empty', async () => {
    const { ring, csb } = makeRx(8);
    await ring.rxsync();
    expect(csb.atok(0).applNeedKick).toBe(1);
    csb.ktoa(0).hwtail = 1;
    await ring.rxsync();
    expect(csb.atok(0).applNeedKick).toBe(0);
  });

  test('kicks a sleeping host when it gives slots back, or has nothing to read', async () => {
    const { ring, csb } = makeRx(8);
    csb.ktoa(0).kernNeedKick = 1;
    expect(await ring.rxsync()).toBe(true);
    csb.ktoa(0).hwtail = 2;
    expect(await ring.rxsync()).toBe(false);
    ring.advance();
    expect(await ring.rxsync()).toBe(true);
  });

  test('a slot longer than its buffer is an error', async () => {
    const { ring, csb } = makeRx(8);
    ring.shared.slot(0).len = BUF_SIZE + 1;
    csb.ktoa(0).hwtail = 1;
    await ring.rxsync();
    expect(() => ring.take()).toThrow('slot of 65 bytes: want 64 or less');
  });
});

test('a ring without interrupt cannot be waited for', async () => {
  await expect(makeRx(8).ring.waitForInterrupt(1)).rejects.toThrow('enable MSI-X first');
});
