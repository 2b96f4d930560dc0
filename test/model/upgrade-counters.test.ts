// Counters go on when another process takes a host over: of rings, of workers, of sockets, and of what was complained of.
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Upgraded, VALE } from './upgraded.ts';

vi.setConfig({ testTimeout: 120_000 });

test('they go on through two takeovers', async () => {
  const host = new Upgraded(VALE);
  let running = await host.start();
  const [from, to] = [await host.attach('vm1'), await host.attach('vm2')];
  await from.create();
  await to.create();
  const what = { size: 60, payload: 'full', sleep: true, count: 2000n } as const;
  const receiving = await to.ports[0]!.startLoop({ op: 'receive', ...what });
  await (await from.ports[0]!.startLoop({ op: 'send', ...what, rate: 20_000 })).done;
  await receiving.done;
  const refuseOne = () =>
    new Promise((resolve) =>
      connect(join(host.runDir, 'vm1', 'net0.sock'))
        .resume()
        .on('close', resolve),
    );
  await refuseOne();
  const refused = async () => (await host.client().stats()).devices.find(({ name }) => name === 'vm1/net0')!;
  // Nobody has looked at the second one when the first takeover comes.
  for (let times = 1; times < 3; times++) {
    if (times > 1) await refuseOne();
    const before = await host.client().stats();
    running = await host.takeOver(running);
    const after = await host.client().stats();
    expect(after.sockets.messages).toBeGreaterThanOrEqual(before.sockets.messages);
    expect(after.sockets.doorbells).toBeGreaterThanOrEqual(before.sockets.doorbells);
    expect(after.workers).toHaveLength(before.workers.length);
    for (const [i, worker] of before.workers.entries()) {
      expect(worker.busyRounds).toBeGreaterThan(0);
      for (const [key, count] of Object.entries(worker))
        expect(after.workers[i]![key as 'rounds'], key).toBeGreaterThanOrEqual(count);
    }
    expect(after.ports).toEqual(
      before.ports.map((port) => ({ ...port, rings: port.rings.map(() => expect.anything()) })),
    );
    expect(await refused()).toMatchObject({ refused: times, complaints: { 'second client': times } });
  }
  // What was said is not said again; what comes is.
  expect(running.text()).not.toContain('a second client');
  await refuseOne();
  await expect.poll(refused, { timeout: 5000 }).toMatchObject({
    refused: 3,
    complaints: { 'second client': 3 },
  });
});

test('what a limit has let through is not let through again', async () => {
  const host = new Upgraded(`${VALE}ports: { 'vale0:1': { rate: { tx: 8Kbit, burst: 60000 } } }\n`);
  const running = await host.start();
  const [from, to] = [await host.attach('vm1'), await host.attach('vm2')];
  await from.create();
  await to.create();
  // A thousand packets at once, and then some 16 a second; its ring takes all of them.
  const loop = await from.ports[0]!.startLoop({ op: 'send', size: 60, sleep: true, count: 3000n });
  const sent = async () =>
    (await host.client().stats()).ports.find(({ name }) => name === 'vale0:1')!.rings[0]!.packets;
  await expect.poll(sent, { timeout: 10_000 }).toBeGreaterThanOrEqual(1000);
  await host.takeOver(running);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(await sent()).toBeLessThan(1700);
  loop.stop();
});
