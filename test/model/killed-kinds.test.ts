// A host with every kind of port in traffic is killed at random, and upgraded between: what each kind promises then. PTNET_KILLS says how often, PTNET_TEST_SEED when.
import { expect, test, vi } from 'vitest';
import type { Guest } from '../../guest-driver/model/index.ts';
import { CABLE, netns } from '../harness/interfaces.ts';
import { numbers } from '../harness/numbers.ts';
import { Kept } from './kept.ts';

vi.setConfig({ testTimeout: 24 * 60 * 60_000 });
const KILLS = Number(process.env.PTNET_KILLS ?? 6);
const SEED = Number(process.env.PTNET_TEST_SEED ?? 7);
/** So often it is upgraded instead. */
const UPGRADES = 5;
const WHAT = { size: 200, payload: 'full', sleep: true } as const;
const QUIET_MS = 1500;

/** Of a VM and its port: what its guest does. The taps are on one bridge of the kernel's, the interfaces ends of one cable. */
const GUESTS = {
  pipe1: { port: 'p{1', region: 'shared', loop: { op: 'send', rate: 2000 } },
  pipe2: { port: 'p}1', region: 'shared', loop: { op: 'receive' } },
  vale1: { port: 'vale0:1', loop: { op: 'send', rate: 2000 } },
  vale2: { port: 'vale0:2', loop: { op: 'receive' } },
  echo: { port: 'echo:e', loop: { op: 'duplex', rate: 2000 } },
  source: { port: 'null:s', loop: { op: 'receive', size: 60 } },
  netif1: { port: 'netmap:x', loop: { op: 'duplex', rate: 1000 } },
  netif2: { port: 'netmap:y', loop: { op: 'duplex', rate: 1000 } },
  tap: { port: 'tap:n', loop: { op: 'duplex', rate: 1000 } },
  behindTap: { port: 'vale1:w', loop: { op: 'duplex', rate: 1000 } },
} as const;
type Name = keyof typeof GUESTS;

test(`killed ${KILLS} times`, async () => {
  const random = numbers(SEED);
  const net = await netns(CABLE);
  const vms = Object.entries(GUESTS).map(
    ([name, { port, ...more }]) =>
      `  ${name}: { ${'region' in more ? `region: ${more.region}, ` : ''}devices: [{ port: '${port}' }] }`,
  );
  const host = new Kept(`
regions: { shared: { buf-num: 9000 } }
switches: { vale0: {}, vale1: { members: ['tap:m'] } }
ports:
  'netmap:x': { netns: ${net.path} }
  'netmap:y': { netns: ${net.path} }
  'tap:m': { netns: ${net.path} }
  'tap:n': { netns: ${net.path} }
  'null:s': { source: { packets: unlimited, size: 60, payload: full, rate: 5000 } }
vms:
${vms.join('\n')}
`);
  await host.startOften(300);
  await net.ip('link add br0 type bridge');
  for (const name of ['m', 'n']) await net.ip(`link set dev ${name} master br0`);
  await net.ip('link set dev br0 up');
  const guests = {} as Record<Name, Guest>;
  const loops = {} as Record<Name, Awaited<ReturnType<Guest['ports'][number]['startLoop']>>>;
  const all = Object.keys(GUESTS) as Name[];
  for (const name of all) {
    guests[name] = await host.attach(name);
    await guests[name].create();
  }
  // Those that send alone come last, and end first.
  const order = all.toSorted((a, b) => Number(sends(a)) - Number(sends(b)));
  for (const name of order)
    loops[name] = await guests[name].ports[0]!.startLoop({ ...WHAT, ...GUESTS[name].loop });
  const flows = async () => {
    const before = all.map((name) => loops[name].progress());
    const more = () =>
      all.filter((name, i) => {
        const { sent, received } = loops[name].progress();
        return sent + received <= before[i]!.sent + before[i]!.received + 100n;
      });
    await expect.poll(more, { timeout: 20_000 }).toEqual([]);
  };
  await flows();
  for (let i = 1; i <= KILLS; i++) {
    if (i % UPGRADES === 0) {
      const { code, text } = await host.upgrade();
      expect(code, text).toBe(0);
    } else await host.kill();
    await flows();
    await new Promise((resolve) => setTimeout(resolve, 1000 * random()));
  }
  for (const name of order.toReversed()) {
    await guests[name].ports[0]!.stopLoop();
    // What it has sent arrives.
    if (sends(name)) await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
  const sent = (await loops.pipe1.done).sent!.packets;
  expect((await loops.pipe2.done).received).toMatchObject({ packets: sent, lost: 0n });
  for (const name of all)
    expect((await loops[name].done).received, `${name}, seed ${SEED}`).toMatchObject({
      late: 0n,
      corrupt: 0n,
    });
  expect(host.said).not.toMatch(/as after a disconnect|not gone on with|not kept/);
});

const sends = (name: Name): boolean => GUESTS[name].loop.op === 'send';
