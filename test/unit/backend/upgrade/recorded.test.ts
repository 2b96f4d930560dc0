// How far a killed host's rings are: what its records say, in the places that it had told.
import { expect, test } from 'vitest';
import type { RingsConfig } from '../../../../backend/config/host-config.ts';
import { recorded } from '../../../../backend/upgrade/recorded.ts';
import type { TakenState } from '../../../../backend/upgrade/state.ts';
import { HandoverError } from '../../../../backend/upgrade/wire.ts';
import { Engine } from '../../../../native/engine.ts';
import type { PortPlaces } from '../../../../native/handover.ts';
import { Region } from '../../../../native/memory.ts';
import { createPipe, NullPort } from '../../../../native/ports.ts';
import { StatsArea } from '../../../../native/stats.ts';

type Ring = TakenState['ports'][number]['places']['rings'][number];

/** Rings that were elsewhere when they were told of; `blocks` are those of their counters. */
const places = (...blocks: number[]) => ({
  holder: 1,
  nifpOfs: 0,
  rings: blocks.map(
    (counters): Ring => ({
      offset: 64 * counters,
      counters,
      hwcur: 9,
      hwtail: 9,
      vnetHdrLen: 0,
      room: 2048,
      offsetMax: 0,
      offsetMask: 0n,
    }),
  ),
});
const indices = (of: { readonly rings: readonly Ring[] } | undefined) =>
  of?.rings.map(({ hwcur, hwtail }) => [hwcur, hwtail]);

/** The halves of each block's record. */
const records = (...halves: [number, number][]) => ({
  place: (block: number) => ({ cur: halves[block]![0], tail: halves[block]![1] }),
  sent: (block: number) => BigInt(100 + block),
});
const rings: RingsConfig = { txRings: 1, rxRings: 2, txSlots: 16, rxSlots: 32 };
const configOf = (name: string) => new Map([[name, rings]]);

test('a port goes on behind what it was dealing with', () => {
  const stats = records([14, 3], [5, 31], [0, 0]);
  const given = { name: 'null:a', places: places(0, 1, 2), sent: [1n, 2n] };
  const { ports, lost } = recorded([given], stats, configOf('null:a'));
  expect(indices(ports[0]!.places)).toEqual([
    [3, 2],
    [5, 31],
    [0, 0],
  ]);
  expect(ports[0]!.sent).toEqual([101n, 102n]);
  expect([...lost]).toEqual([['null:a', 5]]);
  expect(ports[0]!.places.rings[1]).toMatchObject({ offset: 64, counters: 1, room: 2048 });
});

test('a port that was dealing with nothing has lost nothing, and one without a source has sent nothing', () => {
  const { ports, lost } = recorded(
    [{ name: 'vale0:1', places: places(0, 1, 2) }],
    records([0, 0], [0, 0], [0, 0]),
    configOf('vale0:1'),
  );
  expect(indices(ports[0]!.places)![0]).toEqual([0, 15]);
  expect(ports[0]).not.toHaveProperty('sent');
  expect(lost.size).toBe(0);
});

test('the rings of a pipe are as far as those that show their slots', () => {
  // Of what the tx rings themselves have, nothing is read.
  const stats = records([99, 99], [3, 7], [20, 1], [99, 99], [99, 99], [0, 12]);
  const given = { name: 'p{1', places: places(0, 1, 2), otherPlaces: places(3, 4, 5) };
  const { ports, lost } = recorded([given], stats, configOf('p{1'));
  expect(indices(ports[0]!.places)).toEqual([
    [12, 15],
    [3, 7],
    [20, 1],
  ]);
  expect(indices(ports[0]!.otherPlaces)).toEqual([
    [7, 2],
    [1, 19],
    [0, 12],
  ]);
  expect(lost.size).toBe(0);
});

test('a record that is none costs a ring', () => {
  for (const halves of [
    [4_000_000_000, 0],
    [0, 16],
  ] as [number, number][]) {
    const stats = records(halves, [0, 0], [0, 0]);
    expect(recorded([{ name: 'n', places: places(0, 1, 2) }], stats, configOf('n')).lost.get('n')).toBe(15);
  }
});

test('a port that the configuration has not, or not so, is refused', () => {
  const stats = records([0, 0], [0, 0], [0, 0]);
  expect(() => recorded([{ name: 'n', places: places(0, 1, 2) }], stats, new Map())).toThrow(HandoverError);
  expect(() => recorded([{ name: 'n', places: places(0, 1) }], stats, configOf('n'))).toThrow(HandoverError);
  const half = { name: 'n', places: places(0, 1, 2), otherPlaces: places(0) };
  expect(() => recorded([half], stats, configOf('n'))).toThrow(HandoverError);
});

test('rings that are new are where their records say', () => {
  const region = new Region({
    id: 1,
    ifNum: 4,
    ifSize: 1024,
    ringNum: 16,
    ringSize: 20_480,
    bufNum: 1000,
    bufSize: 2048,
  });
  const stats = new StatsArea(16);
  const shape = { ...rings, extraBufs: 0 };
  const port = new NullPort(new Engine(), region, stats, { name: 'n', ...shape });
  const pair = createPipe(region, stats, { name: 'p{1', ...shape }, 'p}1');
  const told = ({ rings: all, ...rest }: PortPlaces) => ({
    ...rest,
    rings: all.map((ring) => ({ ...ring, vnetHdrLen: 0 as const })),
  });
  const given = [
    { name: 'n', places: told(port.places), sent: port.sent },
    { name: 'p{1', places: told(pair.places), otherPlaces: told(pair.slave.places) },
  ];
  const configs = new Map([...configOf('n'), ...configOf('p{1')]);
  expect(recorded(given, stats, configs)).toEqual({ ports: given, lost: new Map() });
  expect(() => stats.place(16)).toThrow(RangeError);
  expect(() => stats.sent(16)).toThrow(RangeError);
});
