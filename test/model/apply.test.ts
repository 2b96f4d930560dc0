// A live host that is brought to what a file says: all of it or nothing, with VMs that are connected.
import { lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { parseConfig } from '../../backend/config/load.ts';
import { configText } from '../../backend/config/write.ts';
import { InterfaceWatch } from '../../backend/ports/interface-watch.ts';
import { startControlled } from './control-scene.ts';
import { attach, onEnd, open } from './scene.ts';

vi.setConfig({ testTimeout: 200_000 });

const VALE = `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`;
const send = { op: 'send', size: 60, payload: 'stamp', sleep: true } as const;

describe('a whole file', () => {
  const file = (host: { runDir: string }, text: string) => `run-dir: ${host.runDir}\n${text}`;

  test('what is different is said, and done; a VM that is connected goes on', async () => {
    const { host, client } = await startControlled(VALE);
    const guest = await attach(host, 'vm1');
    const loop = await guest.ports[0]!.startLoop({ ...send });
    const next = file(
      host,
      `
engine: { spin-us: 50 }
ports: { 'vale0:1': { rate: 1Gbit } }
vms:
  vm3: { devices: [{ port: 'vale0:3' }] }
  vm1: { devices: [{ port: 'vale0:1', policy: poll }] }
`,
    );
    const planned = await client.apply(next, 'next.yaml', { dryRun: true });
    expect(planned.changes.map(({ op, path }) => `${op} ${path}`).sort()).toEqual([
      "add ports.'vale0:1'.rate",
      "add ports.'vale0:3'",
      'add vms.vm3',
      'change engine.spin-us',
      'change vms.vm1.devices.net0.policy',
      "remove ports.'vale0:2'",
      'remove vms.vm2',
    ]);
    expect(planned.refused).toEqual([]);
    expect((await client.vms()).map(({ name }) => name)).toEqual(['vm1', 'vm2']);
    const done = await client.apply(next, 'next.yaml');
    expect(done.changes).toEqual(planned.changes);
    expect((await client.apply(next, 'next.yaml')).changes).toEqual([]);
    expect((await client.vms()).map(({ name }) => name)).toEqual(['vm3', 'vm1']);
    expect((await client.vm('vm1')).devices[1]).toMatchObject({
      policy: 'poll',
      started: true,
      mac: '02:00:00:00:01:00',
    });
    loop.stop();
    const { sent } = await loop.done;
    await expect.poll(() => host.packets('vale0:1', 'tx')).toBe(Number(sent.packets));
    await attach(host, 'vm3');
  });

  test('what it cannot become is said with a line for each, and nothing has changed', async () => {
    const { host, client } = await startControlled(VALE);
    await attach(host, 'vm1');
    const before = configText(host.host.config);
    const next = file(
      host,
      `
engine: { workers: 2 }
socket-mode: 0666
ports: { 'vale0:1': { rx-slots: 512 } }
vms:
  vm1: { devices: [{ port: 'vale0:1', mac: '02:00:00:00:77:00' }] }
  vm9: { devices: [{ port: 'vale0:9' }] }
`,
    );
    const error = await client.apply(next, 'next.yaml').catch((e: Error) => e);
    expect(error).toBeInstanceOf(Error);
    const lines = (error as Error).message.split('\n');
    expect(
      lines.some((line) => line.startsWith('engine.workers: 1 -> 2: workers are started with the host')),
    ).toBe(true);
    expect(lines.some((line) => line.startsWith('socket-mode: '))).toBe(true);
    expect(
      lines.some(
        (line) =>
          line.includes('vms.vm1.devices.net0: a VM is connected to it') &&
          line.includes('rx-slots') &&
          line.includes('mac'),
      ),
    ).toBe(true);
    expect(configText(host.host.config)).toBe(before);
    await expect(client.apply('vms: { a: { devices: [{ port: vale }] } }', 'bad.yaml')).rejects.toThrow(
      'devices[0].port',
    );
  });

  test('a file that is wrong is told with the places of its mistakes', async () => {
    const { client } = await startControlled(VALE);
    const error = await client
      .apply('vms:\n  vm1: { devces: [] }\n  vm2: { mmory: 1G }\n', 'next.yaml')
      .catch((e: Error) => e);
    const { message } = error as Error;
    expect(message).toContain(
      "next.yaml:2:10: vms.vm1: unknown key 'devces': 'devices' would be right\n    2 |   vm1: { devces: [] }\n      |          ^",
    );
    expect(message).toContain("next.yaml:3:10: vms.vm2: unknown key 'mmory': 'memory' would be right");
  });

  test('a step that fails on the way takes back those before it', async () => {
    const { host, client } = await startControlled(`${VALE}
  vm3: { devices: [{ port: 'null:c' }] }`);
    const guest = await attach(host, 'vm1');
    const before = configText(host.host.config);
    const state = await client.vms();
    // A socket cannot be made where a file of somebody's is.
    await open(host, 'vm2').then((other) => other.close());
    writeFileSync(join(host.runDir, 'vm2', 'net7.sock'), '');
    const next = file(
      host,
      `
engine: { spin-us: 3 }
ports: { 'vale0:1': { rate: 1Gbit } }
regions: { lan: {} }
vms:
  vm1: { devices: [{ port: 'vale0:1', policy: poll }] }
  vm2: { devices: [{ port: 'vale0:2' }, { name: net7, port: 'null:d' }] }
`,
    );
    await expect(client.apply(next, 'next.yaml')).rejects.toThrow('net7.sock: not a socket');
    expect(configText(host.host.config)).toBe(before);
    const after = await client.vms();
    expect(
      after.map(({ name, devices }) => [name, devices.map(({ name: device, policy }) => [device, policy])]),
    ).toEqual(
      state.map(({ name, devices }) => [name, devices.map(({ name: device, policy }) => [device, policy])]),
    );
    expect((await client.regions()).map(({ name }) => name)).toEqual(['vm:vm1', 'vm:vm2', 'vm:vm3']);
    for (const vm of ['vm2', 'vm3']) await attach(host, vm);
    expect((await (await guest.ports[0]!.startLoop({ ...send, count: 100n })).done).sent.packets).toBe(100n);
  });

  test('a switch that a change has made, and that failed, is one like any other for the next', async () => {
    const { host, client } = await startControlled(VALE);
    // A socket cannot be made where a file of somebody's is.
    writeFileSync(join(host.runDir, 'vm2', 'net7.sock'), '');
    const vms = (devices: string) => `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }${devices}] }
  a: { devices: [{ port: 'vale1:1' }] }
  b: { devices: [{ port: 'vale1:2' }] }
  c: { devices: [{ port: 'vale1:3' }] }
`;
    const failing = `switches: { vale0: {}, vale1: { lookup: hub } }${vms(", { name: net7, port: 'null:d' }")}`;
    await expect(client.apply(file(host, failing), 'next.yaml')).rejects.toThrow('net7.sock: not a socket');
    await client.apply(file(host, vms('')), 'next.yaml');
    const [from] = [await attach(host, 'a'), await attach(host, 'b'), await attach(host, 'c')];
    await client.change('PUT', '/v1/switches/vale1/stations/02:00:00:00:00:42', { port: 'vale1:2' });
    const dst = Uint8Array.of(2, 0, 0, 0, 0, 0x42);
    await (await from!.ports[0]!.startLoop({ ...send, count: 200n, rate: 10_000, dst })).done;
    await expect.poll(() => host.packets('vale1:2', 'rx')).toBe(200);
    // A hub would have sent it there too.
    expect(host.packets('vale1:3', 'rx')).toBe(0);
  });

  test('a device that cannot come leaves the sockets of its VM, and of others, to those who may attach', async () => {
    const { host, client } = await startControlled(`socket-mode: 0660\n${VALE}`);
    const modes = () => ['vm1', 'vm2'].map((vm) => lstatSync(join(host.runDir, vm)).mode & 0o777);
    const before = modes();
    expect(before).not.toEqual([0o700, 0o700]);
    writeFileSync(join(host.runDir, 'vm2', 'net7.sock'), '');
    const device = { name: 'net7', port: 'null:d' };
    await expect(client.change('POST', '/v1/vms/vm2/devices', device)).rejects.toThrow('not a socket');
    expect(modes()).toEqual(before);
    const next = `
socket-mode: 0660
vms:
  vm1: { devices: [{ port: 'vale0:1' }, { port: 'null:c' }] }
  vm2: { devices: [{ port: 'vale0:2' }, { name: net7, port: 'null:d' }] }
`;
    await expect(client.apply(file(host, next), 'next.yaml')).rejects.toThrow('not a socket');
    expect(modes()).toEqual(before);
  });

  test('interfaces that cannot be looked after are no matter of the change', async () => {
    const { host, client } = await startControlled(VALE);
    const follow = vi.spyOn(InterfaceWatch.prototype, 'follow').mockImplementation(() => {
      throw new Error('no news');
    });
    onEnd(() => void follow.mockRestore());
    await client.change('PATCH', '/v1/host', { spinUs: 7 });
    expect((await client.host()).spinUs).toBe(7);
    await expect(client.apply('vms: [', 'bad.yaml')).rejects.not.toThrow('no news');
    expect(host.warnings()).toEqual(['host: not all of its interfaces are looked after: Error: no news']);
  });

  test('a switch that nobody stands on any more is gone, and comes again as the file then says', async () => {
    const { host, client } = await startControlled(
      `switches: { vale0: { lookup: hub, mac-age: 60 } }${VALE}`,
    );
    await client.apply(file(host, "vms: { vm1: { devices: [{ port: 'null:a' }] } }"), 'next.yaml');
    expect(await client.switches()).toEqual([]);
    await client.apply(file(host, VALE), 'next.yaml');
    expect(await client.switch('vale0')).toMatchObject({ lookup: 'learning', macAge: 300, index: 0 });
    const [from, to] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    const receiving = await to!.ports[0]!.startLoop({
      op: 'receive',
      size: 60,
      payload: 'stamp',
      sleep: true,
      count: 10n,
    });
    await (await from!.ports[0]!.startLoop({ ...send, count: 10n, rate: 1000 })).done;
    expect((await receiving.done).received.packets).toBe(10n);
  });

  test('what a host says that it is, it can be started with', async () => {
    const { host, client } = await startControlled(VALE);
    await client.change('POST', '/v1/vms/vm2/devices', { port: 'null:x' });
    await client.change('PATCH', '/v1/ports/vale0:1', { rate: { tx: '10Mbit' } });
    expect(parseConfig(await client.config(), 'written')).toEqual(host.host.config);
  });

  test('what a host says that it is, it is: its regions too, of a VM that is connected', async () => {
    const { host, client } = await startControlled(
      "regions: { own: { buf-num: 9000 } }\nvms: { vm1: { region: own, devices: [{ port: 'null:a' }] } }",
    );
    await attach(host, 'vm1');
    expect(await client.apply(await client.config(), 'written')).toMatchObject({ changes: [] });
  });
});
