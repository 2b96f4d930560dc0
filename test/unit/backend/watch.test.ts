// What the log says once a second: faults of guests by ring, rarer when they go on, and that the host stood still.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Complaints } from '../../../backend/complaints.ts';
import { FaultWatch, type Watched } from '../../../backend/watch.ts';
import type { Port } from '../../../native/ports.ts';
import { type LogLine, recordingLog } from '../../protocol/recording.ts';

const NO_DROPS = {
  full: 0,
  down: 0,
  'no-destination': 0,
  'bad-buf': 0,
  'bad-len': 0,
  'bad-flags': 0,
  'bad-frags': 0,
  'bad-vnet': 0,
  'too-long': 0,
  rate: 0,
  storm: 0,
  filtered: 0,
};

/** A port of two tx rings and one rx ring whose counters a test sets. */
class FakePort {
  readonly rings = 3;
  readonly info = { name: 'null:a', txRings: 2 };
  readonly all = Array.from({ length: 3 }, () => ({
    badIndex: 0,
    irqSlow: 0,
    memSlow: 0,
    drops: { ...NO_DROPS },
  }));
  counters(ring: number) {
    return this.all[ring]!;
  }
}

let lines: LogLine[];
let port: FakePort;
let checks: number;
const watchErrors: string[] = [];
let nudges: number;
let clock: number;
let vms: string[];
let watch: FaultWatch;

beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  port = new FakePort();
  checks = 0;
  nudges = 0;
  clock = 0;
  vms = [];
  const watched: Watched = {
    port: port as unknown as Port,
    complaints: new Complaints(recordingLog(lines), 'vm1/net0'),
    check: () => {
      checks++;
    },
  };
  watch = new FaultWatch(
    { tick: () => Math.min(0, ++nudges), takeWatchErrors: () => watchErrors.splice(0) },
    [watched],
    new Complaints(recordingLog(lines), 'host'),
    () => vms,
    () => clock,
  );
});
afterEach(() => {
  watch.close();
  vi.useRealTimers();
});

/** One look, `lateMs` after its time. */
function tick(lateMs = 0): void {
  clock += 1000 + lateMs;
  vi.advanceTimersByTime(1000);
}
const texts = (): string[] => lines.map(({ text }) => text);

describe('faults', () => {
  test('each is named with its ring, once a look', () => {
    port.all[1]!.badIndex = 2;
    port.all[2]!.drops['bad-buf'] = 1;
    tick();
    tick();
    expect(texts()).toEqual([
      'vm1/net0: tx 1 ring: head or cur outside what the guest owns: the ring waits for the next kick (2 times)',
      'vm1/net0: rx 0 ring: buf_idx outside the region',
    ]);
    expect(lines[1]?.fields).toEqual({
      vm: 'vm1',
      device: 'net0',
      event: 'ring-bad-buf',
      port: 'null:a',
      ring: 'rx 0',
      count: 1,
    });
  });

  test.each([
    ['irqSlow', 'raising an interrupt takes long'],
    ['memSlow', 'whoever touches its memory is kept waiting'],
    ['bad-len', 'len beyond the buffer'],
    ['bad-flags', 'NS_INDIRECT'],
    ['bad-frags', 'more than 64 slots'],
    ['bad-vnet', 'a virtio-net header'],
  ] as const)('%s is one', (fault, text) => {
    if (fault === 'irqSlow' || fault === 'memSlow') port.all[0]![fault] = 1;
    else port.all[0]!.drops[fault] = 1;
    tick();
    expect(texts()).toEqual([expect.stringContaining(text)]);
  });

  test('drops for want of room are traffic', () => {
    Object.assign(port.all[0]!.drops, { full: 5, down: 5, 'no-destination': 5 });
    tick();
    expect(texts()).toEqual([]);
  });

  test('one that goes on is said ever more rarely, and what was left out is said at the end', () => {
    for (let i = 0; i < 50; i++) {
      port.all[0]!.badIndex++;
      tick();
    }
    expect(lines.map(({ fields }) => fields.count)).toEqual([1, 10]);
    watch.close();
    expect(texts().at(-1)).toMatch(/ \(50 times\)$/);
  });
});

test('a look checks the devices and wakes the workers; after close() there is none', () => {
  tick();
  tick();
  expect([checks, nudges]).toEqual([2, 2]);
  watch.close();
  tick();
  expect([checks, nudges]).toEqual([3, 2]);
});

describe('a host that stood still says so', () => {
  test('with the VMs that were attached, and what it means for them', () => {
    vms = ['vm1', 'vm2'];
    tick(7000);
    expect(texts()).toEqual([
      "host: stood still for 7.0 s (stopped, frozen, or without a CPU): attached: vm1, vm2; QEMU's own patience is 5 s unless x-msg-timeout says otherwise, and a VM beyond it has lost its devices until it is started again",
    ]);
    expect(lines[0]).toMatchObject({ level: 'warn', fields: { lateMs: 7000, vms: ['vm1', 'vm2'] } });
  });

  test('not as long as QEMU waits', () => {
    vms = ['vm1'];
    tick(2000);
    expect(texts()).toEqual([
      'host: stood still for 2.0 s (stopped, frozen, or without a CPU): attached: vm1',
    ]);
  });

  test('with no VM attached', () => {
    tick(60_000);
    expect(texts()).toEqual([
      'host: stood still for 60.0 s (stopped, frozen, or without a CPU): no VM was attached',
    ]);
  });

  test('once, and not for a look that is a little late', () => {
    tick(5000);
    for (let i = 0; i < 10; i++) tick(1999);
    expect(lines).toHaveLength(1);
  });
});

test('a descriptor that is not waited for any more is said once', () => {
  watchErrors.push('tap0: an error: not waited for any more');
  tick();
  tick();
  expect(texts()).toEqual(['host: tap0: an error: not waited for any more']);
});
