// A tap in a bridge with tunnels of the kernel's: a host whose packets are too long for one of them is told so before it runs, and when it becomes so.
import { expect, test } from 'vitest';
import { Netns } from '../harness/netns.ts';
import { onEnd, startHost } from './scene.ts';

async function netns(setUp: string): Promise<Netns> {
  const net = await Netns.open(`ip link add br0 type bridge
ip link add under type veth peer name cable
ip address add 192.0.2.1/24 dev under
ip link set dev under up
ip link set dev cable up
ip tuntap add dev keep mode tap
ip link set dev keep master br0
${setUp}`);
  onEnd(() => net.close());
  return net;
}

const config = (net: Netns, keys = ''): string => `
switches: { vale0: { members: ['tap:keep'] } }
ports: { 'tap:keep': { netns: ${net.path}, ${keys} } }
`;
const warning = (mtu: number, name: string, most: number, why: string): string =>
  `tap:keep: the interface has an mtu of ${mtu}, and what goes by '${name}' of its bridge 'br0' may have ${most} bytes at most (${why}): an mtu of ${most}, for it and for the guests that send there, would be right`;

test.each([
  // Without a device, the kernel gives it 1500 bytes that do not get through: the route says by what it leaves.
  [
    'ip link add vx type vxlan id 7 dstport 4789 remote 192.0.2.2',
    1450,
    "'under' has mtu 1500, and vxlan takes 50",
  ],
  ['ip link add vx type vxlan id 7 dstport 4789 remote 192.0.2.2 dev under', 1450, "'vx' has mtu 1450"],
  [
    `echo 0 > /proc/sys/net/ipv6/conf/under/disable_ipv6
ip address add 2001:db8::1/64 dev under nodad
ip link add vx type vxlan id 7 dstport 4789 remote 2001:db8::2`,
    1430,
    "'under' has mtu 1500, and vxlan takes 70",
  ],
])('%s', async (tunnel, most, why) => {
  const net = await netns(`${tunnel}\nip link set dev vx master br0`);
  const host = await startHost(config(net));
  expect(host.warnings()).toEqual([warning(1500, 'vx', most, why)]);
  const fine = await net.ip('-j link show dev keep');
  expect(JSON.parse(fine)[0].mtu).toBe(1500);
  await host.close();
  const right = await startHost(config(net, `mtu: ${most}`));
  expect(right.warnings()).toEqual([]);
  // It is said again when it is no longer so.
  await net.ip(`link set dev keep mtu ${most + 1}`);
  await expect
    .poll(() => right.warnings(), { timeout: 60_000 })
    .toEqual([warning(most + 1, 'vx', most, why)]);
});
