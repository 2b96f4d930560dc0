// The broker's table: what is wired in which order, and that everything is given back.
import { beforeEach, expect, test } from 'vitest';
import { type BindRequest, Broker, type Policy } from '../../../../backend/datapath/broker.ts';
import type { WorkerPool } from '../../../../backend/datapath/engine.ts';
import type { Kick } from '../../../../native/kick.ts';
import type { Port } from '../../../../native/ports.ts';

let calls: unknown[][];
let attachError: Error | undefined;
const note =
  (name: string) =>
  (...args: unknown[]): void => {
    calls.push([name, ...args]);
  };
const attachment = {
  doorbellTarget: 'target',
  setInterrupts: note('setInterrupts'),
  setDoorbells: note('setDoorbells'),
  detach: note('detach'),
};
const pool = {
  place: () => {
    calls.push(['place']);
    return 3;
  },
  release: note('release'),
  engine: {
    attach: (...args: unknown[]) => {
      calls.push(['attach', ...args]);
      if (attachError) throw attachError;
      return attachment;
    },
  },
} as unknown as WorkerPool;
const kick = { setDoorbells: note('wire'), clearDoorbells: note('unwire') } as unknown as Kick;
const port = { rings: 2 } as Port;
const csb = { guestToHost: { fd: 5, offset: 0n }, hostToGuest: { fd: 5, offset: 4096n } };

function request(policy: Partial<Policy> = {}, more: Partial<BindRequest> = {}): BindRequest {
  return {
    device: 'vm1/net0',
    port,
    session: 9,
    csb: csb as unknown as BindRequest['csb'],
    vectors: [
      { fd: 20, masked: false },
      { fd: 21, masked: true },
      { fd: 22, masked: false },
    ],
    doorbells: [],
    policy: { policy: 'adaptive', spinUs: 100, ...policy },
    vnetHdrLen: 12,
    ...more,
  };
}
const names = (): unknown[] => calls.map(([name]) => name);

beforeEach(() => {
  calls = [];
  attachError = undefined;
});

test('interrupts are wired before doorbells; a masked vector and one without a ring are not', () => {
  const binding = new Broker(pool, kick).bind(request());
  expect(calls).toEqual([
    ['place'],
    [
      'attach',
      port,
      csb.guestToHost,
      csb.hostToGuest,
      { policy: 'adaptive', spinUs: 100, worker: 3, vnetHdrLen: 12 },
    ],
    ['setInterrupts', 0, [20, -1]],
    ['wire', 9, { region: 0, offset: 0x80, stride: 4 }, 'target'],
  ]);
  expect(binding).toMatchObject({ session: 9, worker: 3 });
});

test('eventfds of the doorbells are handed on when the client has asked for them', () => {
  new Broker(pool, kick).bind(request({}, { doorbells: [30, 31] }));
  expect(calls).toContainEqual(['setDoorbells', [30, 31]]);
});

test('what stops is unwired, ended and gives its place on the worker back, once', () => {
  const broker = new Broker(pool, kick);
  broker.bind(request());
  expect([...broker.table.keys()]).toEqual(['vm1/net0']);
  calls = [];
  broker.unbind('vm1/net0');
  broker.unbind('vm1/net0');
  expect(calls).toEqual([['unwire', 9], ['detach'], ['release', 3]]);
  expect(broker.table.size).toBe(0);
});

test('a worker that the configuration names is neither placed nor given back', () => {
  const broker = new Broker(pool, kick);
  broker.bind(request({ worker: 1 }));
  broker.unbind('vm1/net0');
  expect(names()).not.toContain('place');
  expect(names()).not.toContain('release');
});

test('policy inline has no native reader of its doorbells', () => {
  const broker = new Broker(pool, kick);
  broker.bind(request({ policy: 'inline' }));
  broker.unbind('vm1/net0');
  expect(names()).toEqual(['place', 'attach', 'setInterrupts', 'detach', 'release']);
});

test.each([
  [undefined, ['place', 'attach', 'release']],
  [1, ['attach']],
])('an attachment that fails leaves nothing behind: worker %s', (worker, expected) => {
  attachError = new Error('busy');
  const broker = new Broker(pool, kick);
  expect(() => broker.bind(request({ worker }))).toThrow('busy');
  expect(names()).toEqual(expected);
  expect(broker.table.size).toBe(0);
});
