// TxRing and RxRing: a ring as its guest driver works it, with txsync/rxsync and the guest half of kick suppression.
import { concatBytes } from './bytes.ts';
import type { AtokEntry, Csb, KtoaEntry } from './csb.ts';
import { GuestError } from './errors.ts';
import type { Interrupt } from './interrupt.ts';
import { MAX_FRAGMENTS, NS, SYNC_FLAG } from './layout.ts';
import type { SharedRing, Slot } from './shared-ring.ts';

export interface RingParts {
  /** Used in messages. */
  name: string;
  shared: SharedRing;
  csb: Csb;
  /** Number of the ring in the CSB and the doorbell window: TX rings first. */
  index: number;
  /** Rings the doorbell. */
  kick: (index: number) => Promise<void>;
  interrupt?: Interrupt | undefined;
}

/** What both directions share: indices, publishing and reading the CSB, going to sleep. */
export abstract class Ring {
  readonly name: string;
  readonly index: number;
  readonly shared: SharedRing;
  readonly atok: AtokEntry;
  readonly ktoa: KtoaEntry;
  readonly interrupt: Interrupt | undefined;
  readonly numSlots: number;
  /** First slot that is ours; changed by advance(), seen by the host after the next sync. */
  head = 0;
  /** Wake-up point, in [head, tail]. */
  cur = 0;
  /** First slot that is not ours, as of the last sync. */
  tail = 0;
  /** Slots before this one have been taken by the host. */
  hwcur = 0;
  /** Whether a sync that finds nothing to do asks for an interrupt; a poller clears it. */
  wantsInterrupts = true;
  kicks = 0;
  syncs = 0;
  readonly #kick: (index: number) => Promise<void>;

  constructor(parts: RingParts) {
    this.name = parts.name;
    this.index = parts.index;
    this.shared = parts.shared;
    this.atok = parts.csb.atok(parts.index);
    this.ktoa = parts.csb.ktoa(parts.index);
    this.interrupt = parts.interrupt;
    this.numSlots = parts.shared.numSlots;
    this.#kick = parts.kick;
  }

  /** Slots from head that are ours. */
  available(): number {
    return this.distance(this.head, this.tail);
  }

  /** Slots given to the host that it has not taken yet, as of the last sync. */
  pending(): number {
    return this.distance(this.hwcur, this.head);
  }

  distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + this.numSlots;
  }

  next(index: number, by = 1): number {
    return (index + by) % this.numSlots;
  }

  /** The slot `ahead` places after head. */
  slot(ahead = 0): Slot {
    return this.shared.slot(this.next(this.head, ahead));
  }

  /** The buffer of that slot. */
  buffer(ahead = 0): Uint8Array {
    return this.shared.buffer(this.slot(ahead).bufIdx);
  }

  /** Gives `count` slots to the host; they are published by the next sync. */
  advance(count = 1): void {
    if (count > this.available()) {
      throw new RangeError(`${this.name}: advance by ${count}: want ${this.available()} or less`);
    }
    this.head = this.next(this.head, count);
    this.cur = this.head;
  }

  /** Takes over the state that the host left in the CSB: right after CREATE, or after it reinitialised the ring. */
  loadFromCsb(): void {
    this.head = this.#index(this.atok.head, 'head');
    this.cur = this.#index(this.atok.cur, 'cur');
    this.readHost();
  }

  /** Publishes any head and cur as they are: for bad-input tests. Nothing of the ring's own state changes. */
  setHead(head: number, cur = head): void {
    this.atok.cur = cur;
    // Same order as publish(): cur before head.
    this.atok.head = head;
  }

  /** Rings the doorbell, asked for or not. */
  async kick(): Promise<void> {
    this.kicks += 1;
    await this.#kick(this.index);
  }

  /** Waits for the ring's interrupt; resolves to how many were raised since the last wait, 0 after `timeoutMs`. */
  async waitForInterrupt(timeoutMs: number): Promise<number> {
    if (!this.interrupt) throw new GuestError(`${this.name}: has no interrupt: enable MSI-X first`);
    return await this.interrupt.wait(timeoutMs);
  }

  /** Nothing to do for the application until the host moves hwtail. */
  protected wouldBlock(): boolean {
    return this.cur === this.tail;
  }

  /** Tells the host how far we are. */
  protected publish(): void {
    this.shared.head = this.head;
    this.shared.cur = this.cur;
    this.atok.cur = this.cur;
    // Slots, payload and cur before head: pairs with the host's load of head, then cur, then the slots.
    this.atok.head = this.head;
  }

  /** Learns how far the host is. */
  protected readHost(): void {
    const hwtail = this.ktoa.hwtail;
    // hwtail before hwcur and before the slots: pairs with the host's stores of slots and hwcur, then hwtail.
    this.hwcur = this.#index(this.ktoa.hwcur, 'hwcur');
    this.tail = this.#index(hwtail, 'hwtail');
    this.shared.tail = this.tail;
  }

  /** Asks for an interrupt if there is nothing to do, unless something came in between. */
  protected prepareToSleep(): void {
    if (!this.wantsInterrupts || !this.wouldBlock()) return;
    // Our store of appl_need_kick before our second load of hwtail (both seq_cst, so the load cannot go first):
    // pairs with the host, which stores hwtail and then loads appl_need_kick.
    this.atok.applNeedKick = 1;
    this.readHost();
    if (!this.wouldBlock()) this.atok.applNeedKick = 0;
  }

  /** Whether the host sleeps and must be woken for what we published. */
  protected hostWantsKick(flags: number): boolean {
    // Our store of head (publish) before this load of kern_need_kick (both seq_cst): pairs with the host, which
    // stores kern_need_kick and then loads head once more before it sleeps.
    const asked = this.ktoa.kernNeedKick !== 0;
    const news = this.head !== this.hwcur || this.wouldBlock();
    return (asked && news) || (flags & SYNC_FLAG.FORCE_RECLAIM) !== 0;
  }

  /** The guest half without the doorbell: true when the caller has to ring it. */
  abstract prepareSync(flags?: number): boolean;

  protected async syncAndKick(flags: number): Promise<boolean> {
    const kick = this.prepareSync(flags);
    if (kick) await this.kick();
    return kick;
  }

  #index(value: number, what: string): number {
    if (value < this.numSlots) return value;
    throw new GuestError(`${this.name}: ${what} ${value} in the CSB: want less than ${this.numSlots}`);
  }
}

export interface PutOptions {
  /** Cut the packet into this many slots; default: as few as it takes. */
  frags?: number;
  /** Flags of every slot, besides MOREFRAG. */
  flags?: number;
}

export class TxRing extends Ring {
  /** Copies a packet into the next slots; false when there is no room. Published by the next txsync. */
  put(packet: Uint8Array, options: PutOptions = {}): boolean {
    const frags = options.frags ?? Math.max(1, Math.ceil(packet.length / this.shared.bufSize));
    const per = Math.ceil(packet.length / frags);
    if (frags > MAX_FRAGMENTS || per > this.shared.bufSize) {
      throw new RangeError(
        `${this.name}: ${packet.length} bytes in ${frags} slots of ${this.shared.bufSize}: want at most ${MAX_FRAGMENTS} slots, each big enough`,
      );
    }
    if (frags > this.numSlots - 1) {
      throw new RangeError(`${this.name}: ${frags} slots for a packet: want ${this.numSlots - 1} or less`);
    }
    if (frags > this.available()) return false;
    for (let i = 0; i < frags; i++) {
      const part = packet.subarray(i * per, (i + 1) * per);
      const slot = this.slot(i);
      this.shared.buffer(slot.bufIdx).set(part);
      slot.len = part.length;
      slot.flags = (options.flags ?? 0) | (i < frags - 1 ? NS.MOREFRAG : 0);
    }
    this.advance(frags);
    return true;
  }

  /** Moves the wake-up point to tail, so that the next txsync asks to be told of any new room. */
  wantRoom(): void {
    this.cur = this.tail;
  }

  override prepareSync(flags = 0): boolean {
    this.syncs += 1;
    this.atok.applNeedKick = 0;
    this.atok.syncFlags = flags;
    this.hwcur = this.ktoa.hwcur;
    this.publish();
    const kick = this.hostWantsKick(flags);
    this.readHost();
    this.prepareToSleep();
    return kick;
  }

  /** Publishes what put() filled, takes back sent slots, kicks when asked to. Resolves to whether it kicked. */
  async txsync(flags = 0): Promise<boolean> {
    return await this.syncAndKick(flags);
  }
}

export class RxRing extends Ring {
  /** Copies the next whole packet out and gives its slots back; undefined when there is none. */
  take(): Uint8Array | undefined {
    const available = this.available();
    const parts: Uint8Array[] = [];
    for (let i = 0; i < available; i++) {
      const slot = this.slot(i);
      if (slot.len > this.shared.bufSize) {
        throw new GuestError(`${this.name}: slot of ${slot.len} bytes: want ${this.shared.bufSize} or less`);
      }
      parts.push(this.shared.buffer(slot.bufIdx).slice(0, slot.len));
      if ((slot.flags & NS.MOREFRAG) === 0) {
        this.advance(i + 1);
        return i === 0 ? parts[0] : concatBytes(parts);
      }
    }
    return undefined;
  }

  override prepareSync(flags = 0): boolean {
    this.syncs += 1;
    this.atok.applNeedKick = 0;
    this.atok.syncFlags = flags;
    this.publish();
    this.readHost();
    this.prepareToSleep();
    return this.hostWantsKick(flags);
  }

  /** Gives released slots back, learns of new packets, kicks when asked to. Resolves to whether it kicked. */
  async rxsync(flags = 0): Promise<boolean> {
    return await this.syncAndKick(flags);
  }
}
