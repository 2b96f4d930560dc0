// Programs that others have started: they have numbers, and end when nobody asks about them any more.
import { expect, test } from 'vitest';
import { LEASE_MS, type Leasable, Leases } from '../../../../backend/programs/leases.ts';

const way = { packets: 1, bytes: 60, dropped: 0 };

/** A bridge, which never ends by itself. */
function program(): Leasable & { stops: number } {
  return {
    stops: 0,
    stats: { forth: way, back: way, copies: false },
    stop() {
      this.stops++;
    },
  };
}

test('one that is asked about goes on, one that nobody asks about is ended and forgotten', () => {
  let now = 0;
  const leases = new Leases(() => now);
  const [kept, lost] = [program(), program()];
  const first = leases.add('bridge', ['a', 'b'], kept, () => kept.stop());
  const second = leases.add('bridge', ['c', 'd'], lost, () => lost.stop());
  expect(leases.states.map(({ id, ports }) => [id, ports])).toEqual([
    [first, ['a', 'b']],
    [second, ['c', 'd']],
  ]);
  for (; now < 2 * LEASE_MS; now += LEASE_MS / 4) {
    expect(leases.ask(first)).toMatchObject({ kind: 'bridge', ended: false });
    leases.expire();
  }
  expect([kept.stops, lost.stops]).toEqual([0, 1]);
  expect(leases.ask(second)).toBeUndefined();
  leases.close();
});

test('one that was stopped is ended once, and says how it ended for a while', () => {
  let now = 0;
  const leases = new Leases(() => now);
  const bridge = program();
  const id = leases.add('bridge', ['a', 'b'], bridge, () => bridge.stop());
  expect(leases.stop(id)).toMatchObject({ ended: true, stats: { forth: way } });
  expect(leases.stop(id)).toMatchObject({ ended: true });
  expect(bridge.stops).toBe(1);
  now = LEASE_MS;
  leases.expire();
  expect(leases.stop(id)).toBeUndefined();
  expect(leases.states).toEqual([]);
});
