// A live host that changes: devices come and go, limits and policies become others in traffic; what fails leaves what was.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { parseConfig } from '../../backend/config/load.ts';
import type { ControlClient } from '../../backend/control/client.ts';
import { openGuest } from '../../guest-driver/model/index.ts';
import { awaitPeerCloses } from '../../native/os.ts';
import { Netns } from '../harness/netns.ts';
import { startControlled } from './control-scene.ts';
import { attach, onEnd } from './scene.ts';

vi.setConfig({ testTimeout: 200_000 });

const VALE = `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`;
/** Resolves when no device of the VM has a client. */
async function leaving(client: ControlClient, vm: string): Promise<void> {
  const connected = async () => (await client.vm(vm)).devices.filter((device) => device.connected).length;
  await expect.poll(connected).toBe(0);
}

const send = { op: 'send', size: 60, payload: 'stamp', sleep: true } as const;

describe('devices', () => {
  test('a VM that comes while the host runs exchanges packets with one that was there, and goes again', async () => {
    const { host, client } = await startControlled(VALE);
    const there = await attach(host, 'vm1');
    const done = await client.change('POST', '/v1/vms', { name: 'new', devices: [{ port: 'vale0:9' }] });
    expect(done.changes.map(({ op, path }) => `${op} ${path}`)).toEqual([
      "add ports.'vale0:9'",
      'add vms.new',
    ]);
    const come = await attach(host, 'new');
    const receiving = await there.ports[0]!.startLoop({
      op: 'receive',
      size: 60,
      payload: 'stamp',
      sleep: true,
      count: 1000n,
    });
    await (await come.ports[0]!.startLoop({ ...send, count: 1000n, rate: 20_000 })).done;
    expect((await receiving.done).received).toMatchObject({ packets: 1000n, corrupt: 0n });
    const sockets = host.sockets('new');
    await expect(client.change('DELETE', '/v1/vms/new')).rejects.toThrow('vms.new: a VM is connected');
    await come.close();
    await leaving(client, 'new');
    await client.change('DELETE', '/v1/vms/new');
    for (const path of sockets) expect(existsSync(path)).toBe(false);
    expect(existsSync(join(host.runDir, 'new'))).toBe(false);
    expect((await client.switch('vale0')).ports).toEqual(['vale0:1', 'vale0:2']);
    // Its memory and its place on the switch are free for the next one.
    for (let i = 0; i < 20; i++) {
      await client.change('POST', '/v1/vms', { name: 'new', devices: [{ port: 'vale0:9' }] });
      await client.change('DELETE', '/v1/vms/new');
    }
  });

  test('a second device of a VM that is connected is served beside the first', async () => {
    const { host, client } = await startControlled(VALE);
    const guest = await attach(host, 'vm1');
    await client.change('POST', '/v1/vms/vm1/devices', { port: 'null:a' });
    const vm = await client.vm('vm1');
    expect(vm.devices.map(({ name, connected, started }) => [name, connected, started])).toEqual([
      ['mem', true, undefined],
      ['net0', true, true],
      ['net1', false, false],
    ]);
    expect(guest.ports).toHaveLength(1);
    // A third does not fit the private region, which the VM has mapped.
    await expect(client.change('POST', '/v1/vms/vm1/devices', { port: 'null:b' })).rejects.toThrow(
      'vms.vm1: its region would have to be another one',
    );
    expect((await client.vm('vm1')).devices).toHaveLength(3);
    await guest.close();
    await leaving(client, 'vm1');
    await client.change('POST', '/v1/vms/vm1/devices', { port: 'null:b' });
    const again = await attach(host, 'vm1');
    expect(again.ports).toHaveLength(3);
    const result = await (await again.ports[2]!.startLoop({ ...send, count: 500n })).done;
    expect(result.sent.packets).toBe(500n);
    await expect.poll(() => host.packets('null:b', 'tx')).toBe(500);
  });

  test('a device that goes by force leaves the others of its VM in service', async () => {
    const { host, client } = await startControlled(`
vms: { vm1: { devices: [{ port: 'null:a' }, { port: 'null:b' }] } }`);
    const guest = await attach(host, 'vm1');
    await expect(client.change('DELETE', '/v1/vms/vm1/devices/net1')).rejects.toThrow("or 'force'");
    await client.change('DELETE', '/v1/vms/vm1/devices/net1', undefined, { force: true });
    const result = await (await guest.ports[0]!.startLoop({ ...send, count: 500n })).done;
    expect(result.sent.packets).toBe(500n);
    expect((await client.vm('vm1')).devices.map(({ name }) => name)).toEqual(['mem', 'net0']);
  });

  test('a free name and address are found, and those that are taken refused', async () => {
    const { client } = await startControlled(VALE);
    await client.change('POST', '/v1/vms/vm1/devices', { port: 'vale0:3' });
    await client.change('DELETE', '/v1/vms/vm1/devices/net0');
    await client.change('POST', '/v1/vms/vm1/devices', { port: 'vale0:1' });
    const macs = (await client.vms()).flatMap(({ devices }) => devices.flatMap(({ mac }) => mac ?? []));
    expect(new Set(macs).size).toBe(3);
    await expect(client.change('POST', '/v1/vms/vm1/devices', { port: 'vale0:2' })).rejects.toThrow(
      "'vale0:2' belongs to vm2's net0 already",
    );
    await expect(client.change('POST', '/v1/vms/vm1/devices', { port: 'vale0' })).rejects.toThrow(
      "'vale0' is a switch without a port: 'vale0:1' would be right",
    );
  });
});

test('what comes and goes leaves no descriptor and no memory behind', async () => {
  const { host, client } = await startControlled(VALE);
  const guest = await attach(host, 'vm1');
  const round = async (): Promise<void> => {
    await client.change('POST', '/v1/vms', {
      name: 'new',
      devices: [{ port: 'vale0:9' }, { port: 'null:x' }],
    });
    const come = await attach(host, 'new');
    await come.close();
    await leaving(client, 'new');
    await client.change('DELETE', '/v1/vms/new');
  };
  const open = () => readdirSync('/proc/self/fd').length;
  const regions = () =>
    readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .filter((line) => line.includes('ptnetmap-region-')).length;
  await round();
  awaitPeerCloses();
  const [before, mapped] = [open(), regions()];
  for (let i = 0; i < 10; i++) await round();
  awaitPeerCloses();
  expect(open()).toBeLessThanOrEqual(before);
  expect(regions()).toBe(mapped);
  await guest.close();
});

describe('settings, in traffic', () => {
  test('a rate comes, becomes another one and goes; nothing is lost', async () => {
    const { host, client } = await startControlled(`
ports: { 'null:a': { tx-slots: 128 } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }`);
    const guest = await attach(host, 'vm1');
    const loop = await guest.ports[0]!.startLoop({ ...send, size: 1514, count: 200_000n, rate: 100_000 });
    const passed = () => host.packets('null:a', 'tx');
    await expect.poll(passed).toBeGreaterThan(1000);
    await client.change('PATCH', '/v1/ports/null:a', { rate: '8Kbit' });
    // A packet of 1514 bytes in 1.5 s: what was there before may still pass, then it stands nearly still.
    await expect
      .poll(async () => {
        const before = passed();
        await new Promise((resolve) => setTimeout(resolve, 200));
        return passed() - before;
      })
      .toBeLessThan(3);
    expect(passed()).toBeLessThan(200_000);
    expect((await client.port('null:a')).limits?.tx?.perSecond).toBe(1000);
    await client.change('PATCH', '/v1/ports/null:a', { rate: { tx: '100Mbit' } });
    await client.change('PATCH', '/v1/ports/null:a', { rate: null });
    expect((await loop.done).sent.packets).toBe(200_000n);
    await expect.poll(passed).toBe(200_000);
  });

  test('limits of a receiver on a switch, and storm control', async () => {
    const { host, client } = await startControlled(VALE);
    const [from] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    const dst = new Uint8Array(6).fill(0xff);
    const flood = async () =>
      (await from!.ports[0]!.startLoop({ ...send, count: 2000n, rate: 50_000, dst })).done;
    await client.change('PATCH', '/v1/ports/vale0:1', { 'storm-control': { broadcast: '1pps' } });
    await flood();
    await expect.poll(() => host.ring('vale0:1', 'tx').drops.storm).toBeGreaterThan(1900);
    await client.change('PATCH', '/v1/ports/vale0:1', { 'storm-control': null });
    await client.change('PATCH', '/v1/ports/vale0:2', { rate: { rx: '8Kbit', burst: '2K' } });
    const before = host.ring('vale0:1', 'tx').drops.storm;
    await flood();
    await expect.poll(() => host.ring('vale0:2', 'rx').drops.rate).toBeGreaterThan(1000);
    expect(host.ring('vale0:1', 'tx').drops.storm).toBe(before);
  });

  test('policy and spin time, of a device and of all, and those of a pipe together only', async () => {
    const { host, client } = await startControlled(`${VALE}
  vm3: { devices: [{ port: 'p{1' }, { port: 'p}1' }] }`);
    const guest = await attach(host, 'vm1');
    const loop = await guest.ports[0]!.startLoop({ ...send });
    for (const policy of ['poll', 'notify', 'adaptive', 'poll'])
      await client.change('PATCH', '/v1/vms/vm1/devices/net0', { policy });
    expect((await client.vm('vm1')).devices[1]).toMatchObject({ policy: 'poll', started: true });
    await expect(client.change('PATCH', '/v1/vms/vm3/devices/net0', { policy: 'poll' })).rejects.toThrow(
      'the two ends are served together',
    );
    await client.change('PATCH', '/v1/host', { policy: 'notify', spinUs: 7 });
    const devices = (await client.vms()).flatMap((vm) => vm.devices.filter(({ kind }) => kind === 'ptnet'));
    expect(devices.map(({ policy, spinUs }) => [policy, spinUs])).toEqual(Array(4).fill(['notify', 7]));
    await expect(client.change('PATCH', '/v1/vms/vm1/devices/net0', { policy: 'inline' })).rejects.toThrow(
      'a VM is connected to it',
    );
    loop.stop();
    const { sent } = await loop.done;
    await expect.poll(() => host.packets('vale0:1', 'tx')).toBe(Number(sent.packets));
  });

  test('source and sink of a null port', async () => {
    const { host, client } = await startControlled(`vms: { vm1: { devices: [{ port: 'null:a' }] } }`);
    const guest = await attach(host, 'vm1');
    await client.change('PATCH', '/v1/ports/null:a', {
      source: { packets: 300, size: 90 },
      sink: { verify: true },
    });
    const { received } = await (
      await guest.ports[0]!.startLoop({ op: 'receive', size: 90, payload: 'stamp', sleep: true, count: 300n })
    ).done;
    expect(received).toMatchObject({ packets: 300n, lost: 0n, corrupt: 0n });
    await client.change('PATCH', '/v1/ports/null:a', { source: null });
    expect((await client.port('null:a')).source).toBeUndefined();
    expect((await client.port('null:a')).verify).toBe('full');
    await expect(client.change('PATCH', '/v1/ports/null:a', { source: { size: 5000 } })).rejects.toThrow(
      '5000 bytes do not fit a buffer',
    );
  });

  test('the lookup function, patience and age of a switch; addresses that stay', async () => {
    const { host, client } = await startControlled(VALE);
    const guests = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    await client.change('PATCH', '/v1/switches/vale0', { lookup: 'hub', 'mac-age': 60, 'patience-us': 5 });
    expect(await client.switch('vale0')).toMatchObject({ lookup: 'hub', macAge: 60, patienceUs: 5 });
    await client.change('PATCH', '/v1/switches/vale0', { lookup: null });
    await client.change('PUT', '/v1/switches/vale0/stations/02:00:00:00:00:42', { port: 'vale0:2' });
    const dst = Uint8Array.of(2, 0, 0, 0, 0, 0x42);
    await client.change('POST', '/v1/vms', { name: 'third', devices: [{ port: 'vale0:3' }] });
    guests.push(await attach(host, 'third'));
    await (await guests[0]!.ports[0]!.startLoop({ ...send, count: 200n, rate: 10_000, dst })).done;
    await expect.poll(() => host.packets('vale0:2', 'rx')).toBe(200);
    expect(host.packets('vale0:3', 'rx')).toBe(0);
    const known = await client.stations('vale0');
    expect(known).toContainEqual({ mac: '02:00:00:00:00:42', port: 'vale0:2', static: true });
    expect(known.filter((station) => !station.static).map(({ port }) => port)).toEqual(['vale0:1']);
    await client.change('DELETE', '/v1/switches/vale0/stations');
    expect(await client.stations('vale0')).toHaveLength(1);
    await client.change('DELETE', '/v1/switches/vale0/stations/02:00:00:00:00:42');
    expect(await client.stations('vale0')).toEqual([]);
    await expect(
      client.change('PUT', '/v1/switches/vale0/stations/02:00:00:00:00:42', { port: 'nowhere' }),
    ).rejects.toThrow("'nowhere' does not stand on it");
    await expect(client.change('DELETE', '/v1/switches/vale0/stations/02:00:00:00:00:42')).rejects.toThrow(
      'is not known there',
    );
  });

  test('members come and go', async () => {
    const net = await Netns.open();
    onEnd(() => net.close());
    const { host, client } = await startControlled(VALE);
    const guest = await attach(host, 'vm1');
    const path = '/v1/switches/vale0/members/tap:lan';
    await client.change('PUT', path, { netns: net.path, address: '192.0.2.1/24' });
    expect((await client.members()).map(({ name, switch: on }) => [name, on])).toEqual([
      ['tap:lan', 'vale0'],
    ]);
    await (await guest.ports[0]!.startLoop({ ...send, count: 100n, rate: 10_000 })).done;
    const got = async () => (await client.members())[0]!.rings.find(({ dir }) => dir === 'rx')!.packets;
    await expect.poll(got).toBe(100);
    await client.change('DELETE', path);
    expect(await client.members()).toEqual([]);
    await client.change('PUT', path, { netns: net.path });
    await expect(client.change('PUT', path, {})).rejects.toThrow(
      "'tap:lan' is a member of switch 'vale0' already",
    );
  });

  test('an interface and the machine’s own side of it come and go in one change', async () => {
    const net = await Netns.open('ip link add near type veth peer name far');
    onEnd(() => net.close());
    const { client } = await startControlled(VALE);
    const path = '/v1/switches/vale0/members/netmap:near?host-side=true';
    const changed = ({ changes }: { changes: { op: string; path: string }[] }) =>
      changes.map(({ op, path: at }) => `${op} ${at}`).sort();
    const members = async () => (await client.members()).map(({ name }) => name);
    expect(changed(await client.change('PUT', path, { netns: net.path }))).toEqual([
      "add ports.'netmap:near'",
      "add ports.'netmap:near^'",
      'add switches.vale0',
    ]);
    expect(await members()).toEqual(['netmap:near', 'netmap:near^']);
    await client.change('DELETE', path);
    expect(await members()).toEqual([]);
    await client.change('PUT', '/v1/switches/vale0/members/netmap:near', { netns: net.path });
    await client.change('DELETE', path);
    await expect(client.change('DELETE', path)).rejects.toThrow('netmap:near');
    // One that the machine cannot have takes the other with it.
    await client.change('PUT', '/v1/switches/vale0/members/netmap:near^', { netns: net.path });
    await expect(client.change('PUT', path, { netns: net.path })).rejects.toThrow('netmap:near^');
    expect(await members()).toEqual(['netmap:near^']);
  });

  test('the level of the log', async () => {
    const { client, log } = await startControlled(VALE);
    const { changes } = await client.change('PATCH', '/v1/host', { logLevel: 'debug' });
    expect(changes).toEqual([{ path: 'log-level', op: 'change', from: 'warn', to: 'debug' }]);
    expect(log.level).toBe('debug');
  });
});

test('500 changes at once end in one state that is whole', async () => {
  const { host, client } = await startControlled(VALE);
  const guest = await attach(host, 'vm1');
  const loop = await guest.ports[0]!.startLoop({ ...send });
  const jobs = Array.from({ length: 500 }, (_, i) => {
    const kind = i % 5;
    const name = `x${i}`;
    if (kind === 0) return client.change('POST', '/v1/vms', { name, devices: [{ port: `null:${name}` }] });
    if (kind === 1) return client.change('PATCH', '/v1/host', { spinUs: i });
    if (kind === 2)
      return client.change('PATCH', '/v1/vms/vm1/devices/net0', { policy: i % 2 === 0 ? 'poll' : 'notify' });
    if (kind === 3)
      return client.change('PATCH', '/v1/ports/vale0:1', { rate: i % 2 === 0 ? null : `${i}Mbit` });
    return client.change('DELETE', `/v1/vms/x${i - 4}`);
  });
  const results = await Promise.allSettled(jobs);
  // A VM may be asked to go before it has come; nothing else can fail.
  const failed = results.flatMap((result, i) =>
    result.status === 'rejected' ? [[i % 5, String(result.reason)]] : [],
  );
  for (const [kind, why] of failed)
    expect([kind, why]).toEqual([4, expect.stringContaining('there is no VM')]);
  const { config } = host.host;
  const vms = await client.vms();
  expect(vms.map(({ name }) => name)).toEqual([...config.vms.keys()]);
  expect((await client.ports()).map(({ name }) => name).sort()).toEqual([...config.ports.keys()].sort());
  for (const { devices } of vms)
    for (const { socketPath } of devices) expect(existsSync(socketPath)).toBe(true);
  expect(parseConfig(await client.config(), 'written')).toEqual(config);
  expect(vms[0]!.devices[1]!.policy).toBe(config.vms.get('vm1')!.devices[0]!.policy);
  await client.change('PATCH', '/v1/ports/vale0:1', { rate: null });
  loop.stop();
  const { sent } = await loop.done;
  await expect.poll(() => host.packets('vale0:1', 'tx')).toBe(Number(sent.packets));
});

test('a guest that is opened while devices change sees its own', async () => {
  const { host, client } = await startControlled(VALE);
  const [memdev, ...ptnet] = host.sockets('vm2');
  await client.change('POST', '/v1/vms', { name: 'a', devices: [{ port: 'null:a' }] });
  const guest = await openGuest({ memdev: memdev!, ptnet });
  onEnd(() => guest.close());
  await client.change('DELETE', '/v1/vms/a');
  await guest.create();
  expect((await client.vm('vm2')).devices[1]!.started).toBe(true);
});
