// Monitors and files that change: they come and go with what is applied, in traffic, and a port that is looked at stays.
import { expect, test, vi } from 'vitest';
import { startClient } from '../harness/application.ts';
import { startControlled } from './control-scene.ts';
import { attach } from './scene.ts';

vi.setConfig({ testTimeout: 200_000 });

const PAIR = `
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }`;
const SPIES = `
  spy1: { devices: [{ port: 'vale0:1/t' }] }
  spy2: { devices: [{ port: 'vale0:2/r' }] }`;
const duplex = { op: 'duplex', payload: 'full', sleep: true } as const;
const receive = { op: 'receive', payload: 'full', sleep: true } as const;

test('monitors come with a file and go with one, five times, while what they watch is in traffic', async () => {
  const { host, client } = await startControlled(`vms:${PAIR}`);
  const file = (vms: string) => `run-dir: ${host.runDir}\nvms:${vms}`;
  const guests = [await attach(host, 'vm1'), await attach(host, 'vm2')];
  const loops = await Promise.all(guests.map((guest) => guest.ports[0]!.startLoop(duplex)));
  const objects = host.host.state().regions;
  for (let round = 0; round < 5; round++) {
    const { changes } = await client.apply(file(PAIR + SPIES), 'with.yaml');
    expect(changes.map(({ op, path }) => `${op} ${path}`).sort()).toEqual([
      "add ports.'vale0:1/t'",
      "add ports.'vale0:2/r'",
      'add vms.spy1',
      'add vms.spy2',
    ]);
    const spies = [await attach(host, 'spy1'), await attach(host, 'spy2')];
    const seeing = await Promise.all(spies.map((spy) => spy.ports[0]!.startLoop(receive)));
    for (const loop of seeing) await expect.poll(() => Number(loop.progress().received)).toBeGreaterThan(100);
    await expect(client.apply(file(PAIR), 'without.yaml')).rejects.toThrow('vms.spy1: a VM is connected');
    for (const loop of seeing) loop.stop();
    for (const { received } of await Promise.all(seeing.map(({ done }) => done)))
      expect(received).toMatchObject({ corrupt: 0n, late: 0n });
    for (const spy of spies) await spy.close();
    await expect
      .poll(
        async () =>
          (await client.apply(file(PAIR), 'without.yaml').catch((e: Error) => e.message)) as unknown,
      )
      .toMatchObject({ refused: [] });
    expect(host.host.state().regions).toEqual(objects);
  }
  for (const loop of loops) loop.stop();
  for (const { received } of await Promise.all(loops.map(({ done }) => done)))
    expect(received).toMatchObject({ corrupt: 0n, late: 0n });
});

test('what is watched goes with its monitor in one file, and not before it', async () => {
  const { host, client } = await startControlled(`vms:${PAIR}${SPIES}`);
  const file = (vms: string) => `run-dir: ${host.runDir}\nvms:${vms}`;
  const only = (name: string) => `\n  ${name}: { devices: [{ port: 'vale0:2' }] }`;
  await expect(client.apply(file(only('vm2') + SPIES), 'half.yaml')).rejects.toThrow(
    "'vale0:1/t' is a monitor of 'vale0:1', and there is no such port",
  );
  expect((await client.vms()).map(({ name }) => name)).toEqual(['vm1', 'vm2', 'spy1', 'spy2']);
  await client.apply(file(only('vm2')), 'one.yaml');
  expect(host.host.stats().ports.map(({ name }) => name)).toEqual(['vale0:2']);
});

test('a port that a program looks at stays until the program has ended, and nothing else has changed', async () => {
  const { host, client } = await startControlled(`applications: {}\nvms:${PAIR}`);
  const without = `run-dir: ${host.runDir}\napplications: {}\nvms:\n  vm2: { devices: [{ port: 'vale0:2' }] }`;
  const monitor = await startClient(host, 'traffic', ['vale0:1', 'monitor', 1e12]);
  await monitor.ready();
  await expect(client.apply(without, 'without.yaml')).rejects.toThrow(
    'vale0:1: a monitor or a capture looks at it: end it first',
  );
  const guest = await attach(host, 'vm1');
  const loop = await guest.ports[0]!.startLoop({ op: 'send', payload: 'full', sleep: true, count: 100n });
  await loop.done;
  await expect.poll(() => host.packets('vale0:1/rt#0', 'rx')).toBe(100);
  await guest.close();
  monitor.kill();
  await expect
    .poll(async () => (await client.apply(without, 'without.yaml').catch((e: Error) => e.message)) as unknown)
    .toMatchObject({ refused: [] });
});
