// The CSB as the guest sees it: two arrays of 64-byte entries in guest memory, every access atomic.
import { ATOK, CSB, KTOA } from './layout.ts';

const WORDS = CSB.ENTRY_SIZE / 4;

/** Guest-to-host entry of one ring (`atok`): the guest stores, the host loads. */
export class AtokEntry {
  readonly #words: Uint32Array;
  readonly #at: number;

  constructor(words: Uint32Array, ring: number) {
    this.#words = words;
    this.#at = ring * WORDS;
  }

  get head(): number {
    return Atomics.load(this.#words, this.#at + ATOK.HEAD / 4);
  }
  set head(value: number) {
    Atomics.store(this.#words, this.#at + ATOK.HEAD / 4, value);
  }
  get cur(): number {
    return Atomics.load(this.#words, this.#at + ATOK.CUR / 4);
  }
  set cur(value: number) {
    Atomics.store(this.#words, this.#at + ATOK.CUR / 4, value);
  }
  get applNeedKick(): number {
    return Atomics.load(this.#words, this.#at + ATOK.APPL_NEED_KICK / 4);
  }
  set applNeedKick(value: number) {
    Atomics.store(this.#words, this.#at + ATOK.APPL_NEED_KICK / 4, value);
  }
  get syncFlags(): number {
    return Atomics.load(this.#words, this.#at + ATOK.SYNC_FLAGS / 4);
  }
  set syncFlags(value: number) {
    Atomics.store(this.#words, this.#at + ATOK.SYNC_FLAGS / 4, value);
  }
}

/** Host-to-guest entry of one ring (`ktoa`): the host stores, the guest loads. Setters are for tests that play the host. */
export class KtoaEntry {
  readonly #words: Uint32Array;
  readonly #at: number;

  constructor(words: Uint32Array, ring: number) {
    this.#words = words;
    this.#at = ring * WORDS;
  }

  get hwcur(): number {
    return Atomics.load(this.#words, this.#at + KTOA.HWCUR / 4);
  }
  set hwcur(value: number) {
    Atomics.store(this.#words, this.#at + KTOA.HWCUR / 4, value);
  }
  get hwtail(): number {
    return Atomics.load(this.#words, this.#at + KTOA.HWTAIL / 4);
  }
  set hwtail(value: number) {
    Atomics.store(this.#words, this.#at + KTOA.HWTAIL / 4, value);
  }
  get kernNeedKick(): number {
    return Atomics.load(this.#words, this.#at + KTOA.KERN_NEED_KICK / 4);
  }
  set kernNeedKick(value: number) {
    Atomics.store(this.#words, this.#at + KTOA.KERN_NEED_KICK / 4, value);
  }
}

/** Both arrays. */
export class Csb {
  /** Raw words, for tests that write what no driver would. */
  readonly guestToHost: Uint32Array;
  readonly hostToGuest: Uint32Array;

  constructor(guestToHost: Uint32Array, hostToGuest: Uint32Array) {
    this.guestToHost = guestToHost;
    this.hostToGuest = hostToGuest;
  }

  /** A CSB on plain memory, one page per direction as a guest lays it out. */
  static allocate(): Csb {
    return new Csb(new Uint32Array(CSB.PAGE_SIZE / 4), new Uint32Array(CSB.PAGE_SIZE / 4));
  }

  atok(ring: number): AtokEntry {
    return new AtokEntry(this.guestToHost, ring);
  }

  ktoa(ring: number): KtoaEntry {
    return new KtoaEntry(this.hostToGuest, ring);
  }

  /** Zeroes both arrays. */
  clear(): void {
    this.guestToHost.fill(0);
    this.hostToGuest.fill(0);
  }
}
