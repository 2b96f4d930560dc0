// Guests with a kernel's network stack behind all kinds of virtio-net header: TCP, ping and fragments between them, to the host and beyond it.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { inspectAny } from '../harness/frames.ts';
import { TestHost } from '../harness/host.ts';
import { KernelGuest, type KernelGuestOptions } from '../harness/kernel-guest.ts';
import { Netns } from '../harness/netns.ts';
import { NOTHING, tcpBothWays } from '../harness/tcp-peer.ts';

/** Only ends a test that hangs. */
const WAIT_MS = 100_000;
vi.setConfig({ testTimeout: 2 * WAIT_MS });
const TCP_BYTES = 8 << 20;
const PINGS = [56, 1472, 1473, 9000, 65_000];
const IPV6 = 'echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6';
const A = { v4: '192.0.2.1', v6: '2001:db8::1' };
const B = { v4: '192.0.2.2', v6: '2001:db8::2' };
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function netns(setUp = ''): Promise<Netns> {
  const opened = await Netns.open(`${IPV6}\n${setUp}`);
  closers.push(() => opened.close());
  return opened;
}

async function startHost(yaml: string): Promise<TestHost> {
  const host = await TestHost.start(yaml);
  closers.push(() => host.close());
  return host;
}

async function boot(
  host: TestHost,
  vm: string,
  station: typeof A,
  options: Omit<KernelGuestOptions, 'addresses'>,
): Promise<KernelGuest> {
  const addresses = [`${station.v4}/24`, `${station.v6}/64`];
  const guest = await KernelGuest.start(host, vm, await netns(), { ...options, addresses });
  closers.push(() => guest.close());
  return guest;
}

/** From one namespace to addresses in another: the first packet takes an answer to ARP, the larger ones are fragments. */
async function ping(from: Netns, to: typeof A): Promise<void> {
  for (const address of [to.v4, to.v6]) {
    // What is sent before a carrier has been noticed is lost.
    await from.run('ping', '-n', '-c', '1', '-w', '60', '-i', '0.2', address);
    // Of several it waits for the last one no longer than twice as long as the others took.
    for (const size of PINGS)
      expect(await from.run('ping', '-n', '-c', '1', '-W', '60', '-s', String(size), address)).toContain(
        '1 received, 0% packet loss',
      );
  }
}

async function tcp(from: Netns, to: Netns, address: typeof A): Promise<void> {
  for (const host of [address.v4, address.v6]) {
    const { client, server } = await tcpBothWays(from, to, host, TCP_BYTES);
    expect(client.got).toBe(server.sent);
    expect(server.got).toBe(client.sent);
    expect(client.got).not.toBe(NOTHING);
  }
}

/** Whoever takes no offloads gets no frame that has one left to do, nor one that is longer than its interface's. */
function expectWhole(guest: KernelGuest, mtu: number): void {
  const frames = guest.captured();
  expect(frames.length).toBeGreaterThan(1000);
  for (const frame of frames) {
    inspectAny(frame);
    expect(frame.length).toBeLessThanOrEqual(14 + mtu);
  }
}

describe.each([1500, 9000])('between a guest and its host, mtu %i', (mtu) => {
  test.each([
    [12, 'true', 1],
    [10, 'true', 4],
    [0, 'true', 1],
    [0, 'false', 4],
  ])('a header of %i bytes, vnet-hdr: %s, %i queues', async (vnetHdrLen, vnetHdr, queues) => {
    const net = await netns();
    const host = await startHost(`
ports:
  'tap:h':
    { netns: ${net.path}, mtu: ${mtu}, vnet-hdr: ${vnetHdr}, tx-rings: ${queues}, rx-rings: ${queues} }
vms: { vm1: { devices: [{ port: 'tap:h' }] } }
`);
    for (const address of [`${B.v4}/24`, `${B.v6}/64 nodad`]) await net.ip(`address add ${address} dev h`);
    const guest = await boot(host, 'vm1', A, { vnetHdrLen, mtu, capture: true });
    await ping(guest.netns, B);
    await ping(net, A);
    await tcp(guest.netns, net, B);
    if (vnetHdrLen === 0) expectWhole(guest, mtu);
    // Of what both can take whole, it goes whole.
    else expect(Math.max(...guest.captured().map((frame) => frame.length))).toBeGreaterThan(20_000);
    expect(host.drops('tap:h', 'tx')).toBe(0);
    expect(host.drops('tap:h', 'rx')).toBe(0);
  });
});

describe.each([1500, 9000])('between guests on a switch, mtu %i', (mtu) => {
  test.each([
    [12, 12],
    [12, 0],
    [0, 12],
    [0, 0],
    [10, 12],
  ])('headers of %i and %i bytes', async (first, second) => {
    const host = await startHost(`
switches: { vale0: { mtu: ${mtu} } }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
    const a = await boot(host, 'vm1', A, { vnetHdrLen: first, mtu, capture: true });
    const b = await boot(host, 'vm2', B, { vnetHdrLen: second, mtu, capture: true });
    await ping(a.netns, B);
    await ping(b.netns, A);
    await tcp(a.netns, b.netns, B);
    for (const [guest, length] of [
      [a, first],
      [b, second],
    ] as const)
      if (length === 0) expectWhole(guest, mtu);
    for (const port of ['vale0:1', 'vale0:2'])
      expect(host.ring(port, 'tx').drops['bad-vnet'] + host.ring(port, 'rx').drops['too-long']).toBe(0);
  });
});

/** A bridge with the host's tap `h`, and beyond it, by a veth pair, a station of its own. */
async function beyond(): Promise<{ bridge: Netns; peer: Netns; add: () => Promise<void> }> {
  const bridge = await netns('ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 up');
  const peer = await netns();
  await bridge.ip(`link add v0 type veth peer name v1 netns ${peer.path}`);
  await bridge.ip('link set dev v0 master br0 up');
  for (const address of [`${B.v4}/24`, `${B.v6}/64 nodad`]) await peer.ip(`address add ${address} dev v1`);
  await peer.ip('link set dev v1 up');
  return { bridge, peer, add: async () => void (await bridge.ip('link set dev h master br0')) };
}

describe('beyond the host, by a bridge and a veth pair', () => {
  test.each([12, 0])('from a tap, a header of %i bytes', async (vnetHdrLen) => {
    const { bridge, peer, add } = await beyond();
    const host = await startHost(`
ports: { 'tap:h': { netns: ${bridge.path} } }
vms: { vm1: { devices: [{ port: 'tap:h' }] } }
`);
    await add();
    const guest = await boot(host, 'vm1', A, { vnetHdrLen, capture: true });
    await ping(guest.netns, B);
    await tcp(guest.netns, peer, B);
    if (vnetHdrLen === 0) expectWhole(guest, 1500);
  });

  test.each(['true', 'false'])('from guests on a switch, vnet-hdr: %s of its member', async (vnetHdr) => {
    const { bridge, peer, add } = await beyond();
    const host = await startHost(`
switches: { vale0: { members: ['tap:h'] } }
ports: { 'tap:h': { netns: ${bridge.path}, vnet-hdr: ${vnetHdr} } }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
    await add();
    const C = { v4: '192.0.2.3', v6: '2001:db8::3' };
    const a = await boot(host, 'vm1', A, { vnetHdrLen: 12 });
    const c = await boot(host, 'vm2', C, { vnetHdrLen: 0, capture: true });
    for (const guest of [a, c]) {
      await ping(guest.netns, B);
      await tcp(guest.netns, peer, B);
    }
    await ping(a.netns, C);
    await tcp(a.netns, c.netns, C);
    expectWhole(c, 1500);
    const [member] = host.host.stats([]).members;
    for (const { drops } of member!.rings) expect(drops['bad-vnet'] + drops['bad-len']).toBe(0);
  });
});

describe('in traffic', () => {
  test('an interface goes down, is renamed, deleted and comes back: the connection lives on', async () => {
    const net = await netns();
    const host = await startHost(`
ports: { 'tap:h': { netns: ${net.path}, address: [${B.v4}/24] } }
vms: { vm1: { devices: [{ port: 'tap:h' }] } }
`);
    const guest = await boot(host, 'vm1', A, { vnetHdrLen: 12 });
    await ping(guest.netns, { v4: B.v4, v6: B.v4 });
    const moved = () => host.packets('tap:h', 'tx') + host.packets('tap:h', 'rx');
    const going = async () => {
      const before = moved();
      await expect.poll(moved, { timeout: WAIT_MS }).toBeGreaterThan(before + 100);
    };
    const talking = tcpBothWays(guest.netns, net, B.v4, 256 << 20);
    await going();
    await net.ip('link set dev h down');
    await net.ip('link set dev h name other');
    await net.ip('link set dev other up');
    await going();
    await net.ip('link del dev other');
    await expect
      .poll(() => host.log.map(({ message }) => message), { timeout: WAIT_MS })
      .toContain("tap:h: the interface 'h' is there again");
    const { client, server } = await talking;
    expect(client.got).toBe(server.sent);
    expect(server.got).toBe(client.sent);
  });

  test('a guest that is killed, and one with another header that comes after it', async () => {
    const net = await netns();
    const host = await startHost(`
ports: { 'tap:h': { netns: ${net.path}, address: [${B.v4}/24, '${B.v6}/64'] } }
vms: { vm1: { devices: [{ port: 'tap:h' }] } }
`);
    for (const vnetHdrLen of [12, 0, 10, 12]) {
      const addresses = [`${A.v4}/24`, `${A.v6}/64`];
      const doomed = await KernelGuest.start(host, 'vm1', await netns(), { vnetHdrLen, addresses });
      await ping(doomed.netns, B);
      const before = host.packets('tap:h', 'tx');
      const cancel = new AbortController();
      const talking = tcpBothWays(doomed.netns, net, B.v4, 256 << 20, cancel.signal).catch(() => undefined);
      await expect
        .poll(() => host.packets('tap:h', 'tx'), { timeout: WAIT_MS })
        .toBeGreaterThan(before + 100);
      await doomed.close(true);
      cancel.abort();
      await talking;
    }
    const guest = await boot(host, 'vm1', A, { vnetHdrLen: 0, capture: true });
    await tcp(guest.netns, net, B);
    expectWhole(guest, 1500);
  });
});
