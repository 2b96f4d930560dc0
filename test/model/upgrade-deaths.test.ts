// A takeover that one of the two does not live through, or is asked to end in: whoever is left serves, and nothing is lost.
import { once } from 'node:events';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Guest } from '../../guest-driver/model/index.ts';
import { handover, type Packet } from '../../native/handover.ts';
import { closeFd } from '../../native/os.ts';
import { onEnd } from './scene.ts';
import { PIPE, type Running, Upgraded } from './upgraded.ts';

vi.setConfig({ testTimeout: 120_000 });

const COUNT = 60_000n;

/** Through the pipe at 10,000 a second. @returns what has come when all of it has */
async function traffic([from, to]: readonly Guest[]): Promise<() => Promise<unknown>> {
  const what = { size: 200, payload: 'full', sleep: true, count: COUNT } as const;
  const receiving = await to!.ports[0]!.startLoop({ op: 'receive', ...what });
  await from!.ports[0]!.startLoop({ op: 'send', ...what, rate: 10_000 });
  return async () => (await receiving.done).received;
}

type From = 'old' | 'new';

/** Stands between the two: every packet passes here, and can be kept. */
class Between {
  readonly #path: string;
  readonly #real: string;
  readonly #listener: number;
  #sides: Record<From, number> | undefined;

  constructor(host: Upgraded) {
    this.#path = join(host.runDir, 'upgrade.sock');
    this.#real = `${this.#path}.real`;
    renameSync(this.#path, this.#real);
    this.#listener = handover.packetsListen(this.#path, 0o600);
  }

  /** Passes on what both say, until `stop` says of a message that it is not to be, or `enough` of one that was. */
  async passUntil(
    stop: (from: From, kind: string) => boolean,
    enough: (from: From, packet: Packet) => boolean = () => false,
  ): Promise<void> {
    let taker: number | undefined;
    await vi.waitFor(() => {
      taker ??= handover.packetsAccept(this.#listener);
      expect(taker).toBeDefined();
    }, 30_000);
    this.#sides = { new: taker!, old: handover.packetsConnect(this.#real) };
    const until = performance.now() + 20_000;
    while (performance.now() < until)
      for (const from of ['new', 'old'] as const) {
        const packet = this.#hear(from);
        if (packet === undefined) continue;
        if (stop(from, kindOf(packet))) {
          for (const fd of packet.fds) closeFd(fd);
          return;
        }
        handover.packetSend(this.#sides[from === 'new' ? 'old' : 'new'], packet.bytes, packet.fds, 1000);
        for (const fd of packet.fds) closeFd(fd);
        if (enough(from, packet)) return;
      }
    throw new Error('what was waited for was not said');
  }

  /** Passes on all that is said until the new one has the whole state. */
  async passState(): Promise<void> {
    let left = 0;
    await this.passUntil(
      (from, kind) => {
        if (from === 'old' && kind === 'state') left = -1;
        return false;
      },
      (from, packet) => {
        if (left < 0)
          left = (JSON.parse(Buffer.from(packet.bytes).toString('utf8')) as { bytes: number }).bytes;
        else if (from === 'old' && left > 0) left -= packet.bytes.length;
        else return false;
        return left === 0;
      },
    );
  }

  #hear(from: From): Packet | undefined {
    try {
      const packet = handover.packetReceive(this.#sides![from], 2);
      if (packet === undefined) throw new Error(`the ${from} one ended`);
      return packet;
    } catch (error) {
      if ((error as { code?: string }).code === 'ETIMEDOUT') return undefined;
      throw error;
    }
  }

  /** Hangs up on both; the old one's socket is where it was. */
  close(): void {
    if (this.#sides) for (const fd of Object.values(this.#sides)) closeFd(fd);
    closeFd(this.#listener);
    rmSync(this.#path);
    renameSync(this.#real, this.#path);
  }
}

function kindOf({ bytes }: Packet): string {
  try {
    return (JSON.parse(Buffer.from(bytes).toString('utf8')) as { kind?: string }).kind ?? '';
  } catch {
    return '';
  }
}

const ended = async ({ child }: Running): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

async function scene() {
  const host = new Upgraded(PIPE);
  const old = await host.start();
  const guests = [await host.attach('vm1'), await host.attach('vm2')];
  for (const guest of guests) await guest.create();
  return { host, old, guests };
}

const WHOLE = { packets: COUNT, lost: 0n, late: 0n, corrupt: 0n };

/** The run-dir is as it was, and whoever serves can be taken over. */
async function goesOn(host: Upgraded, serving: Running): Promise<void> {
  expect((await host.client().host()).pid).toBe(serving.child.pid);
  const next = await host.takeOver(serving);
  expect((await host.client().host()).pid).toBe(next.child.pid);
}

const WAYS: { how: string; at: (from: From, kind: string) => boolean; end: (taker: Running) => void }[] = [
  ...(['go', 'prepared'] as const).map((word) => ({
    how: `is killed before its '${word}' is heard`,
    at: (from: From, kind: string) => from === 'new' && kind === word,
    end: ({ child }: Running) => void child.kill('SIGKILL'),
  })),
  {
    how: 'is killed before it hears of the commit',
    at: (from, kind) => from === 'old' && kind === 'commit',
    end: ({ child }) => void child.kill('SIGKILL'),
  },
  {
    how: 'is asked to end by Ctrl-C when it has everything',
    at: (from, kind) => from === 'new' && kind === 'prepared',
    end: ({ child }) => void child.kill('SIGINT'),
  },
  {
    how: 'is hung up on, and lives, when the commit is on its way',
    at: (from, kind) => from === 'old' && kind === 'commit',
    end: () => {},
  },
];

for (const { how, at, end } of WAYS)
  test(`the new one ${how}: the old one goes on`, async () => {
    const { host, old, guests } = await scene();
    const received = await traffic(guests);
    const between = new Between(host);
    const taker = host.run('--takeover');
    await between.passUntil(at);
    end(taker);
    // It is the end that is to be seen, not that somebody hung up on it before.
    if (how.includes('killed') || how.includes('Ctrl-C')) await ended(taker);
    between.close();
    await ended(taker);
    expect(taker.child.exitCode).not.toBe(0);
    expect(await received()).toMatchObject(WHOLE);
    await goesOn(host, old);
  });

test('the old one is killed when the new one has everything, which goes on', async () => {
  const { host, old, guests } = await scene();
  const received = await traffic(guests);
  const between = new Between(host);
  const taker = host.run('--takeover');
  await between.passUntil((from, kind) => from === 'new' && kind === 'prepared');
  old.child.kill('SIGKILL');
  await ended(old);
  between.close();
  await expect.poll(taker.text, { timeout: 20_000 }).toContain('The host is running');
  expect(await received()).toMatchObject(WHOLE);
  await goesOn(host, taker);
});

test('the old one is killed while the new one builds what it has been told, which goes on', async () => {
  const { host, old, guests } = await scene();
  const received = await traffic(guests);
  const between = new Between(host);
  const taker = host.run('--takeover');
  await between.passState();
  old.child.kill('SIGKILL');
  between.close();
  await expect.poll(taker.text, { timeout: 20_000 }).toContain('The host is running');
  expect(await received()).toMatchObject(WHOLE);
  await goesOn(host, taker);
});

test('the new one stands still: the old one waits for a while, and goes on; what has committed to it ends it first', async () => {
  const { host, old, guests } = await scene();
  const received = await traffic(guests);
  for (const word of ['state', 'commit']) {
    const between = new Between(host);
    const taker = host.run('--takeover');
    onEnd(() => void taker.child.kill('SIGKILL'));
    await between.passUntil((from, kind) => from === 'old' && kind === word);
    taker.child.kill('SIGSTOP');
    // This process stands for the new one: nothing comes of it any more, and it is not to be ended.
    if (word === 'state')
      await expect.poll(old.text, { timeout: 20_000 }).toContain('does not answer in time');
    taker.child.kill('SIGKILL');
    await ended(taker);
    between.close();
  }
  expect(await received()).toMatchObject(WHOLE);
  await goesOn(host, old);
});
