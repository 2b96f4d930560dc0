// How far the rings of a host are that was killed: what it has said of them before, with the positions that it recorded at every turn.
import type { StatsArea } from '../../native/stats.ts';
import type { RingsConfig } from '../config/host-config.ts';
import type { TakenState } from './state.ts';
import { HandoverError } from './wire.ts';

type Ports = TakenState['ports'];
type Places = Ports[number]['places'];
type Ring = Places['rings'][number];

export interface Recorded {
  readonly ports: Ports;
  /** By port, at most: packets that it was dealing with. Nobody gets them a second time. */
  readonly lost: ReadonlyMap<string, number>;
}

/**
 * @param stats the counters of that host.
 * @param rings those of each port, by its name, as the configuration has them.
 * @throws HandoverError for a port that the configuration does not have so.
 */
export function recorded(
  ports: Ports,
  stats: Pick<StatsArea, 'place' | 'sent'>,
  rings: ReadonlyMap<string, RingsConfig>,
): Recorded {
  const lost = new Map<string, number>();
  const all = ports.map((port) => {
    const config = rings.get(port.name);
    if (config === undefined) throw new HandoverError(`${port.name}: its configuration has no such port`);
    const { places, otherPlaces } = port;
    check(port.name, config, places, otherPlaces);
    if (otherPlaces) return { ...port, ...pipe(config, places, otherPlaces, stats) };
    const { txRings, txSlots } = config;
    const slots = sum(places.rings.slice(0, txRings).map((ring) => dealtWith(stats, ring, txSlots)));
    if (slots > 0) lost.set(port.name, slots);
    const sent = places.rings.slice(txRings).map(({ counters }) => stats.sent(counters));
    return { ...port, places: alone(config, places, stats), ...(port.sent && { sent }) };
  });
  return { ports: all, lost };
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const before = (index: number, slots: number): number => (index === 0 ? slots : index) - 1;

function check(name: string, { txRings, rxRings }: RingsConfig, ...ends: (Places | undefined)[]): void {
  for (const end of ends)
    if (end && end.rings.length !== txRings + rxRings) throw new HandoverError(`${name}: it has other rings`);
}

/** Slots of a tx ring that were taken and not given back; an index that is none is another's to refuse. */
function dealtWith(stats: Pick<StatsArea, 'place'>, { counters }: Ring, slots: number): number {
  const { cur, tail } = stats.place(counters);
  return cur < slots && tail < slots ? (tail + slots - cur) % slots : slots - 1;
}

/** @param tx of the i-th tx ring. */
const placed = (
  places: Places,
  txRings: number,
  stats: Pick<StatsArea, 'place'>,
  tx: (ring: Ring, i: number) => Pick<Ring, 'hwcur' | 'hwtail'>,
): Places => ({
  ...places,
  rings: places.rings.map((ring, i) => {
    if (i < txRings) return { ...ring, ...tx(ring, i) };
    const { cur, tail } = stats.place(ring.counters);
    return { ...ring, hwcur: cur, hwtail: tail };
  }),
});

function alone({ txRings, txSlots }: RingsConfig, places: Places, stats: Pick<StatsArea, 'place'>): Places {
  return placed(places, txRings, stats, ({ counters }) => {
    const { tail } = stats.place(counters);
    return { hwcur: tail, hwtail: before(tail, txSlots) };
  });
}

/** A tx ring is as far as the rx ring of the other end that shows its slots. */
function pipe(config: RingsConfig, places: Places, otherPlaces: Places, stats: Pick<StatsArea, 'place'>) {
  const { txRings, rxRings, txSlots, rxSlots } = config;
  const joinedTo = (theirs: Places, theirTx: number, slots: number) => (_: Ring, i: number) => {
    const { cur, tail } = stats.place(theirs.rings[theirTx + i]!.counters);
    return { hwcur: tail, hwtail: before(cur, slots) };
  };
  return {
    places: placed(places, txRings, stats, joinedTo(otherPlaces, rxRings, txSlots)),
    otherPlaces: placed(otherPlaces, rxRings, stats, joinedTo(places, txRings, rxSlots)),
  };
}
