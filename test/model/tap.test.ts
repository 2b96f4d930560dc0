// Taps in namespaces of the test's own: driver models, kernels and switches exchange packets by them, whatever becomes of the interfaces and of the guests.
import { execa } from 'execa';
import { describe, expect, test, vi } from 'vitest';
import { openGuest } from '../../guest-driver/model/index.ts';
import { TestHost } from '../harness/host.ts';
import { attach, lines, logged, netns, run, startHost, WAIT_MS } from '../harness/interfaces.ts';
import type { Netns } from '../harness/netns.ts';
import { NOTHING, tcpBothWays } from '../harness/tcp-peer.ts';

const N = 20_000;
vi.setConfig({ testTimeout: 2 * WAIT_MS });
/** One that sends nothing by itself. */
const BRIDGE = 'ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 up';
const CLEAN_BIG = { late: 0n, corrupt: 0n };

/** Waits until the kernel's queues have noticed the carrier: what it sends before is lost. */
async function awaitCarrier(net: Netns, ...devices: string[]): Promise<void> {
  for (const device of devices)
    await expect
      .poll(async () => (await net.ip(`-j link show dev ${device}`)).includes('"operstate":"UP"'), {
        timeout: WAIT_MS,
      })
      .toBe(true);
}

/** Two VMs, each with a tap as its port; the kernel bridges them. */
async function bridged(policy: string, keys = '', rings = ''): Promise<{ net: Netns; host: TestHost }> {
  const net = await netns(BRIDGE);
  const host = await startHost(`
engine: { policy: ${policy} }
ports:
  'tap:a': { netns: ${net.path}, ${keys} ${rings} }
  'tap:b': { netns: ${net.path}, ${keys} ${rings} }
vms:
  vm1: { devices: [{ port: 'tap:a' }] }
  vm2: { devices: [{ port: 'tap:b' }] }
`);
  for (const device of ['a', 'b']) await net.ip(`link set dev ${device} master br0`);
  return { net, host };
}

describe.each(['poll', 'adaptive', 'notify', 'inline'])('policy %s', (policy) => {
  test('from a guest to the kernel and back to another one', async () => {
    const { net, host } = await bridged(policy);
    const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    await awaitCarrier(net, 'a', 'b', 'br0');
    const receiving = run(b, { op: 'receive', idleMs: 2000, payload: 'full', sleep: true });
    const { sent } = await run(a, { op: 'send', count: BigInt(N), payload: 'full', sleep: true });
    const { received } = await receiving;
    expect(received).toMatchObject(CLEAN_BIG);
    expect(sent.packets).toBe(BigInt(N));
    expect(host.packets('tap:a', 'tx') + host.drops('tap:a', 'tx')).toBe(N);
    // What the kernel could not put into the queue of b it has counted, some of it more than once.
    expect(host.packets('tap:b', 'rx') + (await net.dropped('b'))).toBeGreaterThanOrEqual(N);
    expect(Number(received.packets)).toBe(host.packets('tap:b', 'rx'));
    expect(host.packets('tap:b', 'rx')).toBeGreaterThan(0);
  });
});

test('packets of 9000 bytes lie in several slots, of four rings', async () => {
  const { net, host } = await bridged('adaptive', 'mtu: 9000,', 'tx-rings: 4, rx-rings: 4');
  await net.ip('link set dev br0 mtu 9000');
  const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
  await awaitCarrier(net, 'a', 'b', 'br0');
  const receiving = run(b, { op: 'receive', idleMs: 2000, payload: 'full', sleep: true });
  await run(a, { op: 'send', count: 2000n, size: 9014, frags: 5, payload: 'full', sleep: true });
  const { received } = await receiving;
  expect(received).toMatchObject({ corrupt: 0n });
  expect(host.packets('tap:b', 'rx') + (await net.dropped('b'))).toBeGreaterThanOrEqual(2000);
  expect(Number(received.packets)).toBe(host.packets('tap:b', 'rx'));
  expect(Number(received.packets)).toBeGreaterThan(0);
});

test('two kernels on a switch: TCP both ways at once, every byte of it', async () => {
  const BYTES = 4_000_000;
  const [left, right] = [await netns(), await netns()];
  const host = await startHost(`
engine: { workers: 2 }
switches: { vale0: { members: ['tap:a', 'tap:b'] } }
ports:
  'tap:a': { netns: ${left.path}, address: 192.0.2.1/24, tx-rings: 2, rx-rings: 2 }
  'tap:b': { netns: ${right.path}, address: [192.0.2.2/24] }
`);
  const { client, server } = await tcpBothWays(left, right, '192.0.2.2', BYTES);
  expect(client.got).toBe(server.sent);
  expect(server.got).toBe(client.sent);
  expect(client.got).not.toBe(NOTHING);
  const now = () => host.host.stats([]).members;
  const members = now();
  expect(members.map(({ name, switch: vale }) => [name, vale])).toEqual([
    ['tap:a', 'vale0'],
    ['tap:b', 'vale0'],
  ]);
  expect(members[0]!.interface).toMatchObject({ name: 'a', mtu: 1500, made: true, gone: false });
  const packets = (name: string, dir: string) =>
    now()
      .find((member) => member.name === name)!
      .rings.filter((ring) => ring.dir === dir)
      .reduce((sum, ring) => sum + ring.packets, 0);
  // A kernel has a packet before it is counted.
  for (const [from, to] of [
    ['tap:a', 'tap:b'],
    ['tap:b', 'tap:a'],
  ] as const)
    await expect.poll(() => packets(from, 'tx') - packets(to, 'rx'), { timeout: WAIT_MS }).toBe(0);
  // None is larger than 64 KiB.
  expect(packets('tap:a', 'tx')).toBeGreaterThan(BYTES / 65_536);
});

test('an interface goes down, is renamed, deleted and comes back: a line each, and the ring positions stay', async () => {
  const { net, host } = await bridged('adaptive');
  const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
  await awaitCarrier(net, 'a', 'b', 'br0');
  const sending = await a.ports[0]!.startLoop({ op: 'send', rate: 5000, payload: 'full', sleep: true });
  const receiving = await b.ports[0]!.startLoop({ op: 'receive', payload: 'full', sleep: true });
  const goesOn = async () => {
    const before = receiving.progress().received;
    await expect.poll(() => receiving.progress().received > before + 100n, { timeout: WAIT_MS }).toBe(true);
  };
  await goesOn();
  await net.ip('link set dev a down');
  await logged(host, "tap:a: the interface 'a' is down");
  await expect.poll(() => host.ring('tap:a', 'tx').drops.down, { timeout: WAIT_MS }).toBeGreaterThan(0);
  await net.ip('link set dev a up');
  await logged(host, "tap:a: the interface 'a' is up");
  await goesOn();
  await net.ip('link set dev b down');
  await net.ip('link set dev b name c up');
  await logged(host, "tap:b: the interface is called 'c' now");
  await goesOn();
  await net.ip('link del dev c');
  await logged(host, "tap:b: the interface 'c' was deleted: it is opened again as soon as it can be");
  await logged(host, "tap:b: the interface 'b' is there again");
  await net.ip('link set dev b master br0');
  await goesOn();
  sending.stop();
  await sending.done;
  receiving.stop();
  const { received } = await receiving.done;
  expect(received).toMatchObject(CLEAN_BIG);
  const downs = lines(host).filter((line) => line.startsWith('tap:a: ') && line.endsWith('is down'));
  expect(downs).toHaveLength(1);
  expect(host.warnings()).toEqual([]);
});

test('the carrier follows the guest; one that ends in traffic disturbs nobody', async () => {
  const { net, host } = await bridged('adaptive');
  const carrier = async (device: string) => (await net.ip(`-j link show dev ${device}`)).includes('LOWER_UP');
  expect(await carrier('a')).toBe(false);
  const b = await attach(host, 'vm2');
  for (let round = 0; round < 3; round++) {
    const [memdev, ...ptnet] = host.sockets('vm1');
    const a = await openGuest({ memdev: memdev!, ptnet });
    await a.create();
    await awaitCarrier(net, 'a', 'b', 'br0');
    expect(await carrier('a')).toBe(true);
    const receiving = await b.ports[0]!.startLoop({
      op: 'receive',
      count: 500n,
      payload: 'none',
      sleep: true,
    });
    const sending = await a.ports[0]!.startLoop({ op: 'send', rate: 5000, payload: 'none', sleep: true });
    await receiving.done;
    // Its connections end while it sends.
    sending.done.catch(() => {});
    await a.close();
    await expect.poll(() => carrier('a'), { timeout: WAIT_MS }).toBe(false);
  }
});

test('a bridge that two members of a switch belong to makes no loop', async () => {
  const net = await netns(BRIDGE);
  const host = await startHost(`
switches: { vale0: { members: ['tap:a', 'tap:b'] } }
ports:
  'tap:a': { netns: ${net.path} }
  'tap:b': { netns: ${net.path} }
`);
  await net.ip('link set dev a master br0');
  await net.ip('link set dev b master br0');
  await logged(
    host,
    "tap:b: it belongs to the same bridge as tap:a does, and both are on switch 'vale0', which makes a loop: it has no carrier until one of the two has left the bridge",
  );
  expect(await net.ip('-j link show dev b')).not.toContain('LOWER_UP');
  expect(await net.ip('-j link show dev a')).toContain('LOWER_UP');
  await net.ip('link set dev a nomaster');
  await logged(host, 'tap:b: the loop is open: it has a carrier again');
  expect(await net.ip('-j link show dev b')).toContain('LOWER_UP');
});

test('what cannot be had is said in one line, and nothing is left of it', async () => {
  const net = await netns('ip link add br0 type bridge\nip tuntap add dev keep mode tap');
  const yaml = (name: string, keys: string, more = '') => `
switches: { vale0: { members: ['tap:first'] } }
ports:
  'tap:first': { netns: ${net.path} }
  '${name}': { netns: ${net.path}, ${keys} }
vms: { vm1: { devices: [{ port: '${name}' }] } }
${more}`;
  for (const [name, keys, message] of [
    [
      'tap:br0',
      '',
      "tap:br0: 'br0' is an interface of another kind (bridge): a name of its own, such as 'pt0', would be right",
    ],
    [
      'tap:big',
      'mtu: 9000, rx-slots: 4',
      'tap:big: frames of mtu 9000 do not fit the 3 slots of 2048 bytes that a packet may have: rx-slots of 6, larger buffers, or an mtu of 6109 would be right',
    ],
    [
      'tap:keep',
      'tx-rings: 4, rx-rings: 4',
      "tap:keep: 'keep' was made for one queue and 4 are asked for: 'ip tuntap add keep mode tap multi_queue', or one ring, would be right",
    ],
  ] as const) {
    await expect(TestHost.start(yaml(name, keys))).rejects.toThrow(message);
    const names = JSON.parse(await net.ip('-j link show')).map(({ ifname }: { ifname: string }) => ifname);
    expect(names.toSorted()).toEqual(['br0', 'keep', 'lo']);
  }
  await expect(
    TestHost.start("ports: { 'tap:x': { netns: nowhere } }\nvms: { vm1: { devices: [{ port: 'tap:x' }] } }"),
  ).rejects.toThrow(
    "tap:x: network namespace 'nowhere' is not there: 'ip netns add nowhere', or another name, would be right",
  );
});

test('a tap that was there stays, one that was made goes with the host', async () => {
  const net = await netns('ip tuntap add dev keep mode tap');
  const host = await TestHost.start(`
switches: { vale0: { members: ['tap:keep', 'tap:pt%d'] } }
ports:
  'tap:keep': { netns: ${net.path} }
  'tap:pt%d': { netns: ${net.path} }
`);
  expect(lines(host)).toEqual([
    "tap:keep: the interface 'keep', mtu 1500, was there, and stays",
    "tap:pt%d: the interface 'pt0', mtu 1500, made, and goes with the host",
  ]);
  await host.close();
  const { stdout } = await execa(net.within[0]!, [...net.within.slice(1), 'ip', '-j', 'link', 'show']);
  const names = JSON.parse(stdout).map(({ ifname }: { ifname: string }) => ifname);
  expect(names.toSorted()).toEqual(['keep', 'lo']);
});
