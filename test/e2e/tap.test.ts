// Real VMs and the host's network: packets by taps and the kernel's bridge, beside a switch, and QEMU killed in traffic.
import { afterEach, expect } from 'vitest';
import { Netns } from '../harness/netns.ts';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const N = 50_000;
const WAIT_MS = 120_000;
const BRIDGE = 'ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 up';
const namespaces: Netns[] = [];

async function netns(setUp: string): Promise<Netns> {
  const opened = await Netns.open(setUp);
  namespaces.push(opened);
  return opened;
}

afterEach(async () => {
  for (const opened of namespaces.splice(0)) await opened.close();
});

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
    const receiving = b.agentStart('receive --seconds 600 --idle-ms 5000 --payload full');
    await awaitCarrier(net, 'b');
    const sent = await a.agent(`send --count ${N} --payload full`);
    expect(sent.sent).toMatchObject({ packets: N });
    const { received } = (await receiving.done) as unknown as { received: Record<string, number> };
    expect(received).toMatchObject({ late: 0, corrupt: 0 });
    expect(received.packets).toBe(h.packets('tap:b', 'rx'));
    expect(received.packets).toBeGreaterThan(0);
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
    let before = 0;
    /** vm2 receives until nothing comes any more; `during` ends when enough is on its way. */
    const receives = async (during: () => Promise<void>) => {
      before = h.packets('tap:b', 'rx');
      const receiving = b.agentStart('receive --seconds 600 --idle-ms 5000 --payload full');
      await awaitCarrier(net, 'm', 'b');
      await during();
      const { received } = (await receiving.done) as unknown as { received: Record<string, number> };
      expect(received).toMatchObject({ late: 0, corrupt: 0 });
      expect(received.packets).toBe(h.packets('tap:b', 'rx') - before);
    };
    const enough = () =>
      expect.poll(() => h.packets('tap:b', 'rx') - before, { timeout: WAIT_MS }).toBeGreaterThan(1000);
    await receives(async () => {
      const doomed = a.agentStart('send --seconds 60 --rate 2000 --payload full');
      doomed.done.catch(() => {});
      await enough();
      a.kill('SIGKILL');
      await a.exited;
    });
    const next = await boot(h, 'vm1');
    await receives(async () => {
      const sent = next.agent('send --count 4000 --rate 2000 --payload full');
      await enough();
      expect((await sent).sent).toMatchObject({ packets: 4000 });
    });
    const [member] = h.host.stats([]).members;
    const to = member!.rings.find(({ dir }) => dir === 'rx')!;
    const from = h.ring('vale0:1', 'tx');
    expect(to.packets).toBe(from.packets);
    expect(h.warnings()).toEqual([]);
  },
);
