// A host is killed under its guests, and another process goes on with what was kept: what each kind of port promises then.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { Kept } from './kept.ts';
import { PIPE, VALE } from './upgraded.ts';

vi.setConfig({ testTimeout: 180_000 });

test('a pipe in traffic: nothing is lost, doubled or altered, however often the host is killed', async () => {
  const host = new Kept(PIPE);
  const { child } = await host.startOften();
  const [from, to] = [await host.attach('vm1'), await host.attach('vm2')];
  await from.create();
  await to.create();
  const count = 100_000n;
  const what = { size: 200, payload: 'full', sleep: true, count } as const;
  const receiving = await to.ports[0]!.startLoop({ op: 'receive', ...what });
  const sending = await from.ports[0]!.startLoop({ op: 'send', ...what, rate: 10_000 });
  for (let i = 0; i < 5; i++) await host.kill();
  await sending.done;
  expect((await receiving.done).received).toMatchObject({ packets: count, lost: 0n, late: 0n, corrupt: 0n });
  // The sockets are those that were: another client comes, and the control API answers.
  await from.close();
  const again = await host.attach('vm1');
  await again.create();
  expect((await host.client().host()).pid).toBe(host.pid);
  child.kill('SIGTERM');
  await once(child, 'exit');
  expect(child.exitCode).toBe(0);
  expect(existsSync(host.runDir)).toBe(false);
});

test('a switch: what was in flight may be lost, and nothing is doubled or altered', async () => {
  const host = new Kept(VALE);
  await host.startOften();
  const [from, to] = [await host.attach('vm1'), await host.attach('vm2')];
  await from.create();
  await to.create();
  const what = { size: 200, payload: 'full', sleep: true } as const;
  const receiving = await to.ports[0]!.startLoop({ op: 'receive', ...what });
  const sending = await from.ports[0]!.startLoop({ op: 'send', ...what, rate: 10_000 });
  for (let i = 0; i < 5; i++) await host.kill();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { received: sent } = await from.ports[0]!.stopLoop().then(() => sending.done);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await to.ports[0]!.stopLoop();
  const { received } = await receiving.done;
  expect(sent).toBeDefined();
  expect(received).toMatchObject({ late: 0n, corrupt: 0n });
  expect(received!.packets).toBeGreaterThan(0n);
});
