// The counters of every ring, and how far it is, read straight from the memory that the data path writes.
import { addon, type Handle } from './addon.ts';
import { handover } from './handover.ts';

/** In the order of the C++ enum Drop. */
export const DROP_CAUSES = [
  'full',
  'down',
  'no-destination',
  'bad-buf',
  'bad-len',
  'bad-flags',
  'bad-frags',
  'bad-vnet',
  'too-long',
  'rate',
  'storm',
  'filtered',
] as const;
export type DropCause = (typeof DROP_CAUSES)[number];

/** Offsets in bytes inside a block; a test compares them with the C++ side. */
export const COUNTER_LAYOUT = {
  packets: 0,
  bytes: 8,
  syncs: 16,
  interrupts: 24,
  bad_index: 32,
  place: 40,
  sent: 48,
  drops: 64,
  reraised: 160,
  lost: 168,
  late: 176,
  corrupt: 184,
  kicks: 192,
  irq_slow: 200,
  mem_slow: 208,
  '': 256,
} as const;

export interface RingCounters {
  packets: number;
  bytes: number;
  syncs: number;
  interrupts: number;
  kicks: number;
  /** head or cur outside what the guest owns. */
  badIndex: number;
  /** Interrupts raised once more, because the guest seems to have overlooked one. */
  reraised: number;
  /** 1 where raising one took so long that the device's are raised on a thread of their own from then on. */
  irqSlow: number;
  /** Of the first ring: times that the device's memory kept others waiting, and was not touched for a while. */
  memSlow: number;
  /** What a verifying sink found. */
  lost: number;
  late: number;
  corrupt: number;
  drops: Record<DropCause, number>;
}

/** What a process goes on with when the one that served the ring was killed. */
export interface RecordedPlace {
  /** hwcur. */
  readonly cur: number;
  /** Of an rx ring: hwtail. Of a tx ring: where the slots end that were being dealt with; one of a pipe has no record. */
  readonly tail: number;
}

export class StatsArea {
  readonly handle: Handle<'stats'>;
  readonly #words: BigUint64Array;
  readonly #view: DataView;

  /**
   * @param blocks rings that can be counted at the same time.
   * @param fd of the counters of another process, which go on here; it stays the caller's.
   */
  constructor(blocks: number, fd?: number) {
    this.handle = fd === undefined ? addon.statsCreate(blocks) : handover.statsAdopt(blocks, fd);
    const buffer = addon.statsBuffer(this.handle);
    this.#words = new BigUint64Array(buffer);
    this.#view = new DataView(buffer);
  }

  /** Of the memory; it stays the area's. */
  get fd(): number {
    return handover.statsFd(this.handle);
  }

  /** @throws RangeError when there is no such block, as sent() does. */
  place(block: number): RecordedPlace {
    const at = block * COUNTER_LAYOUT[''] + COUNTER_LAYOUT.place;
    return { cur: this.#view.getUint32(at, true), tail: this.#view.getUint32(at + 4, true) };
  }

  /** How many packets the source of a null port's rx ring has made. */
  sent(block: number): bigint {
    return this.#view.getBigUint64(block * COUNTER_LAYOUT[''] + COUNTER_LAYOUT.sent, true);
  }

  read(block: number): RingCounters {
    const base = (block * COUNTER_LAYOUT['']) / 8;
    const word = (offset: number) => Number(this.#words[base + offset / 8]);
    const drops = DROP_CAUSES.map((cause, i) => [cause, word(COUNTER_LAYOUT.drops + 8 * i)] as const);
    return {
      packets: word(COUNTER_LAYOUT.packets),
      bytes: word(COUNTER_LAYOUT.bytes),
      syncs: word(COUNTER_LAYOUT.syncs),
      interrupts: word(COUNTER_LAYOUT.interrupts),
      kicks: word(COUNTER_LAYOUT.kicks),
      badIndex: word(COUNTER_LAYOUT.bad_index),
      reraised: word(COUNTER_LAYOUT.reraised),
      irqSlow: word(COUNTER_LAYOUT.irq_slow),
      memSlow: word(COUNTER_LAYOUT.mem_slow),
      lost: word(COUNTER_LAYOUT.lost),
      late: word(COUNTER_LAYOUT.late),
      corrupt: word(COUNTER_LAYOUT.corrupt),
      drops: Object.fromEntries(drops) as Record<DropCause, number>,
    };
  }
}
