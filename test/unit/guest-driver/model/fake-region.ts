// A region in plain memory with one port's netmap_if and rings, and the host's side of its CSB, for tests of the guest side.
import { Csb } from '../../../../guest-driver/model/csb.ts';
import { NETMAP_IF, NETMAP_RING } from '../../../../guest-driver/model/layout.ts';
import { type RingParts, RxRing, TxRing } from '../../../../guest-driver/model/ring.ts';
import { type RegionMemory, SharedRing } from '../../../../guest-driver/model/shared-ring.ts';

export const BUF_SIZE = 64;
const RING_SIZE = 1024;

export interface FakeRegion extends RegionMemory {
  ringOffset(index: number): number;
}

/** Room for `rings` rings of up to 48 slots; every slot has a buffer of its own. */
export function makeRegion(rings: number, numSlots: number): FakeRegion {
  const ringPool = { offset: 1024, count: rings, size: RING_SIZE };
  const bufPool = { offset: 1024 + rings * RING_SIZE, count: 2 + rings * numSlots, size: BUF_SIZE };
  const memsize = bufPool.offset + bufPool.count * BUF_SIZE;
  const buffer = new ArrayBuffer(memsize);
  const ringOffset = (index: number) => ringPool.offset + index * RING_SIZE;
  const view = new DataView(buffer);
  for (let ring = 0; ring < rings; ring++) {
    const at = ringOffset(ring);
    view.setBigInt64(at + NETMAP_RING.BUF_OFS, BigInt(bufPool.offset - at), true);
    view.setUint32(at + NETMAP_RING.NUM_SLOTS, numSlots, true);
    view.setUint32(at + NETMAP_RING.BUF_SIZE, BUF_SIZE, true);
    for (let slot = 0; slot < numSlots; slot++) {
      view.setUint32(at + NETMAP_RING.SLOTS + 16 * slot, 2 + ring * numSlots + slot, true);
    }
  }
  return {
    name: 'fake',
    buffer,
    memsize,
    ifPool: { offset: 0, count: 1, size: 1024 },
    ringPool,
    bufPool,
    ringOffset,
  };
}

/** Writes a netmap_if at offset 0 with `tx` and `rx` NIC rings, one host ring each that is not there. */
export function writeNetmapIf(region: FakeRegion, tx: number, rx: number): void {
  const view = new DataView(region.buffer);
  new Uint8Array(region.buffer).set(new TextEncoder().encode('fake0'), NETMAP_IF.NAME);
  view.setUint32(NETMAP_IF.VERSION, 15, true);
  view.setUint32(NETMAP_IF.TX_RINGS, tx, true);
  view.setUint32(NETMAP_IF.RX_RINGS, rx, true);
  view.setUint32(NETMAP_IF.HOST_TX_RINGS, 1, true);
  view.setUint32(NETMAP_IF.HOST_RX_RINGS, 1, true);
  const offsets: number[] = [];
  for (let i = 0; i < tx; i++) offsets.push(region.ringOffset(i));
  offsets.push(0);
  for (let i = 0; i < rx; i++) offsets.push(region.ringOffset(tx + i));
  offsets.push(0);
  for (const [i, offset] of offsets.entries()) {
    view.setBigInt64(NETMAP_IF.RING_OFS + 8 * i, BigInt(offset), true);
  }
}

interface Bench<R> {
  ring: R;
  csb: Csb;
  region: FakeRegion;
  kicked: number[];
}

function parts(numSlots: number): { parts: RingParts; csb: Csb; region: FakeRegion; kicked: number[] } {
  const region = makeRegion(1, numSlots);
  const csb = Csb.allocate();
  const kicked: number[] = [];
  const kick = async (index: number) => {
    kicked.push(index);
  };
  const shared = new SharedRing(region, region.ringOffset(0));
  return { parts: { name: 'ring', shared, csb, index: 0, kick }, csb, region, kicked };
}

/** A TX ring as after CREATE on a fresh port; `start` turns it, so that tests meet the wrap. */
export function makeTx(numSlots: number, start = 0): Bench<TxRing> {
  const { parts: made, ...rest } = parts(numSlots);
  setState(rest.csb, start, (start + numSlots - 1) % numSlots);
  const ring = new TxRing(made);
  ring.loadFromCsb();
  return { ring, ...rest };
}

/** An RX ring as after CREATE on a fresh port. */
export function makeRx(numSlots: number, start = 0): Bench<RxRing> {
  const { parts: made, ...rest } = parts(numSlots);
  setState(rest.csb, start, start);
  const ring = new RxRing(made);
  ring.loadFromCsb();
  return { ring, ...rest };
}

function setState(csb: Csb, head: number, hwtail: number): void {
  const atok = csb.atok(0);
  const ktoa = csb.ktoa(0);
  atok.head = head;
  atok.cur = head;
  ktoa.hwcur = head;
  ktoa.hwtail = hwtail;
}
