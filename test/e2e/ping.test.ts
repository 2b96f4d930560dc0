// Pings of the agent in a real VM: what the host takes to see a packet, polled and with a doorbell of either kind.
import { expect } from 'vitest';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

vmTest('a ping says how its packets were seen by the host', async () => {
  const h = await startHost(`
vms:
  vm1:
    devices:
      - { port: 'null:polled', policy: poll }
      - { port: 'null:io', policy: notify, bar0: io }
      - { port: 'null:mem', policy: notify, bar0: mem }
`);
  const vm = await boot(h, 'vm1');
  const ping = (device: number) =>
    vm.agent(`ping --device ${device} --seconds 1 --rate 500 --spin-us 0 --interrupts`);
  const polled = await ping(0);
  expect(polled.kicked).toMatchObject({ count: 0 });
  expect(polled.roundTrip).toMatchObject({ count: 0 });
  const { count, p50, max } = polled.service as Record<'count' | 'p50' | 'max', number>;
  expect(count).toBeGreaterThan(0);
  expect(p50).toBeGreaterThan(0);
  expect(max).toBeGreaterThanOrEqual(p50);
  for (const device of [1, 2]) {
    const parked = await ping(device);
    expect((parked.kicked as { count: number }).count).toBeGreaterThan(0);
    expect(parked.kicks).toBeGreaterThanOrEqual((parked.kicked as { count: number }).count);
  }
});
