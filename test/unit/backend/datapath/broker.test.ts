// The broker's table: what is wired in which order, and that everything is given back.
import { beforeEach, describe, expect, test } from 'vitest';
import { type BindRequest, Broker, type Policy } from '../../../../backend/datapath/broker.ts';
import type { WorkerPool } from '../../../../backend/datapath/engine.ts';
import type { Kick } from '../../../../native/kick.ts';
import { closeFd, eventfd } from '../../../../native/os.ts';
import type { Port } from '../../../../native/ports.ts';

let calls: unknown[][];
let attachError: Error | undefined;
let wireError: Error | undefined;
const note =
  (name: string) =>
  (...args: unknown[]): void => {
    calls.push([name, ...args]);
  };
const attachment = {
  lendTarget: (take: (target: string) => void) => take('target'),
  setInterrupts: (...args: unknown[]) => {
    calls.push(['setInterrupts', ...args]);
    if (wireError) throw wireError;
  },
  setDoorbells: note('setDoorbells'),
  detach: note('detach'),
  setPolicy: note('setPolicy'),
};
const pool = {
  place: () => {
    calls.push(['place']);
    return 3;
  },
  release: note('release'),
  move: note('move'),
  engine: {
    attach: (...args: unknown[]) => {
      calls.push(['attach', ...args]);
      if (attachError) throw attachError;
      return attachment;
    },
  },
} as unknown as WorkerPool;
const kick = { setDoorbells: note('wire'), clearDoorbells: note('unwire') } as unknown as Kick;
const portServedAs = (other?: Port): Port => {
  const port = { rings: 2 } as { servedAs: Port } & Port;
  Object.assign(port, { servedAs: other ?? port });
  return port;
};
const port = portServedAs();
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
    plain: true,
    ...more,
  };
}
const names = (): unknown[] => calls.map(([name]) => name);

beforeEach(() => {
  calls = [];
  attachError = undefined;
  wireError = undefined;
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
      { policy: 'adaptive', spinUs: 100, worker: 3, vnetHdrLen: 12, plain: true },
    ],
    ['setInterrupts', 0, [20, -1]],
    ['wire', 9, { region: 0, offset: 0x80, stride: 4 }, 'target'],
  ]);
  expect(binding).toMatchObject({ session: 9, port });
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

describe('both ends of a pipe have one place', () => {
  const ends = { one: port, other: portServedAs(port) };
  const bind = (broker: Broker, device: keyof typeof ends) =>
    broker.bind(request({}, { device, port: ends[device] }));

  test.each([
    ['one', 'other'],
    ['other', 'one'],
  ] as const)('which is given back with the last of them: %s, %s', (first, second) => {
    const broker = new Broker(pool, kick);
    bind(broker, first);
    bind(broker, second);
    expect(calls.filter(([name]) => name === 'place')).toHaveLength(1);
    expect(calls.filter(([name]) => name === 'attach').map((call) => call[4])).toEqual([
      { policy: 'adaptive', spinUs: 100, worker: 3, vnetHdrLen: 12, plain: true },
      { policy: 'adaptive', spinUs: 100, worker: 3, vnetHdrLen: 12, plain: true },
    ]);
    broker.unbind(first);
    expect(names()).not.toContain('release');
    bind(broker, first);
    broker.unbind(first);
    broker.unbind(second);
    expect(calls.filter(([name]) => name === 'place' || name === 'release')).toEqual([
      ['place'],
      ['release', 3],
    ]);
  });

  test('also when the second end cannot be attached', () => {
    const broker = new Broker(pool, kick);
    bind(broker, 'one');
    attachError = new Error('busy');
    expect(() => bind(broker, 'other')).toThrow('busy');
    expect(names()).not.toContain('release');
    broker.unbind('one');
    expect(names().filter((name) => name === 'release')).toHaveLength(1);
  });
});

test('policy inline has no native reader of its doorbells, and no worker to take a place on', () => {
  const broker = new Broker(pool, kick);
  broker.bind(request({ policy: 'inline' }));
  broker.unbind('vm1/net0');
  expect(names()).toEqual(['attach', 'setInterrupts', 'detach']);
});

test('an attachment that fails leaves nothing behind', () => {
  attachError = new Error('busy');
  const broker = new Broker(pool, kick);
  expect(() => broker.bind(request())).toThrow('busy');
  expect(names()).toEqual(['place', 'attach', 'release']);
  expect(broker.table.size).toBe(0);
});

test('an attachment whose interrupts cannot be had is ended: the next one finds its port free', () => {
  wireError = new Error('null:a: interrupt: too many');
  const broker = new Broker(pool, kick);
  expect(() => broker.bind(request())).toThrow('too many');
  expect(names()).toEqual(['place', 'attach', 'setInterrupts', 'detach', 'release']);
  expect(broker.table.size).toBe(0);
});

test('eventfds for doorbells are all that were asked for, or none', () => {
  const given: number[] = [];
  const left = {
    eventfd: () => {
      if (given.length === 2) throw new Error('EDQUOT');
      given.push(eventfd());
      return given.at(-1);
    },
  } as unknown as Kick;
  const broker = new Broker(pool, left);
  expect(broker.eventfds(9, 2)).toEqual(given);
  for (const fd of given.splice(0)) closeFd(fd);
  expect(broker.eventfds(9, 3)).toEqual([]);
  for (const fd of given) expect(() => closeFd(fd)).toThrow(/EBADF/);
});

test('who is moved to another worker takes the place along', () => {
  const broker = new Broker(pool, kick);
  broker.bind(request());
  calls = [];
  const policy = { policy: 'poll', spinUs: 100, worker: 1 } as const;
  expect(broker.setPolicy('vm1/net0', policy)).toBe(true);
  expect(broker.setPolicy('vm1/net1', policy)).toBe(false);
  broker.unbind('vm1/net0');
  expect(calls).toEqual([['setPolicy', policy], ['move', 3, 1], ['unwire', 9], ['detach'], ['release', 1]]);
});
