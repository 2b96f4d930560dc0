// Applications that are killed in traffic, at random, and monitors of their ports and of a VM's: all that they see is whole, nothing
// of theirs stays at the host, and the others go on. PTNET_KILLS of them.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Guest } from '../../../guest-driver/model/index.ts';
import { type Client, startClient } from '../../harness/application.ts';
import { mappingsOf, openFds } from '../../harness/descriptors.ts';
import type { TestHost } from '../../harness/host.ts';
import { attach, startHost } from '../scene.ts';

const KILLS = Number(process.env.PTNET_KILLS ?? 15);
const SEED = 7;
/** Far more than anybody sends. */
const FOR_EVER = 1e12;

const YAML = `
applications: { ports: ['p}1', 'p{1/rt'], region: lan }
regions: { lan: { buf-num: 32768 } }
vms: { vm1: { region: lan, devices: [{ port: 'p{1' }, { port: 'vale0:1' }] } }
`;

const KINDS = [
  ['p}1', 'send'],
  ['p}1', 'receive'],
  ['vale0:a', 'send'],
  ['vale0:b', 'echo'],
  ['a{1', 'send'],
  ['a}1', 'receive'],
  // Of the VM's ports: one that the file lets applications have, and one that is root's to watch.
  ['p{1', 'monitor'],
  ['vale0:1', 'monitor'],
  ['vale0:a', 'monitor'],
] as const;

/** Numbers of a run that can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Kills so many while both ports of the guest are in traffic, and looks that they carry packets afterwards. */
async function kill(
  host: TestHost,
  guest: Guest,
  kills: number,
  below: (n: number) => number,
): Promise<void> {
  const duplex = { op: 'duplex', payload: 'full', sleep: true } as const;
  const loops = [await guest.ports[0]!.startLoop(duplex), await guest.ports[1]!.startLoop(duplex)];
  const running = new Map<string, Client>();
  const end = async (key: string, client: Client) => {
    client.kill();
    running.delete(key);
    // By that, and not before: one that finds a packet that is not whole ends and says so.
    const { signal, stderr } = await client.process;
    expect({ key, signal, stderr }).toEqual({ key, signal: 'SIGKILL', stderr: '' });
  };
  for (let killed = 0; killed < kills; ) {
    const [port, what] = KINDS[below(KINDS.length)]!;
    const key = `${port} ${what}`;
    const there = running.get(key);
    if (there) {
      await end(key, there);
      killed++;
    } else if (port !== 'vale0:a' || what === 'send' || running.has('vale0:a send')) {
      const client = await startClient(host, 'traffic', [port, what, FOR_EVER]);
      running.set(key, client);
      await client.ready();
      await new Promise((resolve) => setTimeout(resolve, below(20)));
    }
  }
  for (const [key, client] of running) await end(key, client);
  await expect.poll(() => host.host.stats().applications?.applications).toEqual([]);
  const receivers = ['p}1', 'vale0:c'].map((port) => startClient(host, 'traffic', [port, 'receive', 1000]));
  for (const receiver of await Promise.all(receivers))
    expect(await receiver.result()).toMatchObject({ sent: 0, corrupt: 0 });
  for (const loop of loops) loop.stop();
  for (const { received } of await Promise.all(loops.map(({ done }) => done)))
    expect(received).toMatchObject({ corrupt: 0n });
  await expect.poll(() => host.host.stats().applications?.applications).toEqual([]);
}

/** What could be lost: ports, and in each region netmap_ifs, rings and buffers. */
function held(host: TestHost) {
  const { ports, regions } = host.host.state();
  return { ports: ports.map(({ name }) => name), regions };
}

/** Threads that raise the interrupts of those who are slow at it, as everybody is on a busy machine. They stay, and each has an eventfd. */
function lanes(): number {
  const names = readdirSync('/proc/self/task').map((id) => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
    } catch {
      return '';
    }
  });
  return names.filter((name) => name === 'ptnet-irq').length;
}

const descriptors = () => ({ fds: openFds(), lanes: lanes() });

/** What there is more of than before, whatever its number. */
function added(before: ReturnType<typeof descriptors>): string[] {
  const now = descriptors();
  const kind = (fd: string) => fd.replace(/^\d+ /, '').replaceAll(/\d+/g, 'N');
  const left = before.fds.map(kind);
  left.push(...Array.from({ length: now.lanes - before.lanes }, () => 'anon_inode:[eventfd]'));
  return now.fds.map(kind).filter((each) => {
    const at = left.indexOf(each);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

test('nothing is lost', { timeout: 120_000 + 2000 * KILLS }, async () => {
  const host = await startHost(YAML);
  const guest = await attach(host, 'vm1');
  const below = random(SEED);
  // Threads that have signalled once keep a descriptor for it.
  await kill(host, guest, 3, below);
  const objects = held(host);
  const before = descriptors();
  const mappings = mappingsOf('ptnetmap-');
  await kill(host, guest, KILLS, below);
  await expect.poll(() => held(host)).toEqual(objects);
  await expect.poll(() => added(before)).toEqual([]);
  await expect.poll(() => mappingsOf('ptnetmap-')).toBe(mappings);
  expect(host.warnings()).toEqual([]);
});
