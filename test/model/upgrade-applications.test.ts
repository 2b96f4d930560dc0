// Where applications of the host connect passes over with it: who comes meanwhile waits, who is there already is named, and the host goes on.
import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import type { HostStats } from '../../backend/host-stats.ts';
import { startClient } from '../harness/application.ts';
import { Upgraded, VALE } from './upgraded.ts';

vi.setConfig({ testTimeout: 120_000 });

const YAML = `applications: {}\n${VALE}`;

/** A program that has a port of the switch sends back what vm1 sends. */
async function pings(host: Upgraded, name: string): Promise<void> {
  const guest = await host.attach('vm1');
  await guest.create();
  const echo = await startClient(host, 'traffic', [name, 'echo', 100]);
  await echo.ready();
  const loop = await guest.ports[0]!.startLoop({ op: 'ping', count: 100n, sleep: true });
  expect((await loop.done).received).toMatchObject({ packets: 100n, lost: 0n, corrupt: 0n });
  expect(await echo.result()).toMatchObject({ received: 100 });
  await guest.close();
}

const statsOf = async (host: Upgraded) => (await host.client().stats()) as unknown as HostStats;

async function refusal(host: Upgraded): Promise<string> {
  const other = host.run('--takeover');
  await once(other.child, 'exit');
  expect(other.child.exitCode).toBe(1);
  return other.text();
}

test('programs have their ports of the host that is there, by the socket that was, and counters go on', async () => {
  const host = new Upgraded(YAML);
  let now = await host.start();
  await pings(host, 'vale0:a');
  const counted = (await statsOf(host)).applications!;
  expect(counted.connections).toBeGreaterThan(0);
  for (let i = 0; i < 2; i++) {
    now = await host.takeOver(now);
    await pings(host, `vale0:b${i}`);
  }
  const { connections, doorbells } = (await statsOf(host)).applications!;
  expect(connections).toBeGreaterThanOrEqual(counted.connections + 2);
  expect(doorbells).toBeGreaterThanOrEqual(counted.doorbells);
});

test('what programs have is named, each with a line, and the host goes on until they have ended', async () => {
  const host = new Upgraded(YAML);
  const now = await host.start();
  const program = await startClient(host, 'traffic', ['vale0:a', 'echo', 100]);
  await program.ready();
  const client = host.client();
  await client.changePersistentPort('PUT', 'v0', { shape: {} });
  const text = await refusal(host);
  expect(text).toContain(
    `application (pid ${program.process.pid}): its connection with vale0:a cannot be handed over yet`,
  );
  expect(text).toContain('v0: a port that a program has made cannot be handed over yet');
  expect((await client.host()).pid).toBe(now.child.pid);
  program.process.kill('SIGKILL');
  await program.process;
  await client.changePersistentPort('DELETE', 'v0');
  await host.takeOver(now);
  await pings(host, 'vale0:a');
});
