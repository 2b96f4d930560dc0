// A host that a guard keeps is replaced by another process under its guests: it starts that one itself, and may be killed before, after and meanwhile.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { ControlClient } from '../../backend/control/client.ts';
import { numbers } from '../harness/numbers.ts';
import { Kept } from './kept.ts';
import { PIPE } from './upgraded.ts';

vi.setConfig({ testTimeout: 180_000 });

const random = numbers(Number(process.env.PTNET_TEST_SEED ?? 13));
const WHAT = { size: 200, payload: 'full', sleep: true } as const;

/** Two guests on a pipe, in traffic until stop(), which says what has arrived. */
async function traffic(host: Kept) {
  const [from, to] = [await host.attach('vm1'), await host.attach('vm2')];
  await from.create();
  await to.create();
  const receiving = await to.ports[0]!.startLoop({ op: 'receive', ...WHAT });
  const sending = await from.ports[0]!.startLoop({ op: 'send', ...WHAT, rate: 10_000 });
  return {
    stop: async () => {
      await from.ports[0]!.stopLoop();
      const { packets } = (await sending.done).sent!;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await to.ports[0]!.stopLoop();
      expect((await receiving.done).received).toMatchObject({ packets, lost: 0n, late: 0n, corrupt: 0n });
      expect(packets).toBeGreaterThan(1000n);
    },
  };
}

test('upgraded in traffic, and killed before and after: nothing is lost, and the guard keeps the one that goes on', async () => {
  const host = new Kept(PIPE);
  const { child } = await host.startOften();
  const { stop } = await traffic(host);
  for (let i = 0; i < 2; i++) {
    const before = host.pid!;
    const { code, text } = await host.upgrade();
    expect(text).toMatch(/^# .*: process \d+ goes on, which the host there has started$/m);
    expect(code).toBe(0);
    const after = Number(/process (\d+)/.exec(text)![1]);
    await expect.poll(() => existsSync(`/proc/${before}`)).toBe(false);
    await expect.poll(() => host.pid).toBe(after);
    expect((await host.client().host()).pid).toBe(after);
    await host.kill();
  }
  await stop();
  expect(host.said).not.toMatch(/refused: |not kept/);
  child.kill('SIGTERM');
  await once(child, 'exit');
  expect(child.exitCode).toBe(0);
  expect(existsSync(host.runDir)).toBe(false);
});

test('what is not to be is refused, and the host goes on: a file, a process of its own', async () => {
  const host = new Kept(PIPE);
  await host.startOften();
  const before = host.pid;
  const filed = await host.upgrade(host.file);
  expect(filed.text).toContain('it is managed, and starts with its own file');
  expect(filed.code).toBe(1);
  const other = await host.upgrade('--keep');
  expect(other.text).toContain('--keep: nobody keeps it');
  expect(other.code).toBe(2);
  expect(host.pid).toBe(before);
});

test('one that waits for its turn goes on when the host is killed, and is another one after an upgrade', async () => {
  const host = new Kept(PIPE);
  await host.startOften(1);
  const { stop } = await traffic(host);
  for (let i = 0; i < 2; i++) {
    await expect.poll(() => host.spare, { timeout: 20_000 }).toBeDefined();
    const spare = host.spare!;
    expect(await host.kill()).toBe(spare);
  }
  await expect.poll(() => host.spare, { timeout: 20_000 }).toBeDefined();
  const spare = host.spare!;
  const { code, text } = await host.upgrade('--json');
  expect(code, text).toBe(0);
  await expect.poll(() => host.pid).toBe(JSON.parse(text).pid);
  await expect.poll(() => existsSync(`/proc/${spare}`)).toBe(false);
  await stop();
});

test('the old one or the new one is killed at any time of an upgrade: one of them goes on, or a third one', async () => {
  const host = new Kept(PIPE);
  await host.startOften();
  const { stop } = await traffic(host);
  for (let i = 0; i < 8; i++) {
    const old = host.pid!;
    const upgrading = host.upgrade();
    const started = () => childrenOf(old)[0];
    await expect.poll(started, { timeout: 20_000, interval: 5 }).toBeDefined();
    const next = started()!;
    await new Promise((resolve) => setTimeout(resolve, 1500 * random()));
    kill(random() < 0.5 ? old : next);
    await upgrading;
    // Whoever it is: it serves, and has been kept for long enough.
    await expect
      .poll(async () => (await served(host)) === host.pid || host.said.slice(-3000), { timeout: 30_000 })
      .toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  await stop();
});

function childrenOf(pid: number): number[] {
  try {
    return (readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').match(/\d+/g) ?? []).map(Number);
  } catch {
    return [];
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, as it was to.
  }
}

async function served(host: Kept): Promise<number | undefined> {
  const client = new ControlClient({ runDir: host.runDir });
  try {
    return (await client.host()).pid;
  } catch {
    return undefined;
  } finally {
    client.close();
  }
}
