// Random work on both ring directions against an oracle that keeps two plain queues: nothing lost, nothing twice, no lost wake-up.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Csb } from '../../../../guest-driver/model/csb.ts';
import type { Ring } from '../../../../guest-driver/model/ring.ts';
import { makeRx, makeTx } from './fake-region.ts';

const SEED = 20_251;
const RUNS = 300;

/** The host's half on one TX ring: takes packets in order, hands slots back, sleeps and wakes by the rules. */
class FakeHost {
  readonly taken: number[] = [];
  readonly ring: Ring;
  readonly #csb: Csb;
  #hwcur: number;
  #hwtail: number;
  asleep = false;

  constructor(ring: Ring, csb: Csb) {
    this.ring = ring;
    this.#csb = csb;
    this.#hwcur = csb.ktoa(0).hwcur;
    this.#hwtail = csb.ktoa(0).hwtail;
  }

  takeTx(limit: number): void {
    const { head } = this.#csb.atok(0);
    for (let i = 0; i < limit && this.#hwcur !== head; i++) {
      this.taken.push(this.ring.shared.buffer(this.ring.shared.slot(this.#hwcur).bufIdx)[0]!);
      this.#hwcur = this.ring.next(this.#hwcur);
    }
    this.#csb.ktoa(0).hwcur = this.#hwcur;
  }

  /** Returns what it has taken, all but `keep` slots. */
  reclaimTx(keep: number): void {
    const limit = this.ring.next(this.#hwcur, this.ring.numSlots - 1);
    while (this.ring.distance(this.#hwtail, limit) > keep) this.#hwtail = this.ring.next(this.#hwtail);
    this.#csb.ktoa(0).hwtail = this.#hwtail;
  }

  /** Puts a packet into the RX ring; false when it is full. */
  deliver(value: number): boolean {
    const { head } = this.#csb.atok(0);
    if (this.ring.next(this.#hwtail) === this.ring.next(head, this.ring.numSlots)) return false;
    const slot = this.ring.shared.slot(this.#hwtail);
    slot.len = 1;
    slot.flags = 0;
    this.ring.shared.buffer(slot.bufIdx)[0] = value;
    this.#hwtail = this.ring.next(this.#hwtail);
    this.#csb.ktoa(0).hwcur = head;
    this.#csb.ktoa(0).hwtail = this.#hwtail;
    return true;
  }

  /** Goes to sleep as the rules say: asks for a kick, looks once more. */
  sleep(): void {
    this.#csb.ktoa(0).kernNeedKick = 1;
    this.asleep = this.#csb.atok(0).head === this.#hwcur;
    if (!this.asleep) this.wake();
  }

  wake(): void {
    this.#csb.ktoa(0).kernNeedKick = 0;
    this.asleep = false;
  }
}

const step = fc.oneof(
  fc.record({ op: fc.constant('put' as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ op: fc.constant('take' as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ op: fc.constant('sync' as const), count: fc.constant(0) }),
  fc.record({ op: fc.constant('reclaim' as const), count: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ op: fc.constant('sleep' as const), count: fc.constant(0) }),
);
const script = fc.record({
  slots: fc.integer({ min: 2, max: 9 }),
  turn: fc.nat(8),
  steps: fc.array(step, { maxLength: 60 }),
});

test('TX: every packet put is taken once and in order, and a sleeping host is woken for it', () => {
  fc.assert(
    fc.property(script, ({ slots, turn, steps }) => {
      const { ring, csb } = makeTx(slots, turn % slots);
      const host = new FakeHost(ring, csb);
      const sent: number[] = [];
      let unpublished = 0;
      const sync = () => {
        const kick = ring.prepareSync();
        if (kick) host.wake();
        if (unpublished > 0) expect(host.asleep).toBe(false);
        unpublished = 0;
      };
      for (const { op, count } of steps) {
        if (op === 'put') {
          for (let i = 0; i < count; i++) {
            const room = ring.available() > 0;
            expect(ring.put(Uint8Array.of(sent.length & 0xff))).toBe(room);
            if (!room) continue;
            sent.push(sent.length & 0xff);
            unpublished += 1;
          }
        } else if (op === 'take' && !host.asleep) host.takeTx(count);
        else if (op === 'reclaim' && !host.asleep) host.reclaimTx(count);
        else if (op === 'sync') sync();
        else if (op === 'sleep') host.sleep();
        expect(ring.available()).toBeLessThan(slots);
      }
      sync();
      host.wake();
      host.takeTx(slots);
      host.reclaimTx(0);
      sync();
      expect(host.taken).toEqual(sent);
      expect(ring.available()).toBe(slots - 1);
      expect(ring.pending()).toBe(0);
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

test('RX: every packet delivered is taken once and in order, and an idle guest has asked for an interrupt', () => {
  fc.assert(
    fc.property(script, ({ slots, turn, steps }) => {
      const { ring, csb } = makeRx(slots, turn % slots);
      const host = new FakeHost(ring, csb);
      const delivered: number[] = [];
      const got: number[] = [];
      const drain = (limit: number) => {
        for (let i = 0; i < limit; i++) {
          const packet = ring.take();
          if (packet) got.push(packet[0]!);
        }
      };
      for (const { op, count } of steps) {
        if (op === 'put') {
          for (let i = 0; i < count; i++) {
            const value = delivered.length & 0xff;
            if (host.deliver(value)) delivered.push(value);
          }
        } else if (op === 'take') drain(count);
        else if (op === 'sync') {
          ring.prepareSync();
          expect(csb.atok(0).applNeedKick).toBe(ring.available() === 0 ? 1 : 0);
        }
      }
      ring.prepareSync();
      drain(slots);
      ring.prepareSync();
      drain(slots);
      expect(got).toEqual(delivered);
      expect(ring.available()).toBe(0);
      // Empty as the ring is, it holds one packet less than it has slots.
      ring.prepareSync();
      let room = 0;
      while (host.deliver(0)) room += 1;
      expect(room).toBe(slots - 1);
    }),
    { seed: SEED, numRuns: RUNS },
  );
});
