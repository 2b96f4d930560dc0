// Limits of ports in a live host, as the guests see them: the rate in the long run, by the guest's own clock; others are not slowed down; what a switch drops is counted where it belongs.
import { expect, test, vi } from 'vitest';
import type { LoopResult } from '../../guest-driver/addon/index.ts';
import { Netns } from '../harness/netns.ts';
import { attach, onEnd, startHost } from './scene.ts';

vi.setConfig({ testTimeout: 200_000 });

const SIZE = 1514;
/** 40 Mbit/s are 5 MB/s: so many packets take 1.2 s, and without a limit some milliseconds. */
const COUNT = 4000n;
const KEYS = 'tx-slots: 128, rx-slots: 128';
const BYTES_PER_SECOND = 5e6;
const BURST = 65_536;
/** What one look at a ring may let through beyond what there was, and what lies in rings when the clock starts or stops. */
const BEYOND = BURST + 2 * 128 * SIZE;

const send = { op: 'send', count: COUNT, size: SIZE, payload: 'stamp', sleep: true } as const;
const receive = { op: 'receive', size: SIZE, payload: 'stamp', sleep: true } as const;

/** No more than the rate has passed, and much of what it allows: on a busy machine a part of it is lost. */
function expectRate({ seconds }: LoopResult, bytes: number): void {
  const most = BURST + seconds * BYTES_PER_SECOND;
  expect(bytes).toBeLessThanOrEqual(most * 1.02 + BEYOND);
  expect(bytes).toBeGreaterThan(most / 8 - BEYOND);
  // Without a limit it is over in no time: then the first line would say nothing.
  expect(bytes).toBeGreaterThan(2 * BEYOND);
}
const sent = (result: LoopResult) => Number(result.sent.packets) * SIZE;

test.each([
  ['null:a', 'send'],
  ['vale0:1', 'send'],
  ['echo:a', 'duplex'],
] as const)('%s: what a guest sends is held back, and nothing is lost of it', async (name, op) => {
  const host = await startHost(`
ports: { '${name}': { rate: 40Mbit, ${KEYS} } }
vms: { vm1: { devices: [{ port: '${name}' }] } }
`);
  const guest = await attach(host, 'vm1');
  const result = await (await guest.ports[0]!.startLoop({ ...send, op })).done;
  expect(result.stopped).toBe('count');
  expectRate(result, sent(result));
  await expect.poll(() => host.packets(name, 'tx')).toBe(Number(COUNT));
});

test.each(["'p{1': { rate: { tx: 40Mbit }", "'p}1': { rate: { rx: 40Mbit }"])(
  'a pipe with %s',
  async (end) => {
    const host = await startHost(`
regions: { lan: {} }
ports:
  ${end}, ${KEYS} }
  ${end.startsWith("'p{1'") ? "'p}1'" : "'p{1'"}: { ${KEYS} }
vms:
  vm1: { devices: [{ port: 'p{1' }], region: lan }
  vm2: { devices: [{ port: 'p}1' }], region: lan }
`);
    const [from, to] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    const receiving = await to.ports[0]!.startLoop({ ...receive, count: COUNT });
    const sending = await from.ports[0]!.startLoop(send);
    const [result, { received }] = [await sending.done, await receiving.done];
    expectRate(result, sent(result));
    expect(received).toMatchObject({ packets: COUNT, lost: 0n, late: 0n, corrupt: 0n });
  },
);

test('what a guest gets of a source is held back', async () => {
  const host = await startHost(`
ports: { 'null:a': { rate: { rx: 40Mbit }, ${KEYS}, source: { size: ${SIZE} } } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }
`);
  const guest = await attach(host, 'vm1');
  const result = await (await guest.ports[0]!.startLoop({ ...receive, count: COUNT })).done;
  expect(result.received).toMatchObject({ lost: 0n, corrupt: 0n });
  expectRate(result, Number(result.received.packets) * SIZE);
});

test('on a switch: one that may get little is no matter to the others, and what it does not get is counted', async () => {
  const host = await startHost(`
ports: { 'vale0:slow': { rate: { rx: 40Mbit } } }
vms:
  sender: { devices: [{ port: 'vale0:sender' }] }
  slow: { devices: [{ port: 'vale0:slow' }] }
  fast: { devices: [{ port: 'vale0:fast' }] }
`);
  const [sender, slow, fast] = await Promise.all(
    ['sender', 'slow', 'fast'].map(async (vm) => (await attach(host, vm)).ports[0]!),
  );
  const receiving = await Promise.all([slow!, fast!].map((port) => port.startLoop(receive)));
  // For everybody, at a pace that rings can take: 150 MB/s.
  const sending = await sender!.startLoop({ ...send, count: 200_000n, rate: 100_000 });
  expect((await sending.done).sent.packets).toBe(200_000n);
  const counted = (name: string) => host.packets(name, 'rx') + host.drops(name, 'rx');
  for (const name of ['vale0:slow', 'vale0:fast'])
    await expect.poll(() => counted(name), { timeout: 60_000 }).toBe(200_000);
  for (const loop of receiving) loop.stop();
  const [atSlow, atFast] = await Promise.all(receiving.map(({ done }) => done));
  expectRate(atSlow!, Number(atSlow!.received.packets) * SIZE);
  expect(host.ring('vale0:fast', 'rx').drops.rate).toBe(0);
  // All that was too much and did not just find a full ring.
  expect(host.ring('vale0:slow', 'rx').drops.rate).toBeGreaterThan(1000);
  expect(Number(atFast!.received.packets)).toBeGreaterThan(Number(atSlow!.received.packets));
});

test('a storm ends at the port of who makes it', async () => {
  const host = await startHost(`
ports: { 'vale0:loud': { storm-control: { broadcast: 1pps } } }
vms:
  loud: { devices: [{ port: 'vale0:loud' }] }
  quiet: { devices: [{ port: 'vale0:quiet' }] }
`);
  const [loud, quiet] = await Promise.all(
    ['loud', 'quiet'].map(async (vm) => (await attach(host, vm)).ports[0]!),
  );
  const dst = new Uint8Array(6).fill(0xff);
  const sending = await loud!.startLoop({ ...send, dst });
  const { seconds } = await sending.done;
  await expect.poll(() => host.packets('vale0:loud', 'tx')).toBe(Number(COUNT));
  const through = Number(COUNT) - host.ring('vale0:loud', 'tx').drops.storm;
  expect(through).toBeGreaterThanOrEqual(10);
  expect(through).toBeLessThanOrEqual(12 + seconds);
  expect(host.packets('vale0:quiet', 'rx')).toBe(through);
  expect(quiet).toBeDefined();
});

test('a tap on a switch: what its kernel sends waits there, and what it gets is dropped and counted', async () => {
  const net = await Netns.open();
  onEnd(() => net.close());
  const host = await startHost(`
switches: { vale0: { members: ['tap:lan'] } }
ports: { 'tap:lan': { netns: ${net.path}, address: 192.0.2.1/24, rate: { tx: 80Kbit, rx: 80Kbit, burst: 4K } } }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`);
  const guest = await attach(host, 'vm1');
  const result = await (await guest.ports[0]!.startLoop({ ...send, count: 500n })).done;
  const member = (dir: string) => host.host.stats([]).members[0]!.rings.find((ring) => ring.dir === dir)!;
  await expect.poll(() => member('rx').packets + member('rx').drops.rate).toBe(500);
  // 4 KiB are three of them, and 10 kB/s seven more a second.
  expect(member('rx').packets).toBeGreaterThanOrEqual(3);
  expect(member('rx').packets).toBeLessThanOrEqual(3 + 1 + 7 * (1 + result.seconds));
  // 300 kB to a neighbour that is not there.
  await net.ip('neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev lan');
  const began = performance.now();
  await net.run('bash', '-c', 'for i in {1..200}; do printf %01472d 0 > /dev/udp/192.0.2.9/9; done');
  await expect.poll(() => member('tx').packets).toBeGreaterThan(0);
  const { bytes } = member('tx');
  const seconds = (performance.now() - began) / 1000;
  expect(bytes).toBeLessThanOrEqual(2 * 4096 + SIZE + 10_000 * (seconds + 0.1));
});
