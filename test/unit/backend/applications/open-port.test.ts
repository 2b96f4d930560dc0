// Who is woken for which ring of a port that applications share, and that one who cannot be served keeps nobody else from it.
import { beforeEach, expect, test } from 'vitest';
import { OpenPort } from '../../../../backend/applications/open-port.ts';
import type { BindRequest, Broker } from '../../../../backend/datapath/broker.ts';
import type { Door } from '../../../../native/door.ts';
import type { Port } from '../../../../native/ports.ts';

const BOTH = [true, true];
const FIRST = [true, false];
const SECOND = [false, true];

let calls: unknown[][];
/** Connections that cannot be woken directly, and those that cannot be served at all. */
let unwakeable: Set<number>;
let unserved: Set<number>;
let eventfds: number[];
let open: OpenPort;

beforeEach(() => {
  calls = [];
  unwakeable = new Set();
  unserved = new Set();
  const note =
    (name: string) =>
    (...args: unknown[]): void => {
      calls.push([name, ...args]);
    };
  const attachment = {
    setInterrupts: note('setInterrupts'),
    lendTarget: (take: (target: object) => void) => take({}),
    drop: note('drop'),
  };
  const table = new Map<string, unknown>();
  const broker = {
    table,
    bind: ({ device, vectors }: BindRequest) => {
      eventfds = vectors.map(({ fd }) => fd);
      table.set(device, { attachment });
    },
    unbind: (device: string) => table.delete(device),
  } as unknown as Broker;
  const door = {
    serve: (connection: number, _part: number, { interrupts }: { interrupts: number[] }) => {
      if (unserved.has(connection)) throw new Error(`${connection}: not served`);
      calls.push(['serve', connection, interrupts]);
    },
    unserve: note('unserve'),
    wake: (connection: number, _attachment: unknown, rings: boolean[]) => {
      if (unwakeable.has(connection)) throw new Error(`${connection}: not woken`);
      calls.push(['wake', connection, rings]);
    },
  } as unknown as Door;
  const port = {
    rings: 2,
    restoreRings: () => undefined,
    register: () => ({ drop: note('dropRegister') }),
  } as unknown as Port;
  const policy = () => ({ policy: 'notify', spinUs: 0 }) as const;
  open = new OpenPort({ name: 'netmap:a', port, part: 0, policy, broker, door });
});

const openAs = (connection: number, rings: readonly boolean[]) =>
  open.open(connection, { rings, exclusive: false, extraBufs: 0 });

test('one that has a ring alone is woken directly, those that share one by their threads', () => {
  openAs(1, BOTH);
  expect(calls).toEqual([
    ['serve', 1, []],
    ['wake', 1, BOTH],
  ]);
  calls = [];
  openAs(2, FIRST);
  expect(calls).toEqual([
    ['setInterrupts', 0, [eventfds[0]]],
    ['serve', 1, [eventfds[0]]],
    ['wake', 1, SECOND],
    ['serve', 2, [eventfds[0]]],
  ]);
});

test('a ring that nobody has any more wakes nobody', () => {
  openAs(1, FIRST);
  openAs(2, SECOND);
  calls = [];
  open.close(1);
  expect(calls).toEqual([
    ['unserve', 1, 0],
    ['setInterrupts', 0, [-1]],
    ['serve', 2, []],
    ['wake', 2, SECOND],
  ]);
});

test('one that cannot be woken directly is by its thread, and keeps nobody from being served', () => {
  openAs(1, FIRST);
  openAs(2, BOTH);
  openAs(3, FIRST);
  unwakeable.add(2);
  calls = [];
  open.close(1);
  expect(calls).toEqual([
    ['unserve', 1, 0],
    ['setInterrupts', 0, [eventfds[0]]],
    ['serve', 2, [eventfds[0]]],
    ['setInterrupts', 1, [eventfds[1]]],
    ['serve', 2, eventfds],
    ['serve', 3, [eventfds[0]]],
  ]);
});

test('but one that opens the port is refused, which leaves nothing', () => {
  openAs(1, FIRST);
  unwakeable.add(2);
  calls = [];
  expect(() => openAs(2, SECOND)).toThrow('2: not woken');
  expect(calls.slice(-4)).toEqual([
    ['setInterrupts', 1, [-1]],
    ['serve', 1, []],
    ['wake', 1, FIRST],
    ['dropRegister'],
  ]);
  open.close(1);
  expect(open.inUse).toBe(false);
});

test('one that cannot be served is told of when the others are, also to one that opens the port', () => {
  openAs(1, FIRST);
  openAs(2, BOTH);
  unserved.add(1);
  calls = [];
  expect(() => openAs(3, SECOND)).toThrow('1: not served');
  expect(calls).toContainEqual(['serve', 2, eventfds]);
  expect(calls.at(-1)).toEqual(['dropRegister']);
  calls = [];
  expect(() => open.close(2)).toThrow('1: not served');
  expect(open.inUse).toBe(true);
  open.close(1);
  expect([open.inUse, open.csb]).toEqual([false, undefined]);
});

test('rings get their offsets when nothing else can fail any more, and what refuses these leaves nothing', () => {
  openAs(1, FIRST);
  calls = [];
  const shared: (readonly boolean[])[] = [];
  const openWith = (connection: number, refuse: boolean) =>
    open.open(connection, {
      rings: BOTH,
      exclusive: false,
      extraBufs: 0,
      offsets: (parts) => {
        for (const part of parts) shared.push(part.shared);
        if (refuse) throw new Error('refused');
      },
    });
  unserved.add(2);
  expect(() => openWith(2, false)).toThrow('not served');
  expect(shared).toEqual([]);
  unserved.clear();
  expect(() => openWith(2, true)).toThrow('refused');
  expect(shared).toEqual([FIRST]);
  expect(calls.filter(([what]) => what === 'dropRegister')).toHaveLength(2);
  calls = [];
  openWith(3, false);
  expect(shared).toEqual([FIRST, FIRST]);
  expect(calls).toContainEqual(['wake', 3, SECOND]);
});
