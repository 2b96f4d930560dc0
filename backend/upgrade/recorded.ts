// How far rings are that a process has served which has died: from the records beside their counters, not from what was written of the host.
import { readSync } from 'node:fs';
import { COUNTER_LAYOUT } from '../../native/stats.ts';
import type { TakenState } from './state.ts';

type Port = TakenState['ports'][number];
type Places = Port['places'];

interface RingRecord {
  readonly first: number;
  readonly second: number;
  readonly sent: bigint;
}

export interface Recorded {
  readonly ports: TakenState['ports'];
  /** By port, slots that were being dealt with: their packets may not have arrived everywhere. Ports without any are left out. */
  readonly lost: ReadonlyMap<string, number>;
}

/** @param stats the memory of the counters. */
export function recorded(ports: TakenState['ports'], stats: number): Recorded {
  const lost = new Map<string, number>();
  return {
    ports: ports.map((port) => {
      const { places, otherPlaces, sent } = port;
      if (otherPlaces)
        return { ...port, places: piped(places, otherPlaces, stats), otherPlaces: piped(otherPlaces, places, stats) };
      const { rings, dealtWith } = alone(places, stats);
      if (dealtWith > 0) lost.set(port.name, dealtWith);
      const made = () =>
        rings.slice(places.txRings).map(({ counters }) => recordOf(counters, stats).sent);
      return { ...port, places: { ...places, rings }, ...(sent && { sent: made() }) };
    }),
    lost,
  };
}

function recordOf(block: number, stats: number): RingRecord {
  const bytes = Buffer.alloc(COUNTER_LAYOUT['']);
  const read = readSync(stats, bytes, 0, bytes.length, block * bytes.length);
  if (read !== bytes.length) throw new Error(`block ${block} of the counters: there is none`);
  const { place, sent } = COUNTER_LAYOUT;
  return {
    first: bytes.readUInt32LE(place),
    second: bytes.readUInt32LE(place + 4),
    sent: bytes.readBigUInt64LE(sent),
  };
}

const before = (index: number, slots: number): number => (index === 0 ? slots : index) - 1;

/** One end of a pipe: what its tx rings are is the record of the rx rings that they are joined to. */
function piped(places: Places, other: Places, stats: number): Places {
  const { txRings, txSlots } = places;
  const rings = places.rings.map((ring, i) => {
    const joined = i < txRings ? other.rings[other.txRings + i] : ring;
    if (joined === undefined) throw new Error(`ring ${i}: its pipe has none at the other end`);
    const { first, second } = recordOf(joined.counters, stats);
    return i < txRings
      ? { ...ring, hwcur: second, hwtail: before(first, txSlots) }
      : { ...ring, hwcur: first, hwtail: second };
  });
  return { ...places, rings };
}

function alone({ rings, txRings, txSlots }: Places, stats: number) {
  let dealtWith = 0;
  const now = rings.map((ring, i) => {
    const { first, second } = recordOf(ring.counters, stats);
    if (i >= txRings) return { ...ring, hwcur: first, hwtail: second };
    dealtWith += second >= first ? second - first : second + txSlots - first;
    return { ...ring, hwcur: second, hwtail: before(second, txSlots) };
  });
  return { rings: now, dealtWith };
}
