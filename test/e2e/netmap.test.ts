// Real VMs and interfaces of the host: packets by the two ends of a cable, and from a switch whose member an interface is; QEMU killed in traffic.
import { expect } from 'vitest';
import { netns } from '../harness/interfaces.ts';
import type { Netns } from '../harness/netns.ts';
import { killedInTraffic, receives, WAIT_MS } from './receiving.ts';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const N = 50_000;
const CABLE = `ip link add name a numrxqueues 1 type veth peer name b numrxqueues 1
ip link set dev a up
ip link set dev b up`;
/** The interface is promiscuous while its guest's driver has its rings; what comes before is for nobody. */
async function awaitServed(net: Netns, device: string): Promise<void> {
  const promiscuity = async () => JSON.parse(await net.ip(`-d -j link show dev ${device}`))[0].promiscuity;
  await expect.poll(promiscuity, { timeout: WAIT_MS }).toBe(1);
}

for (const access of ['af-packet', 'af-xdp'])
  vmTest(
    `two VMs by an interface each and the cable between them, ${access}: each packet arrives unaltered, or is counted`,
    async () => {
      const net = await netns(CABLE);
      const h = await startHost(`
ports:
  'netmap:a': { netns: ${net.path}, access: ${access} }
  'netmap:b': { netns: ${net.path}, access: ${access} }
vms:
  vm1: { devices: [{ port: 'netmap:a' }] }
  vm2: { devices: [{ port: 'netmap:b' }] }
`);
      const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
      const ready = () => awaitServed(net, 'b');
      const received = await receives({ h, vm: b, port: 'netmap:b', ready }, async () => {
        const sent = await a.agent(`send --count ${N} --payload full`);
        expect(sent.sent).toMatchObject({ packets: N });
      });
      expect(h.packets('netmap:a', 'tx')).toBe(N);
      const { lost } = h.host.stats(['netmap:b']).ports[0]!.interface!;
      // AF_XDP's other losses are the veth's own, before there is a frame.
      if (access === 'af-packet') expect(received.packets + lost!.full).toBe(N);
    },
  );

vmTest('from a switch by a member and a cable to another VM; QEMU killed in traffic', async () => {
  const net = await netns(CABLE);
  const h = await startHost(`
switches: { vale0: { members: ['netmap:a'] } }
ports:
  'netmap:a': { netns: ${net.path} }
  'netmap:b': { netns: ${net.path} }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'netmap:b' }] }
`);
  const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  await killedInTraffic({ h, vm: b, port: 'netmap:b' }, a, 'send --payload full', ['send --payload full']);
  const [member] = h.host.stats([]).members;
  const to = member!.rings.find(({ dir }) => dir === 'rx')!;
  const from = h.ring('vale0:1', 'tx');
  expect(to.packets).toBe(from.packets);
});
