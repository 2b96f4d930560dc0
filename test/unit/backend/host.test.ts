// A host from its configuration to its end: sockets, figures, changes while it runs, and what a failed start leaves.
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../../backend/config/load.ts';
import { ConfigurationError } from '../../../backend/errors.ts';
import { Host } from '../../../backend/host.ts';
import { type Guest, openGuest } from '../../../guest-driver/model/index.ts';
import { Channel } from '../../../native/os.ts';
import { type LogLine, recordingLog } from '../../protocol/recording.ts';

const YAML = `
ports: { 'null:a': { sink: { verify: true } }, 'null:spare': {} }
vms:
  2: { devices: [{ port: 'null:a' }, { name: '007', port: 'vale0:1' }] }
  1: { devices: [{ port: 'p{1' }, { port: 'p}1' }] }
`;

let folder: string;
let lines: LogLine[];
const hosts: Host[] = [];
const guests: Guest[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-host-'));
  lines = [];
});
afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.close();
  for (const host of hosts.splice(0)) await host.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(yaml = YAML, runDir = join(folder, 'run')): Promise<Host> {
  const host = await Host.start(parseConfig(`run-dir: ${runDir}\n${yaml}`, 'f'), {
    log: recordingLog(lines),
  });
  hosts.push(host);
  return host;
}
async function attach(host: Host, vm: string): Promise<Guest> {
  const [memdev, ...ptnet] = host.vms.find(({ name }) => name === vm)!.devices.map((d) => d.socketPath);
  const guest = await openGuest({ memdev: memdev!, ptnet });
  guests.push(guest);
  await guest.create();
  return guest;
}

describe('sockets', () => {
  test('are there for every device in the file’s order, and gone with the host', async () => {
    const host = await start();
    const at = (path: string) => join(folder, 'run', path);
    expect(host.vms).toEqual([
      {
        name: '2',
        memory: '512M',
        devices: [
          { kind: 'memdev', name: 'mem', socketPath: at('2/mem.sock') },
          { kind: 'ptnet', name: 'net0', socketPath: at('2/net0.sock'), port: 'null:a' },
          { kind: 'ptnet', name: '007', socketPath: at('2/007.sock'), port: 'vale0:1' },
        ],
      },
      {
        name: '1',
        memory: '512M',
        devices: [
          { kind: 'memdev', name: 'mem', socketPath: at('1/mem.sock') },
          { kind: 'ptnet', name: 'net0', socketPath: at('1/net0.sock'), port: 'p{1' },
          { kind: 'ptnet', name: 'net1', socketPath: at('1/net1.sock'), port: 'p}1' },
        ],
      },
    ]);
    for (const { devices } of host.vms)
      for (const { socketPath } of devices) expect(lstatSync(socketPath).isSocket()).toBe(true);
    await hosts.pop()!.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('have the mode that the file says', async () => {
    const host = await start(`socket-mode: 0666\n${YAML}`);
    const { socketPath } = host.vms[0]!.devices[1]!;
    expect(lstatSync(socketPath).mode & 0o777).toBe(0o666);
    expect(lstatSync(join(folder, 'run/2')).mode & 0o777).toBe(0o755);
  });

  test('a start that fails leaves none, no folder, and nobody who listens', async () => {
    mkdirSync(join(folder, 'run/1'), { recursive: true });
    writeFileSync(join(folder, 'run/1/net1.sock'), '');
    await expect(start()).rejects.toThrow(ConfigurationError);
    expect(readdirSync(join(folder, 'run'))).toEqual(['1']);
    expect(readdirSync(join(folder, 'run/1'))).toEqual(['net1.sock']);
    const path = join(folder, 'run/2/mem.sock');
    expect(existsSync(path)).toBe(false);
    rmSync(join(folder, 'run/1/net1.sock'));
    await expect(start()).resolves.toBeInstanceOf(Host);
    expect(() => Channel.connect(path).close()).not.toThrow();
  });

  test('of another host are left to it', async () => {
    const first = await start();
    await expect(start()).rejects.toThrow('served by another host');
    for (const { devices } of first.vms)
      for (const { socketPath } of devices) expect(existsSync(socketPath)).toBe(true);
  });
});

describe('figures', () => {
  test('name every port that a device uses, with its VM', async () => {
    const { ports, workers, time } = (await start()).stats();
    expect(ports.map(({ name, vm, device }) => [name, vm, device])).toEqual([
      ['null:a', '2', 'net0'],
      ['vale0:1', '2', '007'],
      ['p{1', '1', 'net0'],
      ['p}1', '1', 'net1'],
    ]);
    expect(workers).toHaveLength(1);
    expect(new Date(time).toISOString()).toBe(time);
  });

  test('of the ports that are asked for', async () => {
    const { ports } = (await start()).stats(['p{1', 'nope']);
    expect(ports.map(({ name }) => name)).toEqual(['p{1']);
  });
});

describe('changes while it runs', () => {
  test('a source is for null ports that are there', async () => {
    const host = await start();
    const source = {
      packets: 3,
      size: 60,
      payload: 'stamp',
      rate: 0,
      stream: 0,
      dst: '02:00:00:00:01:00',
      src: '02:00:00:00:00:01',
    } as const;
    expect(() => host.setSource('vale0:1', source)).toThrow(ConfigurationError);
    expect(() => host.setSource('null:b', source)).toThrow("'null:b': no such port here");
    expect(() => host.setSource('null:a', { ...source, size: 2049 })).toThrow(
      new ConfigurationError(
        'null:a: source: 2049 bytes do not fit a buffer of its region: at most 2048 would be right',
      ),
    );
    host.setSource('null:a', { ...source, size: 2048 });
    host.setSource('null:a', source);
    const guest = await attach(host, '2');
    for (let i = 0; i < 3; i++) expect(await guest.receive({ timeoutMs: 5000 })).toHaveLength(60);
  });

  test('a policy is for devices that are being served', async () => {
    const host = await start();
    const policy = { policy: 'poll', spinUs: 0, worker: 0 } as const;
    expect(host.setPolicy('2', 'net0', policy)).toBe(false);
    await attach(host, '2');
    expect(host.setPolicy('2', 'net0', policy)).toBe(true);
    expect(host.setPolicy('2', 'nope', policy)).toBe(false);
    expect(host.setPolicy('1', 'net0', policy)).toBe(false);
  });
});

test('what a guest is refused is said the first time and at every power of ten, and counted with its device', async () => {
  const host = await start();
  const guest = await attach(host, '2');
  for (let i = 0; i < 19; i++) await guest.functions[1]!.device.write32(0, 4, 99);
  const said = lines.map(({ text }) => text).filter((text) => text.includes('PTCTL command'));
  expect(said).toHaveLength(2);
  expect(said[0]).toMatch(/^2\/net0: .*\(value 0x63\)$/);
  expect(said[1]).toMatch(/\(10 times\)$/);
  const { complaints } = host.stats().devices.find(({ name }) => name === '2/net0')!;
  expect(complaints).toEqual({ 'unknown-command': 19 });
});

test('it ends while a guest is attached', async () => {
  const host = await start();
  const guest = await attach(host, '2');
  await hosts.pop()!.close();
  expect(readdirSync(folder)).toEqual([]);
  await expect.poll(() => guest.functions[0]!.device.client.isOpen).toBe(false);
  await guests.pop()!.crash();
  expect(host.stats().ports).toHaveLength(4);
});
