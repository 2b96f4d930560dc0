// Real VMs with and without a virtio-net header, on a switch and by taps and a bridge of the kernel: packets of up to 60,000 bytes arrive unaltered, also when QEMU is killed under way.
import { expect } from 'vitest';
import type { Vm } from '../../vm-images/machine/vm.ts';
import { netns } from '../harness/interfaces.ts';
import { killedInTraffic, type Receiver, receives, WAIT_MS } from './receiving.ts';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const COUNT = 3000;

/** Who sends to whom. */
interface Way extends Omit<Receiver, 'vnetHdr'> {
  readonly sender: Vm;
}

const sendOf = (vnetHdr: number, size: number): string =>
  `send --payload full --vnet-hdr ${vnetHdr} --size ${size} --frags ${Math.ceil((size + vnetHdr) / 2048)}`;

/** They ask for headers of so many bytes. What comes before there is a receiver is lost; the rest is as it was sent. */
async function exchange({ sender, ...to }: Way, from: number, vnetHdr: number, size: number): Promise<void> {
  const received = await receives({ ...to, vnetHdr, count: COUNT }, async () => {
    const { sent } = await sender.agent(`${sendOf(from, size)} --count ${COUNT} --rate 1000`);
    expect(sent).toMatchObject({ packets: COUNT });
  });
  expect(received.bytes).toBe(received.packets * (size + vnetHdr));
}

async function switchWay(): Promise<Way> {
  const h = await startHost(`
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
  const [sender, vm] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  return { h, sender, vm, port: 'vale0:2' };
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
  const net = await netns('ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 mtu 9000 up');
  const h = await startHost(`
ports:
  'tap:a': { netns: ${net.path}, mtu: 9000 }
  'tap:b': { netns: ${net.path}, mtu: 9000 }
vms:
  vm1: { devices: [{ port: 'tap:a' }] }
  vm2: { devices: [{ port: 'tap:b' }] }
`);
  for (const device of ['a', 'b']) await net.ip(`link set dev ${device} master br0`);
  const [sender, vm] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  const ready = async () => {
    await expect.poll(() => net.ip('-j link show dev b'), { timeout: WAIT_MS }).toContain('"operstate":"UP"');
  };
  return { h, sender, vm, port: 'tap:b', ready };
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

for (const [where, wayOf, from, vnetHdr, size] of [
  ['on a switch', switchWay, 12, 12, 60_000],
  ['by taps and a bridge', tapWay, 12, 10, 9000],
] as const)
  vmTest(`${where}: QEMU killed in traffic, and another VM with other headers in its place`, async () => {
    const { sender, ...to } = await wayOf();
    const then = [0, 10].map((other) => sendOf(other, size));
    await killedInTraffic({ ...to, vnetHdr }, sender, sendOf(from, size), then);
  });
