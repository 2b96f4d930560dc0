// Real VMs with and without a virtio-net header, on a switch and by taps and a bridge of the kernel: packets of up to 60,000 bytes arrive unaltered.
import { afterEach, expect } from 'vitest';
import type { TestHost } from '../harness/host.ts';
import { Netns } from '../harness/netns.ts';
import type { Vm } from '../harness/vm.ts';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const WAIT_MS = 120_000;
const COUNT = 3000;
const namespaces: Netns[] = [];

afterEach(async () => {
  for (const opened of namespaces.splice(0)) await opened.close();
});

interface Way {
  readonly h: TestHost;
  readonly a: Vm;
  readonly b: Vm;
  /** That of b. */
  readonly port: string;
  /** Until b can receive. */
  ready?(): Promise<void>;
}

/** From a to b, which ask for headers of so many bytes. What comes before b receives is lost; the rest is as it was sent. */
async function exchange(way: Way, from: number, to: number, size: number): Promise<void> {
  const { h, a, b, port, ready } = way;
  const before = h.packets(port, 'rx');
  const receiving = b.agentStart(
    `receive --count ${COUNT} --seconds 600 --idle-ms 3000 --payload full --vnet-hdr ${to}`,
  );
  await ready?.();
  const frags = Math.ceil((size + from) / 2048);
  const { sent } = await a.agent(
    `send --count ${COUNT} --payload full --vnet-hdr ${from} --size ${size} --frags ${frags} --rate 1000`,
  );
  expect(sent).toMatchObject({ packets: COUNT });
  const { received } = (await receiving.done) as unknown as { received: Record<string, number> };
  expect(received).toMatchObject({ late: 0, corrupt: 0 });
  expect(received.packets).toBeGreaterThan(0);
  expect(received.packets).toBe(h.packets(port, 'rx') - before);
  expect(received.bytes).toBe(received.packets! * (size + to));
}

vmTest('on a switch: all four combinations', async () => {
  const h = await startHost(`
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
  const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  const way = { h, a, b, port: 'vale0:2' };
  for (const [from, to, size] of [
    [12, 12, 60_000],
    [12, 0, 1514],
    [0, 10, 60_000],
    [0, 0, 1514],
  ] as const)
    await exchange(way, from, to, size);
  expect(h.ring('vale0:1', 'tx').drops['bad-vnet']).toBe(0);
});

vmTest('by taps and a bridge: all four combinations', async () => {
  const net = await Netns.open(
    'ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 mtu 9000 up',
  );
  namespaces.push(net);
  const h = await startHost(`
ports:
  'tap:a': { netns: ${net.path}, mtu: 9000 }
  'tap:b': { netns: ${net.path}, mtu: 9000 }
vms:
  vm1: { devices: [{ port: 'tap:a' }] }
  vm2: { devices: [{ port: 'tap:b' }] }
`);
  for (const device of ['a', 'b']) await net.ip(`link set dev ${device} master br0`);
  const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  const ready = () =>
    expect.poll(() => net.ip('-j link show dev b'), { timeout: WAIT_MS }).toContain('"operstate":"UP"');
  const way = { h, a, b, port: 'tap:b', ready };
  for (const [from, to, size] of [
    [12, 12, 9000],
    [12, 0, 9000],
    [0, 10, 1514],
    [0, 0, 9000],
  ] as const)
    await exchange(way, from, to, size);
  for (const port of ['tap:a', 'tap:b'])
    expect(h.ring(port, 'tx').drops['bad-vnet'] + h.ring(port, 'rx').drops['bad-len']).toBe(0);
});
