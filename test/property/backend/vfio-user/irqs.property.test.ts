// SET_IRQS against a simpler model: which eventfd each interrupt has, what is masked, what waits, and who was signalled.
import { constants } from 'node:os';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ProtocolError } from '../../../../backend/errors.ts';
import { Interrupts } from '../../../../backend/vfio-user/irqs.ts';
import { Message } from '../../../../backend/vfio-user/message.ts';
import { HEADER_SIZE } from '../../../../backend/vfio-user/protocol.ts';
import { closeFd, dup, eventfd, eventfdDrain } from '../../../../native/os.ts';
import { openFds } from '../../../harness/descriptors.ts';
import { fuzzing, hold } from '../../surface.ts';
import { Palette } from './descriptors.ts';

const { EBADF, EINVAL } = constants.errno;
const run = { seed: 20_266, numRuns: 500 };
const VECTORS = 4;
const COUNTS = [0, 0, VECTORS, 1, 1];
const NONE = 1;
const BOOL = 2;
const EVENTFD = 4;
const MASK = 8;
const UNMASK = 16;
const TRIGGER = 32;
const POOL = 8;

interface Step {
  readonly index: number;
  readonly flags: number;
  readonly start: number;
  readonly count: number;
  readonly data: readonly number[];
  /** Numbers of eventfds of the pool; -1 is something else. */
  readonly fds: readonly number[];
}

const index = fc.constantFrom(2, 2, 2, 2, 2, 2, 2, 3, 4, 0, 5);
/** Mostly within the table. */
const place = fc
  .tuple(fc.integer({ min: 1, max: VECTORS + 1 }), fc.nat(VECTORS + 1))
  .map(([end, length]) => ({ start: Math.max(0, end - length), count: end - Math.max(0, end - length) }));
const action = fc.constantFrom(MASK, UNMASK, TRIGGER, TRIGGER);
const pooled = fc.oneof(
  { weight: 8, arbitrary: fc.nat(POOL - 1) },
  { weight: 1, arbitrary: fc.constant(-1) },
);
const fds = fc.array(pooled, { minLength: VECTORS + 1, maxLength: VECTORS + 1 });

const withEventfds = fc
  .record({ index, place, action, fds, without: fc.constantFrom(false, false, false, true) })
  .map(({ action: act, without, fds: all, place: at, ...rest }): Step => {
    return { ...rest, ...at, flags: EVENTFD | act, data: [], fds: without ? [] : all.slice(0, at.count) };
  });
const withBools = fc
  .record({ index, place, action, bools: fc.array(fc.nat(1), { minLength: 5, maxLength: 5 }) })
  .map(({ action: act, bools, place: at, ...rest }): Step => {
    return { ...rest, ...at, flags: BOOL | act, data: bools.slice(0, at.count), fds: [] };
  });
const withNone = fc.record({ index, place, action }).map(({ action: act, place: at, ...rest }): Step => {
  return { ...rest, ...at, flags: NONE | act, data: [], fds: [] };
});
const disable = index.map((of): Step => {
  return { index: of, flags: NONE | TRIGGER, start: 0, count: 0, data: [], fds: [] };
});
const anything: fc.Arbitrary<Step> = fc.record({
  index: fc.oneof(fc.nat(7), fc.nat(0xffff_ffff)),
  flags: fc.oneof(fc.nat(63), fc.nat(0xffff_ffff)),
  start: fc.oneof(fc.nat(6), fc.nat(0xffff_ffff)),
  count: fc.oneof(fc.nat(6), fc.nat(0xffff_ffff)),
  data: fc.array(fc.nat(255), { maxLength: 6 }),
  fds: fc.array(fc.integer({ min: -1, max: POOL - 1 }), { maxLength: 6 }),
});
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: withEventfds },
    { weight: 3, arbitrary: withNone },
    { weight: 3, arbitrary: withBools },
    { weight: 1, arbitrary: disable },
    { weight: 2, arbitrary: anything },
  ),
  { maxLength: 40, size: 'max' },
);

const step = (flags: number, start: number, count: number, with_: readonly number[] = []): Step => {
  return { index: 2, flags, start, count, data: [], fds: with_ };
};
/** The seed corpus: what waited comes with the unmasking, one eventfd for all, taken away while masked, a wrong one. */
const examples: [Step[]][] = [
  [
    [
      step(EVENTFD | TRIGGER, 0, 1, [0]),
      step(NONE | MASK, 0, 1),
      step(NONE | TRIGGER, 0, 1),
      step(NONE | UNMASK, 0, 1),
    ],
  ],
  [[step(EVENTFD | TRIGGER, 0, 4, [3, 3, 3, 3]), step(NONE | TRIGGER, 0, 4)]],
  [
    [
      step(EVENTFD | TRIGGER, 1, 1, [1]),
      step(NONE | MASK, 1, 1),
      step(EVENTFD | TRIGGER, 1, 1),
      step(NONE | UNMASK, 1, 1),
    ],
  ],
  [[step(EVENTFD | TRIGGER, 0, 2, [1, -1]), step(NONE | TRIGGER, 0, 2)]],
  [
    [
      step(EVENTFD | MASK, 2, 1, [2]),
      step(EVENTFD | UNMASK, 2, 1, [4]),
      step(NONE | MASK, 2, 1),
      step(NONE | UNMASK, 2, 1),
    ],
  ],
  [[step(NONE | TRIGGER, 0xffff_ffff, 1), step(NONE | TRIGGER, 1, 0xffff_ffff)]],
];

const untouched = () => ({ fd: -1, mask: -1, unmask: -1, masked: false, pending: false });

class Model {
  readonly tables = COUNTS.map((count) => Array.from({ length: count }, untouched));
  readonly signals: number[] = new Array(POOL).fill(0);
  readonly changes: string[] = [];

  #signal(of: number): void {
    if (of >= 0) this.signals[of]! += 1;
  }

  set({ index: of, flags, start, count, data, fds: given }: Step): number {
    const table = this.tables[of];
    const kind = [NONE, BOOL, EVENTFD].find((bit) => (flags & 7) === bit);
    const act = [MASK, UNMASK, TRIGGER].find((bit) => (flags & 0xffff_fff8) >>> 0 === bit);
    if (table === undefined || kind === undefined || act === undefined) return EINVAL;
    const all = kind === NONE && act === TRIGGER && start === 0 && count === 0;
    if (start + count > table.length || (count === 0 && !all)) return EINVAL;
    if (data.length !== (kind === BOOL ? count : 0)) return EINVAL;
    if (given.length > 0 && (kind !== EVENTFD || given.length !== count)) return EINVAL;
    if (given.includes(-1)) return EBADF;
    if (all) for (const interrupt of table) Object.assign(interrupt, untouched());
    for (let i = 0; i < count; i += 1) this.#one(table[start + i]!, kind, act, data[i], given[i] ?? -1);
    // Eventfds for masking are the session's own affair, and triggering changes nothing.
    const changed = all || (kind === EVENTFD ? act === TRIGGER : act !== TRIGGER);
    if (of === 2 && changed) this.changes.push(all ? `0 ${VECTORS}` : `${start} ${count}`);
    return 0;
  }

  #one(
    interrupt: ReturnType<typeof untouched>,
    kind: number,
    act: number,
    wanted: number | undefined,
    fd: number,
  ): void {
    if (kind === EVENTFD) interrupt[act === TRIGGER ? 'fd' : act === MASK ? 'mask' : 'unmask'] = fd;
    else if (kind === BOOL && wanted === 0) return;
    else if (act === TRIGGER && interrupt.masked) interrupt.pending = true;
    else if (act === TRIGGER) this.#signal(interrupt.fd);
    else if (interrupt.masked !== (act === MASK)) {
      interrupt.masked = act === MASK;
      this.#signal(act === MASK ? interrupt.mask : interrupt.unmask);
      if (act === UNMASK && interrupt.pending) this.#signal(interrupt.fd);
      if (act === UNMASK) interrupt.pending = false;
    }
  }
}

let palette: Palette;
let pool: number[];
beforeAll(() => {
  palette = new Palette();
  pool = Array.from({ length: POOL }, () => eventfd());
});
afterAll(() => {
  palette.close();
  for (const fd of pool) closeFd(fd);
});

function perform(interrupts: Interrupts, { fds: given, data, ...request }: Step): number {
  const sent = given.map((of) => dup(of < 0 ? palette.fd('socket') : pool[of]!));
  const header = { id: 1, command: 8, size: HEADER_SIZE, flags: 0, errno: 0 };
  const message = new Message(header, new Uint8Array(HEADER_SIZE), sent);
  try {
    interrupts.set({ ...request, data: Uint8Array.from(data) }, message);
    return 0;
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
    return (error as ProtocolError).errno;
  } finally {
    message.close();
  }
}

test('the interrupts and the model agree on every errno, every signal and every change', () => {
  const reached = new Map<number, number>();
  let signals = 0;
  hold(
    'SET_IRQS',
    fc.property(steps, (sequence) => {
      for (const fd of pool) eventfdDrain(fd);
      const before = openFds();
      const changes: string[] = [];
      const interrupts = new Interrupts(VECTORS, (first, count) => void changes.push(`${first} ${count}`));
      const model = new Model();
      for (const one of sequence) {
        const wanted = model.set(one);
        expect(perform(interrupts, one)).toBe(wanted);
        reached.set(wanted, (reached.get(wanted) ?? 0) + 1);
      }
      expect(changes).toEqual(model.changes);
      expect(pool.map((fd) => Number(eventfdDrain(fd)))).toEqual(model.signals);
      signals += model.signals.reduce((sum, count) => sum + count, 0);
      const seen = interrupts.msix.map(({ fd, masked, pending }) => ({ has: fd >= 0, masked, pending }));
      expect(seen).toEqual(
        model.tables[2]!.map(({ fd, masked, pending }) => ({ has: fd >= 0, masked, pending })),
      );
      interrupts.clear();
      expect(openFds()).toEqual(before);
    }),
    { ...run, examples },
  );
  if (fuzzing) return;
  for (const errno of [0, EINVAL, EBADF]) expect(reached.get(errno)).toBeGreaterThan(100);
  expect(signals).toBeGreaterThan(100);
});
