/** A tap that meets nothing else and that nobody has to remove: for real where it is allowed, and what is said where it is not. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, expect, test, vi } from 'vitest';
import { Tap, tapToolsMissing } from '../../harness/tap.ts';
import { makeParent, runs } from './parents.ts';

const taps: Tap[] = [];
afterEach(async () => {
  await Promise.all(taps.splice(0).map((tap) => tap.close()));
});

async function open(): Promise<Tap> {
  const tap = await Tap.open();
  taps.push(tap);
  return tap;
}

/** Runs a command where the tap is. */
const inside = async (tap: Tap, ...command: string[]) =>
  (await execa(tap.within[0]!, [...tap.within.slice(1), ...command])).stdout;
const here = async () => (await execa('ls', ['/sys/class/net'])).stdout.split('\n');

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

/** Nothing is tried: where everything is there, a failure is one. */
async function whyNot(): Promise<string | undefined> {
  const missing = await tapToolsMissing();
  if (missing !== undefined) return missing;
  if (!existsSync('/dev/net/tun')) return 'no /dev/net/tun';
  const status = await readFile('/proc/self/status', 'utf8');
  const has = BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(status)![1]}`);
  const needed = (1n << CAP_NET_ADMIN) | (1n << CAP_SYS_ADMIN);
  return (has & needed) === needed ? undefined : 'no right to make a namespace and a tap';
}

const reason = await whyNot();
const tapTest =
  reason === undefined
    ? test
    : (name: string, _run: () => Promise<void>) =>
        test.skipIf(true)(`${name} (not run: ${reason})`, () => {});

tapTest('it is up, and alone with a loopback that is not', async () => {
  const tap = await open();
  const links = JSON.parse(await inside(tap, 'ip', '-json', 'link'));
  const up = (name: string) =>
    links.find(({ ifname }: { ifname: string }) => ifname === name).flags.includes('UP');
  expect(links).toHaveLength(2);
  expect(up(tap.name)).toBe(true);
  expect(up('lo')).toBe(false);
});

tapTest('it has no IPv6, with which the kernel would send something of its own', async () => {
  const tap = await open();
  const off = `/proc/sys/net/ipv6/conf/${tap.name}/disable_ipv6`;
  // A kernel may have none at all.
  expect(['', '1']).toContain(await inside(tap, 'sh', '-c', `[ ! -e ${off} ] || cat ${off}`));
});

tapTest('two do not meet, and the machine has neither', async () => {
  const before = await here();
  const [one, other] = [await open(), await open()];
  expect(await inside(one, 'readlink', '/proc/self/ns/net')).not.toBe(
    await inside(other, 'readlink', '/proc/self/ns/net'),
  );
  expect(await here()).toEqual(before);
});

tapTest('closed, it cannot be entered any more', async () => {
  const tap = await Tap.open();
  await tap.close();
  await expect(inside(tap, 'true')).rejects.toThrow(/ns\/net/);
});

const PARENT = `
import { Tap } from './test/harness/tap.js';
const tap = await Tap.open();
console.log(/\\d+/.exec(tap.within[1])[0]);
setInterval(() => {}, 1000);
`;

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  tapTest(`a process that ends by ${signal} leaves nobody to keep it`, async () => {
    const program = await makeParent(PARENT, ['test/harness/netns', 'test/harness/tap']);
    try {
      const parent = execa('node', [program.program], { reject: false, buffer: false });
      const said = once(parent.stdout, 'data').then(([line]) => Number(line));
      const keeper = await Promise.race([said, parent.then(({ exitCode }) => `it ended with ${exitCode}`)]);
      if (typeof keeper === 'string') throw new Error(keeper);
      expect(await runs(keeper)).toBe(true);
      parent.kill(signal);
      await parent;
      await vi.waitFor(async () => expect(await runs(keeper)).toBe(false), { timeout: 20_000 });
    } finally {
      await program.remove();
    }
  });
}

test('a refusal is told in the words of who refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ptnet-tap-'));
  const path = process.env.PATH;
  try {
    await writeFile(join(folder, 'unshare'), '#!/bin/sh\necho "unshare: not permitted" >&2\nexit 1\n', {
      mode: 0o755,
    });
    process.env.PATH = folder;
    await expect(tapToolsMissing()).resolves.toBe(
      'ip is not installed: on Debian it is in the package iproute2',
    );
    await expect(Tap.open()).rejects.toThrow(/^no tap in a network namespace .*: unshare: not permitted$/);
    process.env.PATH = '/nowhere';
    await expect(tapToolsMissing()).resolves.toMatch(/^unshare is not installed/);
  } finally {
    process.env.PATH = path;
    await rm(folder, { recursive: true });
  }
});
