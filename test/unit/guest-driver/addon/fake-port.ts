// A port whose host half is the test itself: region and CSB in memfds, doorbells over a socket pair, eventfds as interrupts.
import type { LoopOptions } from '../../../../guest-driver/addon/index.ts';
import {
  Channel,
  closeFd,
  eventfd,
  type Mapping,
  mapFd,
  memfdCreate,
  socketPair,
} from '../../../../native/os.ts';

const PAGE = 4096;
const RING_HEADER = 256;
const BUF_SIZE = 2048;

export interface Slot {
  bufIdx: number;
  len: number;
  flags: number;
}

interface RingPlace {
  offset: number;
  slots: number;
}

export class FakePort {
  readonly region: Mapping;
  readonly guestToHost: Mapping;
  readonly hostToGuest: Mapping;
  /** The guest's end of the doorbell socket. */
  readonly socket: number;
  /** Ours. */
  readonly channel: Channel;
  readonly interrupts: number[] = [];
  readonly rings: number;
  readonly #places: RingPlace[] = [];
  readonly #fds: number[] = [];
  readonly #bufs: number;

  /** `rings` TX and as many RX rings of `slots` slots; kicks wanted, as from a host that has not looked yet. */
  constructor({ rings = 1, slots = 16 } = {}) {
    this.rings = rings;
    this.#bufs = PAGE * (1 + 2 * rings);
    const size = this.#bufs + BUF_SIZE * (2 + 2 * rings * slots);
    this.region = this.#map('region', size);
    this.guestToHost = this.#map('atok', PAGE);
    this.hostToGuest = this.#map('ktoa', PAGE);
    const [socket, ours] = socketPair();
    this.socket = socket;
    this.channel = Channel.fromFd(ours);
    this.#build(slots);
    for (let i = 0; i < 2 * rings; i++) this.interrupts.push(eventfd());
  }

  #map(name: string, size: number): Mapping {
    const fd = memfdCreate(name, size);
    this.#fds.push(fd);
    return mapFd(fd, { length: size, writable: true });
  }

  #build(slots: number): void {
    const view = new DataView(this.region.buffer);
    view.setUint32(16, 15, true);
    view.setUint32(24, this.rings, true);
    view.setUint32(28, this.rings, true);
    view.setUint32(36, 1, true);
    view.setUint32(40, 1, true);
    for (let i = 0; i < 2 * this.rings; i++) {
      const offset = PAGE * (1 + i);
      // The host TX ring's entry lies between the NIC's TX and RX rings.
      const entry = i < this.rings ? i : i + 1;
      view.setBigInt64(56 + 8 * entry, BigInt(offset), true);
      view.setBigInt64(offset, BigInt(this.#bufs - offset), true);
      view.setUint32(offset + 8, slots, true);
      view.setUint32(offset + 12, BUF_SIZE, true);
      this.#places.push({ offset, slots });
      for (let s = 0; s < slots; s++) this.setSlot(i, s, { bufIdx: 2 + i * slots + s, len: 0, flags: 0 });
      this.setHost(i, { hwcur: 0, hwtail: i < this.rings ? slots - 1 : 0, kernNeedKick: 1 });
    }
  }

  #slotAt(ring: number, slot: number): DataView {
    const place = this.#places[ring]!;
    return new DataView(this.region.buffer, place.offset + RING_HEADER + 16 * slot, 16);
  }

  slot(ring: number, slot: number): Slot {
    const at = this.#slotAt(ring, slot);
    return { bufIdx: at.getUint32(0, true), len: at.getUint16(4, true), flags: at.getUint16(6, true) };
  }

  setSlot(ring: number, slot: number, { bufIdx, len, flags }: Slot): void {
    const at = this.#slotAt(ring, slot);
    at.setUint32(0, bufIdx, true);
    at.setUint16(4, len, true);
    at.setUint16(6, flags, true);
  }

  buffer(bufIdx: number): Uint8Array {
    return new Uint8Array(this.region.buffer, this.#bufs + BUF_SIZE * bufIdx, BUF_SIZE);
  }

  /** What the guest published for a ring, TX rings first. */
  guest(ring: number): { head: number; cur: number; applNeedKick: number } {
    const words = new Uint32Array(this.guestToHost.buffer, 64 * ring, 4);
    // Head before cur, as a host must.
    const head = Atomics.load(words, 0);
    return { head, cur: Atomics.load(words, 1), applNeedKick: Atomics.load(words, 2) };
  }

  setHost(ring: number, values: { hwcur?: number; hwtail?: number; kernNeedKick?: number }): void {
    const words = new Uint32Array(this.hostToGuest.buffer, 64 * ring, 3);
    if (values.hwcur !== undefined) Atomics.store(words, 0, values.hwcur);
    if (values.hwtail !== undefined) Atomics.store(words, 1, values.hwtail);
    if (values.kernNeedKick !== undefined) Atomics.store(words, 2, values.kernNeedKick);
  }

  /** Puts packets into an RX ring from slot 0 on and publishes them. */
  deliver(ring: number, packets: readonly Uint8Array[]): void {
    packets.forEach((packet, slot) => {
      const { bufIdx } = this.slot(this.rings + ring, slot);
      this.buffer(bufIdx).set(packet);
      this.setSlot(this.rings + ring, slot, { bufIdx, len: packet.length, flags: 0 });
    });
    this.setHost(this.rings + ring, { hwtail: packets.length });
  }

  options(op: LoopOptions['op'], more: Partial<LoopOptions> = {}): LoopOptions {
    return {
      op,
      region: { address: this.region.address, size: BigInt(this.region.length) },
      nifpOfs: 0,
      csb: { guestToHost: this.guestToHost.address, hostToGuest: this.hostToGuest.address },
      numTxRings: this.rings,
      numRxRings: this.rings,
      doorbell: { fd: this.socket, region: 0, base: 128, wait: false },
      ...more,
    };
  }

  /** Only when no loop runs any more. */
  close(): void {
    this.channel.close();
    closeFd(this.socket);
    for (const mapping of [this.region, this.guestToHost, this.hostToGuest]) mapping.unmap();
    for (const fd of [...this.#fds, ...this.interrupts]) closeFd(fd);
  }
}
