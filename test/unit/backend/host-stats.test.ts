// The figures of a port: every ring by its direction, and what the sink of a null port found.
import { expect, test } from 'vitest';
import { portStats } from '../../../backend/host-stats.ts';
import { NullPort, type Port } from '../../../native/ports.ts';

const drops = {
  full: 1,
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

/** Two tx rings and one rx ring; every counter of ring i is told by its value. */
function port(kind: object): Port {
  const counters = (i: number) => ({
    packets: 10 + i,
    bytes: 20 + i,
    drops: { ...drops, down: i },
    kicks: 30 + i,
    interrupts: 40 + i,
    syncs: 50 + i,
    badIndex: 60 + i,
    reraised: 65 + i,
    irqSlow: 70 + i,
    memSlow: 80 + i,
    lost: 100 + i,
    late: 200 + i,
    corrupt: 300 + i,
  });
  const own = { rings: 3, info: { txRings: 2 }, counters };
  return Object.create(kind, Object.getOwnPropertyDescriptors(own)) as Port;
}

test('rings are tx first, each with its own counters', () => {
  const { rings, name, vm, device } = portStats('x', port({}), { vm: 'vm1', device: 'net0' });
  expect([name, vm, device]).toEqual(['x', 'vm1', 'net0']);
  expect(rings.map(({ dir, ring }) => [dir, ring])).toEqual([
    ['tx', 0],
    ['tx', 1],
    ['rx', 0],
  ]);
  expect(rings[2]).toEqual({
    dir: 'rx',
    ring: 0,
    packets: 12,
    bytes: 22,
    drops: { ...drops, down: 2 },
    kicks: 32,
    interrupts: 42,
    syncs: 52,
    badIndex: 62,
    reraised: 67,
    irqSlow: 72,
    memSlow: 82,
  });
});

test('a sink has what its tx rings found; other ports have none', () => {
  expect(portStats('x', port(NullPort.prototype), undefined).sink).toEqual({
    lost: 201,
    late: 401,
    corrupt: 601,
  });
  const plain = portStats('x', port({}), undefined);
  expect(plain).not.toHaveProperty('sink');
  expect(plain).not.toHaveProperty('vm');
});
