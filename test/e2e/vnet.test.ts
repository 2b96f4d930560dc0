// Real VMs with and without a virtio-net header, on a switch and by taps and a bridge of the kernel: packets of up to 60,000 bytes arrive unaltered, also when QEMU is killed under way.
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
  const { a } = way;
  await receives(way, to, size, async () => {
    const { sent } = await a.agent(`${sendOf(from, size)} --count ${COUNT} --rate 1000`);
    expect(sent).toMatchObject({ packets: COUNT });
  });
}

const sendOf = (vnetHdr: number, size: number): string =>
  `send --payload full --vnet-hdr ${vnetHdr} --size ${size} --frags ${Math.ceil((size + vnetHdr) / 2048)}`;

/** b receives until nothing has come for a while; all that was sent meanwhile arrives as it was, or not at all. */
async function receives(
  { h, b, port, ready }: Omit<Way, 'a'>,
  to: number,
  size: number,
  during: (arrived: () => number) => Promise<void>,
): Promise<void> {
  const before = h.packets(port, 'rx');
  const arrived = () => h.packets(port, 'rx') - before;
  const receiving = b.agentStart(`receive --seconds 600 --idle-ms 3000 --payload full --vnet-hdr ${to}`);
  await ready?.();
  await during(arrived);
  const { received } = (await receiving.done) as unknown as { received: Record<string, number> };
  expect(received).toMatchObject({ late: 0, corrupt: 0 });
  expect(received.packets).toBeGreaterThan(0);
  expect(received.packets).toBe(arrived());
  expect(received.bytes).toBe(received.packets! * (size + to));
}

async function switchWay(): Promise<Way> {
  const h = await startHost(`
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
  const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  return { h, a, b, port: 'vale0:2' };
}

vmTest('on a switch: all four combinations', async () => {
  const way = await switchWay();
  const { h } = way;
  for (const [from, to, size] of [
    [12, 12, 60_000],
    [12, 0, 1514],
    [0, 10, 60_000],
    [0, 0, 1514],
  ] as const)
    await exchange(way, from, to, size);
  expect(h.ring('vale0:1', 'tx').drops['bad-vnet']).toBe(0);
});

/** Two taps for frames of 9000 bytes, in a bridge. */
async function tapWay(): Promise<Way> {
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
  const ready = async () => {
    await expect
      .poll(() => net.ip('-j link show dev b'), { timeout: WAIT_MS })
      .toContain('"operstate":"UP"');
  };
  return { h, a, b, port: 'tap:b', ready };
}

vmTest('by taps and a bridge: all four combinations', async () => {
  const way = await tapWay();
  const { h } = way;
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

for (const [where, wayOf, from, to, size] of [
  ['on a switch', switchWay, 12, 12, 60_000],
  ['by taps and a bridge', tapWay, 12, 10, 9000],
] as const)
  vmTest(`${where}: QEMU killed in traffic, and another VM with another header in its place`, async () => {
    const { a, ...way } = await wayOf();
    await receives(way, to, size, async (arrived) => {
      const doomed = a.agentStart(`${sendOf(from, size)} --seconds 60 --rate 2000`);
      doomed.done.catch(() => {});
      await expect.poll(arrived, { timeout: WAIT_MS }).toBeGreaterThan(1000);
      a.kill('SIGKILL');
      await a.exited;
    });
    const next = await boot(way.h, 'vm1');
    for (const header of [0, 10]) await exchange({ ...way, a: next }, header, to, size);
    expect(way.h.warnings()).toEqual([]);
  });
