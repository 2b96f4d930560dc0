// Interfaces of a host that is killed: those that are no taps go with its process, and the one that goes on opens them anew; what was changed of them is put back by whichever ends as it is meant to.
import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { HOST_SECTION } from '../../backend/guard/sections.ts';
import { StateFile } from '../../backend/guard/state-file.ts';
import type { Guest } from '../../guest-driver/model/index.ts';
import { CABLE, netns, WAIT_MS } from '../harness/interfaces.ts';
import type { Netns } from '../harness/netns.ts';
import { Kept, withState } from './kept.ts';

vi.setConfig({ testTimeout: 2 * WAIT_MS });
const TRAFFIC = { op: 'duplex', size: 200, payload: 'full', sleep: true, rate: 2000 } as const;
const ONE_QUEUE = CABLE.replace('type veth', 'numrxqueues 1 type veth').replace(
  'name y',
  'name y numrxqueues 1',
);

interface Link {
  readonly mtu: number;
  readonly promiscuity: number;
  readonly xdp?: { readonly mode: number };
}
const linkOf = async (net: Netns, name: string): Promise<Link> =>
  JSON.parse(await net.ip(`-j -d link show dev ${name}`))[0];

/** Of the log, whatever it begins with. */
const NOT_OPENED = 'its interface could not be opened anew, and is as soon as it can be: ';

const SCENES = {
  ports: (net: Netns, keys: string) => `
ports:
  'netmap:x': { netns: ${net.path}, ${keys} }
  'netmap:y': { netns: ${net.path}, ${keys} }
vms:
  vm1: { devices: [{ port: 'netmap:x' }] }
  vm2: { devices: [{ port: 'netmap:y' }] }
`,
  members: (net: Netns, keys: string) => `
switches:
  vale0: { members: ['netmap:x'] }
  vale1: { members: ['netmap:y'] }
ports:
  'netmap:x': { netns: ${net.path}, ${keys} }
  'netmap:y': { netns: ${net.path}, ${keys} }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale1:1' }] }
`,
};

/** Both send to each other, from now on. */
async function begin(guests: readonly Guest[]) {
  const loops = await Promise.all(guests.map((guest) => guest.ports[0]!.startLoop(TRAFFIC)));
  return {
    /** Both get more than what was under way. */
    async flows() {
      const before = loops.map((loop) => loop.progress().received);
      const more = () => loops.every((loop, i) => loop.progress().received > before[i]! + 200n);
      await expect.poll(more, { timeout: WAIT_MS }).toBe(true);
    },
    async end() {
      for (const guest of guests) await guest.ports[0]!.stopLoop();
      return Promise.all(loops.map(async (loop) => (await loop.done).received));
    },
  };
}

async function awaitGone(host: Kept, name: string, gone: boolean) {
  const now = async () => {
    const { ports, members } = await host.client().stats();
    return [...ports, ...members].find((one) => one.name === name)?.interface?.gone;
  };
  await expect.poll(now, { timeout: WAIT_MS }).toBe(gone);
}

async function start(yaml: string) {
  const host = new Kept(yaml);
  const { child } = await host.startOften();
  const guests = [await host.attach('vm1'), await host.attach('vm2')] as const;
  for (const guest of guests) await guest.create();
  const end = async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(child.exitCode).toBe(0);
  };
  return { host, guests, end };
}

describe.each(['af-packet', 'af-xdp'])('%s', (access) => {
  test.each(Object.keys(SCENES) as (keyof typeof SCENES)[])(
    '%s: traffic both ways goes on however often the host is killed, and the interfaces are put back',
    async (scene) => {
      const net = await netns(ONE_QUEUE);
      const { host, guests, end } = await start(SCENES[scene](net, `access: ${access}, mtu: 1400`));
      expect(host.said).not.toContain('not kept');
      const traffic = await begin(guests);
      await traffic.flows();
      for (let i = 0; i < 5; i++) {
        await host.kill();
        await traffic.flows();
      }
      // Those by AF_PACKET pass over to one that was asked for, and are opened anew again when that one dies.
      const { code, text } = await host.upgrade();
      expect(code, text).toBe(access === 'af-packet' ? 0 : 1);
      await traffic.flows();
      await host.kill();
      await traffic.flows();
      for (const received of await traffic.end()) expect(received).toMatchObject({ late: 0n, corrupt: 0n });
      for (const name of ['x', 'y'])
        expect(await linkOf(net, name)).toMatchObject({ mtu: 1400, promiscuity: 1 });
      expect(host.said).not.toContain('as after a disconnect');
      await end();
      for (const name of ['x', 'y']) {
        const link = await linkOf(net, name);
        expect(link).toMatchObject({ mtu: 1500, promiscuity: 0 });
        expect(link.xdp).toBeUndefined();
      }
    },
  );
});

/** What becomes of `x` while nobody serves, what is said of it, and how it comes back. */
const AWAY = {
  'deleted, and made anew': ['link delete dev x', "there is no interface 'x'", CABLE],
  'renamed, and called so again': [
    'link set dev x name z',
    "there is no interface 'x'",
    'ip link set dev z name x',
  ],
  "a bridge's, and free again": [
    'link set dev x master br0',
    "'x' belongs to the bridge 'br0'",
    'ip link set dev x nomaster',
  ],
} as const;

describe.each(Object.keys(SCENES) as (keyof typeof SCENES)[])('%s', (scene) => {
  test.each(Object.entries(AWAY))(
    'an interface that is %s: that one waits for it, and the host goes on',
    async (_what, [away, why, back]) => {
      const net = await netns(`${CABLE}\nip link add br0 type bridge`);
      const { host, guests, end } = await start(SCENES[scene](net, 'access: af-packet, mtu: 1400'));
      const traffic = await begin(guests);
      await traffic.flows();
      await host.kill(() => net.ip(away));
      expect(host.said).toContain(`netmap:x: ${NOT_OPENED}${why}`);
      // Such a one is kept too.
      await host.kill();
      expect(host.said.split(`netmap:x: ${NOT_OPENED}`)).toHaveLength(3);
      expect(host.said).not.toContain('not kept');
      expect(host.said).not.toContain('as after a disconnect');
      await net.run('sh', '-c', back);
      await awaitGone(host, 'netmap:x', false);
      await traffic.flows();
      await host.kill();
      await traffic.flows();
      for (const received of await traffic.end()) expect(received).toMatchObject({ late: 0n, corrupt: 0n });
      await end();
      for (const name of ['x', 'y'])
        expect(await linkOf(net, name)).toMatchObject({ mtu: 1500, promiscuity: 0 });
    },
  );
});

test('what becomes of an interface while the host serves is known to the one that goes on', async () => {
  const net = await netns(CABLE);
  const { host, guests, end } = await start(SCENES.members(net, 'mtu: 1400'));
  const traffic = await begin(guests);
  await net.ip('link delete dev x');
  await awaitGone(host, 'netmap:y', true);
  await host.kill();
  await net.run('sh', '-c', CABLE);
  for (const name of ['netmap:x', 'netmap:y']) await awaitGone(host, name, false);
  // Those that it has now are other ones, with another mtu before.
  await traffic.flows();
  await host.kill();
  await traffic.flows();
  await traffic.end();
  await end();
  expect((await linkOf(net, 'x')).mtu).toBe(1500);
});

test('a tap that was deleted and made again is the one that is gone on with', async () => {
  const net = await netns();
  const host = new Kept(`
ports: { 'tap:t': { netns: ${net.path} } }
vms: { vm1: { devices: [{ port: 'tap:t' }] } }
`);
  await host.startOften();
  const guest = await host.attach('vm1');
  await guest.create();
  await net.ip('link delete dev t');
  await expect.poll(() => host.said, { timeout: WAIT_MS }).toContain('is gone, and not there again yet');
  await awaitGone(host, 'tap:t', false);
  const { ifindex } = JSON.parse(await net.ip('-j link show dev t'))[0];
  await host.kill();
  expect(host.said).not.toContain('not gone on with');
  expect(JSON.parse(await net.ip('-j link show dev t'))[0].ifindex).toBe(ifindex);
  await guest.ports[0]!.ptnet.readRegister(0);
});

test('a tap that is deleted while nobody serves: that one waits for it, and the host goes on', async () => {
  const net = await netns();
  const host = new Kept(`
switches: { vale0: { members: ['tap:m'] } }
ports: { 'tap:t': { netns: ${net.path} }, 'tap:m': { netns: ${net.path} } }
vms: { vm1: { devices: [{ port: 'tap:t' }] }, vm2: { devices: [{ port: 'vale0:1' }] } }
`);
  await host.startOften();
  const guests = [await host.attach('vm1'), await host.attach('vm2')];
  for (const guest of guests) await guest.create();
  await host.kill(async () => {
    for (const name of ['t', 'm']) await net.ip(`link delete dev ${name}`);
  });
  expect(host.said).not.toContain('not gone on with');
  for (const name of ['tap:t', 'tap:m']) {
    expect(host.said).toContain(`${name}: its interface could not be opened anew`);
    await awaitGone(host, name, false);
  }
  // As taps that were there all the time: with a carrier, as their clients are there, and kept.
  const carriers = async () => {
    const links = ['t', 'm'].map(
      async (name) => JSON.parse(await net.ip(`-j link show dev ${name}`))[0].flags,
    );
    return (await Promise.all(links)).map((flags: string[]) => flags.includes('LOWER_UP'));
  };
  await expect.poll(carriers, { timeout: WAIT_MS }).toEqual([true, true]);
  await host.kill();
  expect(host.said).not.toContain('not gone on with');
  for (const guest of guests) await guest.ports[0]!.ptnet.readRegister(0);
});

test.each([
  ['counters that are not there', { counters: [20_000, 20_001] }, 'its counters are not there'],
  ['counters of another kind', { counters: [] }, 'its counters are those of another kind'],
  ['a number that none has', { index: 0 }, 'interfaces'],
  ['another kind', { kind: 'tap' }, 'interfaces'],
])('what is told of an interface has %s: the next host begins anew', async (_what, wrong, why) => {
  const net = await netns(CABLE);
  const host = new Kept(SCENES.members(net, 'access: af-packet'));
  const { child } = await host.startOften();
  withState(child.pid!, (fd) => {
    const file = StateFile.open(fd);
    const section = JSON.parse(file.read(HOST_SECTION)!);
    Object.assign(section.host.interfaces[0], wrong);
    file.write(HOST_SECTION, JSON.stringify(section));
  });
  await host.kill();
  expect(host.said).toContain('not gone on with');
  expect(host.said).toContain(why);
  await (await host.attach('vm1')).create();
});
