// The DMA table against a simpler model, page by page: maps, overlaps, partial unmaps, unmap all, and what resolves.
import { constants } from 'node:os';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProtocolError } from '../../../../backend/errors.ts';
import { DmaTable } from '../../../../backend/vfio-user/dma.ts';
import { closeFd, dup, memfdCreate } from '../../../../native/os.ts';
import { openFds } from '../../../harness/descriptors.ts';
import { fuzzing, hold } from '../../surface.ts';

const { EACCES, EEXIST, EFAULT, EINVAL, ENOENT, EOPNOTSUPP } = constants.errno;
const run = { seed: 20_263, numRuns: 1000 };
const PAGE = 0x1000n;
const PAGES = 16;
const UNMAP_ALL = 2;
/** Pages that a model has when its end is not the end of the address space: further than any step reaches. */
const ROOM = 24;
/** Where page 0 of the model lies: at 0, across 4G, and such that its last page is the last of the address space. */
const PLACES = [
  { base: 0n, pages: ROOM },
  { base: 0xffff_8000n, pages: ROOM },
  { base: (1n << 64n) - BigInt(PAGES) * PAGE, pages: PAGES },
] as const;

type Step =
  | {
      readonly kind: 'map';
      first: number;
      count: number;
      skew: bigint;
      flags: number;
      memory: boolean;
      offset: number;
    }
  | { readonly kind: 'unmap'; first: number; count: number; skew: bigint }
  | { readonly kind: 'unmap all'; first: number; count: number };

const range = { first: fc.nat(PAGES), count: fc.integer({ min: 0, max: 6 }) };
const skew = fc.constantFrom(0n, 0n, 0n, 0n, 0n, 0n, 0n, 0x800n, 1n);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('map' as const),
        ...range,
        skew,
        flags: fc.constantFrom(1, 2, 3, 3, 3, 0, 4),
        memory: fc.boolean(),
        offset: fc.nat(3),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('unmap' as const), ...range, skew }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('unmap all' as const),
        first: fc.constantFrom(0, 0, 0, 1),
        count: fc.constantFrom(0, 0, 0, 1),
      }),
    },
  ),
  { maxLength: 50, size: 'max' },
);

const map = (first: number, count: number): Step => {
  return { kind: 'map', first, count, skew: 0n, flags: 3, memory: true, offset: 0 };
};
const unmap = (first: number, count: number): Step => ({ kind: 'unmap', first, count, skew: 0n });

/** The seed corpus: neighbours, half of a map, two at once with a hole between them, nothing there, the last page. */
const examples: [Step[], (typeof PLACES)[number]][] = PLACES.map((at) => [
  [
    map(0, 2),
    map(2, 2),
    map(1, 2),
    unmap(0, 1),
    unmap(1, 2),
    map(6, 1),
    unmap(0, 7),
    unmap(0, 7),
    map(15, 1),
    map(15, 2),
  ],
  at,
]);

interface ModelMap {
  readonly first: number;
  readonly count: number;
  readonly flags: number;
  readonly memory: boolean;
  readonly offset: number;
}

/** Which map holds each page. */
class Model {
  readonly pages: (ModelMap | undefined)[];

  constructor(pages: number) {
    this.pages = new Array(pages).fill(undefined);
  }

  map(step: Extract<Step, { kind: 'map' }>, misplaced: boolean): number {
    const { first, count, flags } = step;
    if (misplaced || count === 0 || first + count > this.pages.length) return EINVAL;
    if (flags < 1 || flags > 3) return EINVAL;
    if (this.#within(step).length > 0) return EEXIST;
    this.pages.fill(step, first, first + count);
    return 0;
  }

  unmap(step: { first: number; count: number }, misplaced: boolean): number {
    const { first, count } = step;
    if (misplaced || count === 0 || first + count > this.pages.length) return EINVAL;
    const hit = this.#within(step);
    if (hit.some((map) => map.first < first || map.first + map.count > first + count)) return EINVAL;
    if (hit.length === 0) return ENOENT;
    this.pages.fill(undefined, first, first + count);
    return 0;
  }

  unmapAll({ first, count }: { first: number; count: number }): number {
    if (first !== 0 || count !== 0) return EINVAL;
    this.pages.fill(undefined);
    return 0;
  }

  get maps(): ModelMap[] {
    return [...new Set(this.pages)].filter((map) => map !== undefined);
  }

  #within({ first, count }: { first: number; count: number }): ModelMap[] {
    return [...new Set(this.pages.slice(first, first + count))].filter((map) => map !== undefined);
  }
}

function errnoOf(act: () => void): number {
  try {
    act();
    return 0;
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
    return (error as ProtocolError).errno;
  }
}

function perform(table: DmaTable, step: Step, base: bigint, memory: number, dropped: bigint[]): number {
  if (step.kind === 'unmap all') {
    const request = { flags: UNMAP_ALL, address: BigInt(step.first) * PAGE, size: BigInt(step.count) * PAGE };
    return errnoOf(() => table.unmap(request, (map) => dropped.push(map.address)));
  }
  const address = base + BigInt(step.first) * PAGE + step.skew;
  const size = BigInt(step.count) * PAGE;
  if (step.kind === 'unmap') {
    return errnoOf(() => table.unmap({ flags: 0, address, size }, (map) => dropped.push(map.address)));
  }
  const fd = step.memory ? dup(memory) : undefined;
  const request = { flags: step.flags, offset: BigInt(step.offset) * PAGE, address, size };
  const errno = errnoOf(() => table.map(request, fd));
  if (errno !== 0 && fd !== undefined) closeFd(fd);
  return errno;
}

/** Where a range has to be, read from the model. */
function expected(model: Model, first: number, count: number, access: 'r' | 'w' | 'rw') {
  const map = model.pages[first];
  if (map === undefined || first + count > map.first + map.count) return { errno: EFAULT };
  const needed = access === 'r' ? 1 : access === 'w' ? 2 : 3;
  if ((map.flags & needed) !== needed) return { errno: EACCES };
  if (!map.memory) return { errno: EOPNOTSUPP };
  return { fd: expect.any(Number), offset: BigInt(map.offset + first - map.first) * PAGE };
}

function compare(table: DmaTable, model: Model, base: bigint): void {
  const found = table.maps.map(({ address, size, flags, offset, fd }) => ({
    first: Number((address - base) / PAGE),
    count: Number(size / PAGE),
    flags,
    memory: fd >= 0,
    offset: fd < 0 ? undefined : Number(offset / PAGE),
  }));
  const wanted = model.maps.map(({ first, count, flags, memory, offset }) => ({
    first,
    count,
    flags,
    memory,
    offset: memory ? offset : undefined,
  }));
  expect(found).toEqual(wanted);
  for (const access of ['r', 'w', 'rw'] as const) {
    for (let first = 0; first < model.pages.length; first++) {
      for (const count of [1, 2, 5]) {
        const at = table.resolve(base + BigInt(first) * PAGE, count * Number(PAGE), access);
        const plain = 'errno' in at ? { errno: at.errno } : at;
        expect(plain).toEqual(expected(model, first, count, access));
      }
    }
  }
}

test('the table and the model agree on every errno, every map and every address', () => {
  const errnos = new Map<number, number>();
  const memory = memfdCreate('dma model', 16 * Number(PAGE));
  hold(
    'DMA table',
    fc.property(steps, fc.constantFrom(...PLACES), (sequence, { base, pages }) => {
      const before = openFds();
      const table = new DmaTable();
      const model = new Model(pages);
      for (const step of sequence) {
        const dropped: bigint[] = [];
        const had = model.maps;
        const misplaced = step.kind !== 'unmap all' && step.skew !== 0n;
        const wanted =
          step.kind === 'map'
            ? model.map(step, misplaced)
            : step.kind === 'unmap'
              ? model.unmap(step, misplaced)
              : model.unmapAll(step);
        expect(perform(table, step, base, memory, dropped)).toBe(wanted);
        const gone = had.filter((map) => !model.maps.includes(map));
        expect(dropped).toEqual(gone.map(({ first }) => base + BigInt(first) * PAGE));
        errnos.set(wanted, (errnos.get(wanted) ?? 0) + 1);
      }
      compare(table, model, base);
      table.clear();
      expect(table.maps).toEqual([]);
      expect(openFds()).toEqual(before);
    }),
    { ...run, examples },
  );
  closeFd(memory);
  if (fuzzing) return;
  for (const errno of [0, EINVAL, EEXIST, ENOENT]) expect(errnos.get(errno)).toBeGreaterThan(500);
});
