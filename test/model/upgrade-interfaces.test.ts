// Interfaces of the host pass over with it: the kernel notices nothing, no frame is lost, doubled or altered, and what cannot be is refused.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { CABLE, netns, WAIT_MS } from '../harness/interfaces.ts';
import type { Netns } from '../harness/netns.ts';
import { NOTHING, tcpBothWays } from '../harness/tcp-peer.ts';
import { fdsOf, type Running, Upgraded } from './upgraded.ts';

vi.setConfig({ testTimeout: 2 * WAIT_MS });
/** So slow that the kernel's queues hold what comes while nobody serves. */
const FRAMES = { size: 200, payload: 'full', sleep: true, count: 4000n } as const;
const RATE = 2000;
const BRIDGE = 'ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 up';

interface Link {
  readonly ifindex: number;
  readonly operstate: string;
  readonly promiscuity: number;
  readonly stats64: { readonly tx: { readonly dropped: number; readonly carrier_changes: number } };
}

async function linkOf(net: Netns, name: string): Promise<Link> {
  return JSON.parse(await net.ip(`-j -d -s -s link show dev ${name}`))[0];
}

/** What nobody may notice a takeover by. */
async function facts(net: Netns, ...names: string[]) {
  const links = await Promise.all(names.map((name) => linkOf(net, name)));
  return links.map(({ ifindex, operstate, promiscuity, stats64: { tx } }) => ({
    ifindex,
    operstate,
    promiscuity,
    dropped: tx.dropped,
    carrier: tx.carrier_changes,
  }));
}

const awaitUp = (net: Netns, ...names: string[]) =>
  expect
    .poll(async () => (await facts(net, ...names)).map(({ operstate }) => operstate), { timeout: WAIT_MS })
    .toEqual(names.map(() => 'UP'));

/** What vm1 sends vm2 gets, each packet once, while `meanwhile` goes on. */
async function exchange(host: Upgraded, net: Netns, names: string[], meanwhile: () => Promise<void>) {
  const [from, to] = [await host.attach('vm1'), await host.attach('vm2')];
  await from.create();
  await to.create();
  await awaitUp(net, ...names);
  const was = await facts(net, ...names);
  const receiving = await to.ports[0]!.startLoop({ op: 'receive', ...FRAMES });
  const sending = await from.ports[0]!.startLoop({ op: 'send', ...FRAMES, rate: RATE });
  await meanwhile();
  await sending.done;
  expect((await receiving.done).received).toMatchObject({ packets: FRAMES.count, lost: 0n, corrupt: 0n });
  expect(await facts(net, ...names)).toEqual(was);
  await from.close();
  await to.close();
}

async function times(host: Upgraded, before: Running, count: number): Promise<Running> {
  let now = before;
  for (let i = 0; i < count; i++) now = await host.takeOver(now);
  return now;
}

async function end({ child }: Running): Promise<void> {
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** By kind: what is there before, the ports of two guests, what joins them, and what is to be up then. */
const KINDS = {
  'taps on a bridge': [BRIDGE, ['tap:a', 'tap:b'], ['a', 'b'], ['a', 'b', 'br0']],
  'the ends of a cable, by AF_PACKET': [CABLE, ['netmap:x', 'netmap:y'], [], ['x', 'y']],
} as const;

test.each(Object.entries(KINDS))(
  '%s: three takeovers lose nothing, and no interface changes',
  async (_, kind) => {
    const [setUp, [one, other], slaves, up] = kind;
    const net = await netns(setUp);
    const host = new Upgraded(`
ports:
  '${one}': { netns: ${net.path} }
  '${other}': { netns: ${net.path}, tx-rings: 2, rx-rings: 2 }
vms:
  vm1: { devices: [{ port: '${one}' }] }
  vm2: { devices: [{ port: '${other}' }] }
`);
    let now = await host.start();
    for (const name of slaves) await net.ip(`link set dev ${name} master br0`);
    await exchange(host, net, [...up], async () => {
      now = await times(host, now, 3);
    });
    await end(now);
    // A tap goes with its last descriptor; promiscuous mode, with the last socket that holds it.
    expect(await net.ip('-o link show')).not.toMatch(/ [ab]:/);
    if (slaves.length === 0)
      expect((await facts(net, ...up)).map(({ promiscuity }) => promiscuity)).toEqual([0, 0]);
  },
);

test('members of switches that a cable joins: nothing is lost, their counters go on, and a takeover that fails takes nothing', async () => {
  const net = await netns(CABLE);
  const yaml = (more = '') => `
switches:
  vale0: { members: ['netmap:x'] }
  vale1: { members: ['netmap:y', 'tap:t'] }
ports:
  'netmap:x': { netns: ${net.path} }
  'netmap:y': { netns: ${net.path}, tx-rings: 2, rx-rings: 2 }
  'tap:t': { netns: ${net.path} }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: '${more || 'vale1:1'}' }] }
`;
  const host = new Upgraded(yaml());
  const good = `run-dir: ${host.runDir}\n${yaml()}`;
  let now = await host.start();
  await exchange(host, net, ['x', 'y', 't'], async () => {
    now = await times(host, now, 2);
    const fds = fdsOf(now.child.pid!);
    // A VM's device cannot become another port under it.
    writeFileSync(host.file, `run-dir: ${host.runDir}\n${yaml('vale0:2')}`);
    const refused = host.run('--takeover');
    await once(refused.child, 'exit');
    expect(refused.child.exitCode).toBe(1);
    writeFileSync(host.file, good);
    await expect.poll(() => fdsOf(now.child.pid!)).toEqual(fds);
    now = await times(host, now, 1);
  });
  const members = (await host.client().stats()).members;
  const packets = (name: string, dir: string) =>
    members
      .find((member) => member.name === name)!
      .rings.filter((ring) => ring.dir === dir)
      .reduce((sum, ring) => sum + ring.packets, 0);
  expect([packets('netmap:x', 'rx'), packets('netmap:y', 'tx')]).toEqual([4000, 4000]);
  await end(now);
});

test('TCP of two kernels both ways goes on through takeovers, every byte of it', async () => {
  const BYTES = 60_000_000;
  const [left, right] = [await netns(), await netns()];
  const host = new Upgraded(`
switches: { vale0: { members: ['tap:a', 'tap:b'] } }
ports:
  'tap:a': { netns: ${left.path}, address: 192.0.2.1/24, tx-rings: 2, rx-rings: 2, rate: { tx: 80Mbit } }
  'tap:b': { netns: ${right.path}, address: [192.0.2.2/24] }
`);
  let now = await host.start();
  let ended = false;
  const both = tcpBothWays(left, right, '192.0.2.2', BYTES).finally(() => {
    ended = true;
  });
  let within = 0;
  while (!ended) {
    now = await host.takeOver(now);
    if (!ended) within++;
  }
  expect(within).toBeGreaterThan(0);
  const { client, server } = await both;
  expect(client.got).toBe(server.sent);
  expect(server.got).toBe(client.sent);
  expect(client.got).not.toBe(NOTHING);
  // Settings of taps are for the new host to keep, and to change.
  expect(await left.ip('-o address show dev a')).toContain('192.0.2.1/24');
  await end(now);
});

test('an interface by AF_XDP, or one that is gone, is refused, and the host goes on', async () => {
  const net = await netns(CABLE);
  const host = new Upgraded(`
ports:
  'netmap:x': { netns: ${net.path}, access: af-xdp }
  'netmap:y': { netns: ${net.path}, access: af-packet }
vms:
  vm1: { devices: [{ port: 'netmap:x' }] }
  vm2: { devices: [{ port: 'netmap:y' }] }
`);
  const { child } = await host.start();
  const refusal = async () => {
    const other = host.run('--takeover');
    await once(other.child, 'exit');
    expect(other.child.exitCode).toBe(1);
    return other.text();
  };
  expect(await refusal()).toContain(
    "netmap:x: an interface by AF_XDP cannot be handed over yet: one with 'access: af-packet' can",
  );
  await net.ip('link delete dev x');
  await expect.poll(refusal, { timeout: WAIT_MS }).toContain('netmap:y: its interface is gone');
  expect((await host.client().host()).pid).toBe(child.pid);
});
