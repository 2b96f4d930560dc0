// Real VMs and the host's network: packets by taps and the kernel's bridge, beside a switch, and QEMU killed in traffic.
import { expect } from 'vitest';
import { netns } from '../harness/interfaces.ts';
import type { Netns } from '../harness/netns.ts';
import { killedInTraffic, receives, WAIT_MS } from './receiving.ts';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const N = 50_000;
const BRIDGE = 'ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 up';
async function awaitCarrier(net: Netns, ...devices: string[]): Promise<void> {
  for (const device of devices)
    await expect
      .poll(async () => net.ip(`-j link show dev ${device}`), { timeout: WAIT_MS })
      .toContain('"operstate":"UP"');
}

vmTest(
  'two VMs by their taps and a bridge of the kernel: each packet arrives unaltered, or is counted',
  async () => {
    const net = await netns(BRIDGE);
    const h = await startHost(`
ports:
  'tap:a': { netns: ${net.path} }
  'tap:b': { netns: ${net.path} }
vms:
  vm1: { devices: [{ port: 'tap:a' }] }
  vm2: { devices: [{ port: 'tap:b' }] }
`);
    for (const device of ['a', 'b']) await net.ip(`link set dev ${device} master br0`);
    const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
    const ready = () => awaitCarrier(net, 'b');
    await receives({ h, vm: b, port: 'tap:b', ready }, async () => {
      const sent = await a.agent(`send --count ${N} --payload full`);
      expect(sent.sent).toMatchObject({ packets: N });
    });
    // The rest came before the bridge had noticed a carrier, or when the queue of b was full.
    expect(h.packets('tap:a', 'tx')).toBe(N);
    const [link] = JSON.parse(await net.ip('-s -j link show dev a'));
    expect(link.stats64.rx.packets).toBe(N);
  },
);

vmTest(
  'from a switch by a member, and a bridge of the kernel, to a tap; QEMU killed in traffic',
  async () => {
    const net = await netns(BRIDGE);
    const h = await startHost(`
switches: { vale0: { members: ['tap:m'] } }
ports:
  'tap:m': { netns: ${net.path} }
  'tap:b': { netns: ${net.path} }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'tap:b' }] }
`);
    for (const device of ['m', 'b']) await net.ip(`link set dev ${device} master br0`);
    const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
    const ready = () => awaitCarrier(net, 'm', 'b');
    await killedInTraffic({ h, vm: b, port: 'tap:b', ready }, a, 'send --payload full', [
      'send --payload full',
    ]);
    const [member] = h.host.stats([]).members;
    const to = member!.rings.find(({ dir }) => dir === 'rx')!;
    const from = h.ring('vale0:1', 'tx');
    expect(to.packets).toBe(from.packets);
  },
);
