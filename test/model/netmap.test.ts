// Interfaces of the host in namespaces of the test's own: driver models, kernels and switches exchange packets by them, whatever becomes of the interfaces and of the guests.
import { describe, expect, test, vi } from 'vitest';
import { TestHost } from '../harness/host.ts';
import { attach, lines, logged, netns, run, startHost, WAIT_MS } from '../harness/interfaces.ts';
import type { Netns } from '../harness/netns.ts';
import { startReceiving } from '../harness/receiving.ts';
import { NOTHING, tcpBothWays } from '../harness/tcp-peer.ts';

const N = 20_000;
vi.setConfig({ testTimeout: 2 * WAIT_MS });
const CLEAN_BIG = { late: 0n, corrupt: 0n };
/** The two ends of a cable. */
const cable = (
  mtu = 1500,
): string => `ip link add name a mtu ${mtu} numrxqueues 1 type veth peer name b mtu ${mtu} numrxqueues 1
ip link set dev a up
ip link set dev b up`;
const interfaceOf = (host: TestHost, port: string) => host.host.stats([port]).ports[0]!.interface!;
const promiscuity = async (net: Netns, device: string): Promise<number> =>
  JSON.parse(await net.ip(`-d -j link show dev ${device}`))[0].promiscuity;
/** As the kernel calls the generic way of running an interface's program. */
const XDP_ATTACHED_SKB = 2;
const xdpMode = async (net: Netns, device: string): Promise<number> =>
  JSON.parse(await net.ip(`-d -j link show dev ${device}`))[0].xdp.mode;
const pidOf = (net: Netns): string => net.path.split('/')[2]!;

/** Two VMs, each with one end of a cable as its port. */
async function cabled(policy: string, keys = '', setUp = cable()): Promise<{ net: Netns; host: TestHost }> {
  const net = await netns(setUp);
  const host = await startHost(`
engine: { policy: ${policy} }
ports:
  'netmap:a': { netns: ${net.path}, ${keys} }
  'netmap:b': { netns: ${net.path}, ${keys} }
vms:
  vm1: { devices: [{ port: 'netmap:a' }] }
  vm2: { devices: [{ port: 'netmap:b' }] }
`);
  return { net, host };
}

describe.each(['af-packet', 'af-xdp'])('%s', (access) => {
  test.each(['poll', 'adaptive', 'notify', 'inline'])(
    'policy %s: from a guest by the one interface and the other to another guest',
    async (policy) => {
      const { net, host } = await cabled(policy, `access: ${access}`);
      const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
      expect(await promiscuity(net, 'a')).toBe(1);
      const receiving = run(b, { op: 'receive', idleMs: 2000, payload: 'full', sleep: true });
      const { sent } = await run(a, { op: 'send', count: BigInt(N), payload: 'full', sleep: true });
      const { received } = await receiving;
      expect(received).toMatchObject(CLEAN_BIG);
      expect(sent.packets).toBe(BigInt(N));
      expect(host.packets('netmap:a', 'tx')).toBe(N);
      const { access: by, lost } = interfaceOf(host, 'netmap:b');
      expect(by).toBe(access === 'af-xdp' ? 'af_xdp copy' : 'af_packet');
      if (access === 'af-xdp') expect(await xdpMode(net, 'b')).toBe(XDP_ATTACHED_SKB);
      expect(host.packets('netmap:b', 'rx')).toBeGreaterThan(0);
      expect(Number(received.packets)).toBe(host.packets('netmap:b', 'rx'));
      // AF_XDP's other losses are the veth's own, before there is a frame.
      if (access === 'af-packet') expect(host.packets('netmap:b', 'rx') + lost!.full).toBe(N);
      expect(host.warnings()).toEqual([]);
    },
  );

  test('an interface goes down, is renamed, deleted and comes back: a line each, and the ring positions stay', async () => {
    const { net, host } = await cabled('adaptive', `access: ${access}`);
    const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    const sending = await a.ports[0]!.startLoop({ op: 'send', rate: 5000, payload: 'full', sleep: true });
    const receiving = await b.ports[0]!.startLoop({ op: 'receive', payload: 'full', sleep: true });
    const goesOn = async () => {
      const before = receiving.progress().received;
      await expect.poll(() => receiving.progress().received > before + 100n, { timeout: WAIT_MS }).toBe(true);
    };
    await goesOn();
    await net.ip('link set dev a down');
    await logged(host, "netmap:a: the interface 'a' is down");
    await expect.poll(() => host.ring('netmap:a', 'tx').drops.down, { timeout: WAIT_MS }).toBeGreaterThan(0);
    await net.ip('link set dev a up');
    await logged(host, "netmap:a: the interface 'a' is up");
    await goesOn();
    await net.ip('link set dev b down');
    await net.ip('link set dev b name c up');
    await logged(host, "netmap:b: the interface is called 'c' now");
    await goesOn();
    const downs = lines(host).filter((line) => line.startsWith('netmap:a: ') && line.endsWith('is down'));
    expect(downs).toHaveLength(1);
    await net.ip('link del dev c');
    for (const [port, name] of [
      ['a', 'a'],
      ['b', 'c'],
    ])
      await logged(
        host,
        `netmap:${port}: the interface '${name}' was deleted: it is opened again as soon as it can be`,
      );
    for (const command of cable().split('\n')) await net.run('sh', '-c', command);
    for (const port of ['a', 'b'])
      await logged(host, `netmap:${port}: the interface '${port}' is there again`);
    await goesOn();
    sending.stop();
    await sending.done;
    receiving.stop();
    const { received } = await receiving.done;
    expect(received).toMatchObject(CLEAN_BIG);
    expect(host.warnings()).toEqual([]);
  });
});

test('packets of 9000 bytes lie in several slots, of four rings', async () => {
  const { host } = await cabled('adaptive', 'tx-rings: 4, rx-rings: 4', cable(9000));
  const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
  const receiving = await startReceiving(host, 'netmap:b', b);
  await run(a, { op: 'send', count: 2000n, size: 9014, frags: 5, payload: 'full', sleep: true });
  const received = await receiving.all(2000, () => interfaceOf(host, 'netmap:b').lost!.full);
  expect(received).toMatchObject({ corrupt: 0n });
});

test('two kernels on a switch: TCP both ways at once, every byte of it', async () => {
  const [left, right] = [await netns(), await netns()];
  const net = await netns(
    [left, right]
      .map(
        (far, i) => `ip link add name n${i} type veth peer name far netns ${pidOf(far)}
ip link set dev n${i} up`,
      )
      .join('\n'),
  );
  for (const [i, far] of [left, right].entries()) {
    await far.ip(`address add 192.0.2.${i + 1}/24 dev far`);
    await far.ip('link set far up');
  }
  const host = await startHost(`
engine: { workers: 2 }
switches: { vale0: { members: ['netmap:n0', 'netmap:n1'] } }
ports:
  'netmap:n0': { netns: ${net.path}, tx-rings: 2, rx-rings: 2 }
  'netmap:n1': { netns: ${net.path} }
`);
  const { client, server } = await tcpBothWays(left, right, '192.0.2.2', 4_000_000);
  expect(client.got).toBe(server.sent);
  expect(server.got).toBe(client.sent);
  expect(client.got).not.toBe(NOTHING);
  const now = () => host.host.stats([]).members;
  expect(now()[0]!.interface).toMatchObject({ name: 'n0', mtu: 1500, made: false, access: 'af_packet' });
  const sum = (name: string, dir: string, key: 'packets' | 'bytes') =>
    now()
      .find((member) => member.name === name)!
      .rings.filter((ring) => ring.dir === dir)
      .reduce((total, ring) => total + ring[key], 0);
  // A kernel has a packet before it is counted.
  await expect
    .poll(() => sum('netmap:n0', 'tx', 'packets') - sum('netmap:n1', 'rx', 'packets'), { timeout: WAIT_MS })
    .toBe(0);
  // The kernels leave the cutting to the interfaces, and so do we.
  expect(sum('netmap:n0', 'tx', 'bytes') / sum('netmap:n0', 'tx', 'packets')).toBeGreaterThan(1514);
  await host.close();
  expect(await promiscuity(net, 'n0')).toBe(0);
});

test('the host beside its interface: IF^ is a tap that reaches what IF is connected to', async () => {
  const far = await netns();
  const net = await netns(`ip link add name n mtu 4000 type veth peer name far mtu 4000 netns ${pidOf(far)}
ip link set dev n up`);
  await far.ip('address add 192.0.2.2/24 dev far');
  await far.ip('link set far up');
  const host = await startHost(`
switches: { vale0: { members: ['netmap:n', 'netmap:n^'] } }
ports:
  'netmap:n': { netns: ${net.path} }
  'netmap:n^': { netns: ${net.path}, address: 192.0.2.1/24 }
`);
  const { client, server } = await tcpBothWays(net, far, '192.0.2.2', 1_000_000);
  expect([client.got, server.got]).toEqual([server.sent, client.sent]);
  expect(client.got).not.toBe(NOTHING);
  expect(host.host.stats([]).members.map((member) => member.interface)).toMatchObject([
    { name: 'n', mtu: 4000, access: 'af_packet' },
    { name: 'n^', mtu: 4000, access: 'tap', made: true },
  ]);
});

describe('loops', () => {
  const onSwitch = (net: Netns, one: string, other: string): string => `
switches: { vale0: { members: ['${one}', '${other}'] } }
ports:
  '${one}': { netns: ${net.path} }
  '${other}': { netns: ${net.path} }
`;

  test('a bridge and a tap in it', async () => {
    const net = await netns('ip link add name br0 type bridge mcast_snooping 0\nip link set dev br0 up');
    const host = await startHost(onSwitch(net, 'netmap:br0', 'tap:t'));
    await net.ip('link set dev t master br0');
    await logged(
      host,
      "tap:t: it belongs to the same bridge as netmap:br0 does, and both are on switch 'vale0', which makes a loop: it has no carrier until one of the two has left the bridge",
    );
    await net.ip('link set dev t nomaster');
    await logged(host, 'tap:t: the loop is open: it has a carrier again');
  });

  test('both ends of a cable', async () => {
    const net = await netns(cable());
    const host = await startHost(onSwitch(net, 'netmap:a', 'netmap:b'));
    await logged(
      host,
      "netmap:b: it is the other end of the veth pair of netmap:a, and both are on switch 'vale0', which makes a loop: it has no carrier while it is a member",
    );
    expect(await promiscuity(net, 'a')).toBe(1);
    expect(await promiscuity(net, 'b')).toBe(0);
  });
});

test('what is down or connected to nothing is told, and waited for', async () => {
  const net = await netns(
    'ip link add name a type veth peer name b\nip link add name c type veth peer name d\nip link set dev c up',
  );
  const host = await startHost(`
switches: { vale0: { members: ['netmap:a', 'netmap:c'] } }
ports:
  'netmap:a': { netns: ${net.path} }
  'netmap:c': { netns: ${net.path} }
`);
  expect(host.warnings()).toEqual([
    "netmap:a: 'a' is down: 'ip link set a up' would be right",
    "netmap:c: 'c' has no carrier: nothing passes before something is connected to it",
  ]);
  await net.ip('link set dev d up');
  await logged(host, "netmap:c: the interface 'c' has a carrier");
  expect(host.host.stats([]).members[1]!.interface).toMatchObject({ up: true, carrier: true });
});

test('an interface that changes all the time gets no more lines than a log can hold', async () => {
  const net = await netns(cable());
  const host = await startHost(`
switches: { vale0: { members: ['netmap:a'] } }
ports: { 'netmap:a': { netns: ${net.path} } }
`);
  await net.run('sh', '-c', 'for i in $(seq 1 100); do ip link set dev a mtu $((1400 + i)); done');
  await expect.poll(() => host.host.stats([]).members[0]!.interface.mtu, { timeout: WAIT_MS }).toBe(1500);
  // What it is, ten changes, and the hundredth where none were told of together.
  expect([11, 12]).toContain(lines(host).length);
});

test('what cannot be had is said in one line, and nothing is left of it', async () => {
  const net = await netns(`${cable()}
ip link add name br0 type bridge
ip link add name p type veth peer name q
ip link set dev p master br0`);
  const shown = () => net.ip('-d -j link show');
  const before = await shown();
  const yaml = (name: string, keys: string) => `
switches: { vale0: { members: ['netmap:b'] } }
ports:
  'netmap:b': { netns: ${net.path} }
  '${name}': { netns: ${net.path}, ${keys} }
vms: { vm1: { devices: [{ port: '${name}' }] } }`;
  for (const [name, keys, message] of [
    [
      'netmap:eth7',
      '',
      "netmap:eth7: there is no interface 'eth7' in its namespace: one that 'ip link' shows would be right",
    ],
    [
      'netmap:eth7^',
      '',
      "netmap:eth7^: there is no interface 'eth7': one that 'ip link' shows would be right",
    ],
    [
      'netmap:lo',
      '',
      "netmap:lo: 'lo' is the loopback, which reaches nobody else: 'tap:lan' would be right for the host's own network",
    ],
    [
      'netmap:p',
      '',
      "netmap:p: 'p' belongs to the bridge 'br0', which takes its frames: a tap that belongs to it too ('tap:lan', then 'ip link set lan master br0'), or 'ip link set p nomaster', would be right",
    ],
    [
      'netmap:a',
      'mtu: 9000, rx-slots: 4',
      'netmap:a: frames of mtu 9000 do not fit the 3 slots of 2048 bytes that a packet may have: rx-slots of 6, larger buffers, or an mtu of 6109 would be right',
    ],
    [
      'netmap:a',
      'mtu: 9000, access: af-xdp',
      'netmap:a: AF_XDP: an MTU of 9000 is too large: 3498 at most, or AF_PACKET',
    ],
    [
      'netmap:a',
      'access: af-xdp, tx-rings: 3, rx-rings: 3',
      "netmap:a: AF_XDP takes frames by queue: 'a' has 1 and there are 3 pairs of rings: 'ethtool -L a combined 3', or as many rings as queues, would be right",
    ],
  ] as const) {
    await expect(TestHost.start(yaml(name, keys))).rejects.toThrow(message);
    expect(await shown()).toBe(before);
  }
  await expect(
    TestHost.start(
      "vms: { vm1: { devices: [{ port: 'netmap:x' }] } }\nports: { 'netmap:x': { netns: nowhere } }",
    ),
  ).rejects.toThrow(
    "netmap:x: network namespace 'nowhere' is not there: 'ip netns add nowhere', or another name, would be right",
  );
});
