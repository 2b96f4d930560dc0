// A live host whose ports are in use by others than VMs, applications and programs: what a change may not take from them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ControlClient } from '../../backend/control/client.ts';
import { type Client, startClient } from '../harness/application.ts';
import type { TestHost } from '../harness/host.ts';
import { netns } from '../harness/interfaces.ts';
import { startControlled } from './control-scene.ts';
import { attach, onEnd } from './scene.ts';

/** Far more than comes. */
const FOR_EVER = 1e12;

async function holds(host: TestHost, port: string): Promise<Client> {
  const application = await startClient(host, 'traffic', [port, 'receive', FOR_EVER]);
  onEnd(() => application.kill());
  await application.ready();
  expect(host.host.stats().applications?.applications).toMatchObject([{ port }]);
  return application;
}

async function ended(host: TestHost, application: Client): Promise<void> {
  application.kill();
  await expect.poll(() => host.host.stats().applications?.applications).toEqual([]);
}

const refused = (text: string) => ({ problem: { status: 409, detail: expect.stringContaining(text) } });

const apply = (host: TestHost, client: ControlClient, yaml: string, force = false) =>
  client.apply(`run-dir: ${host.runDir}\n${yaml}`, 'next.yaml', { force });

describe('applications', () => {
  const VM = `
applications: {}
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`;

  test('a name that an application has is no device’s until it has ended', async () => {
    const { host, client } = await startControlled(VM);
    const application = await holds(host, 'vale0:9');
    const add = () => client.change('POST', '/v1/vms', { name: 'new', devices: [{ port: 'vale0:9' }] });
    await expect(add()).rejects.toMatchObject(
      refused(`ports.'vale0:9': made for an application (pid ${application.process.pid})`),
    );
    // It has its port all the same, and takes nobody else's away when it ends.
    expect(host.host.stats().ports.map(({ name }) => name)).toEqual(['vale0:1', 'vale0:9']);
    await ended(host, application);
    await add();
    const guest = await attach(host, 'new');
    const loop = await guest.ports[0]!.startLoop({ op: 'send', size: 60, payload: 'stamp', count: 10n });
    expect((await loop.done).sent.packets).toBe(10n);
    await expect.poll(() => host.packets('vale0:9', 'tx')).toBe(10);
  });

  test('the region in which an application’s port lies stays', async () => {
    const { host, client } = await startControlled(`
applications: { region: lan }
regions: { lan: { buf-num: 8192 } }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`);
    const application = await holds(host, 'vale0:9');
    const larger = `
applications: { region: lan }
regions: { lan: { buf-num: 16384 } }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`;
    await expect(apply(host, client, larger)).rejects.toMatchObject(
      refused("regions.lan: would have to be another one, and 'vale0:9', made for an application (pid "),
    );
    await ended(host, application);
    await apply(host, client, larger);
    await holds(host, 'vale0:9');
    expect((await client.port('vale0:9')).region).toBe('lan');
  });

  test('a region that comes has an id of its own', async () => {
    const { host, client } = await startControlled(VM);
    await holds(host, 'vale0:9');
    await client.change('PUT', '/v1/regions/lan', {});
    const regions = await client.regions();
    expect(regions.map(({ name }) => name)).toEqual(['vm:vm1', 'application:vale0:9', 'lan']);
    expect(new Set(regions.map(({ id }) => id)).size).toBe(3);
    const { id } = regions[1]!;
    await expect(client.change('PUT', '/v1/regions/other', { id })).rejects.toMatchObject(
      refused(`regions.other: id ${id} is that of 'application:vale0:9'`),
    );
  });

  const declared = (rings: number) => `
applications: { ports: ['null:a'] }
ports: { 'null:a': { tx-rings: ${rings}, rx-rings: ${rings} } }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`;

  test('a port of the file that was made anew is opened as it is then', async () => {
    const { host, client } = await startControlled(declared(1));
    const application = await holds(host, 'null:a');
    await expect(apply(host, client, declared(2), true)).rejects.toMatchObject(
      refused(`ports.'null:a': in use by an application (pid ${application.process.pid})`),
    );
    await ended(host, application);
    await apply(host, client, declared(2));
    const sender = await startClient(host, 'traffic', ['null:a', 'send', 100]);
    expect(await sender.result()).toMatchObject({ sent: 100 });
    await expect.poll(() => host.packets('null:a', 'tx')).toBe(100);
  });

  test('who opens a port is served as the host serves then', async () => {
    const { host, client } = await startControlled(`engine: { policy: notify }\n${declared(1)}`);
    await ended(host, await holds(host, 'null:a'));
    await client.change('PATCH', '/v1/host', { policy: 'poll' });
    await holds(host, 'null:a');
    // Nothing comes, and nobody kicks: only polling makes rounds.
    const rounds = async () => (await client.workers())[0]!.rounds;
    const before = await rounds();
    await expect.poll(rounds).toBeGreaterThan(before + 100_000);
  });
});

describe('programs', () => {
  const file = () => {
    const folder = mkdtempSync(join(tmpdir(), 'ptnet-in-use-'));
    onEnd(() => rmSync(folder, { recursive: true }));
    return join(folder, 'a.pcapng');
  };
  const capture = (host: TestHost, port: string) =>
    host.host.programs.start({
      kind: 'capture',
      port,
      direction: 'both',
      options: { path: file(), filterText: '' },
    });
  const yaml = (slots: number) => `
ports: { 'vale0:1': { rx-slots: ${slots} } }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`;

  test('a VM is not cut off for a change that a capture stands against', async () => {
    const { host, client } = await startControlled(yaml(1024));
    const guest = await attach(host, 'vm1');
    const { id } = capture(host, 'vale0:1/t');
    const no = refused(`ports.'vale0:1': in use by a capture (program ${id})`);
    await expect(apply(host, client, yaml(512), true)).rejects.toMatchObject(no);
    await expect(client.change('DELETE', '/v1/vms/vm1', undefined, { force: true })).rejects.toMatchObject(
      no,
    );
    const loop = await guest.ports[0]!.startLoop({ op: 'send', size: 60, payload: 'stamp', count: 10n });
    expect((await loop.done).sent.packets).toBe(10n);
    host.host.programs.stop(id);
    await apply(host, client, yaml(512), true);
  });

  test('a bridge keeps both of its ports', async () => {
    const { host, client } = await startControlled(yaml(1024));
    const { id } = host.host.programs.start({ kind: 'bridge', a: 'vale0:1', b: 'vale0:2' });
    await expect(client.change('DELETE', '/v1/vms/vm2')).rejects.toMatchObject(
      refused(`ports.'vale0:2': in use by a bridge (program ${id})`),
    );
    expect((await client.vms()).map(({ name }) => name)).toEqual(['vm1', 'vm2']);
    host.host.programs.stop(id);
    await client.change('DELETE', '/v1/vms/vm2');
  });

  test('a member that is captured stays on its switch', async () => {
    const net = await netns();
    const { host, client } = await startControlled(`
switches: { vale0: { members: ['tap:lan'] } }
ports: { 'tap:lan': { netns: ${net.path} } }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`);
    const { id } = capture(host, 'tap:lan');
    await expect(client.change('DELETE', '/v1/switches/vale0/members/tap:lan')).rejects.toMatchObject(
      refused(`ports.'tap:lan': in use by a capture (program ${id})`),
    );
    host.host.programs.stop(id);
    await client.change('DELETE', '/v1/switches/vale0/members/tap:lan');
  });
});
