// `ptnet capture`, `replay` and `bridge` on live hosts: what passes is in the file as capinfos and tshark read it, and what the file has arrives.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { run } from '../../backend/cli/program.ts';
import type { HostConfig } from '../../backend/config/host-config.ts';
import { Host } from '../../backend/host.ts';
import { PROGRAMS_MAX } from '../../backend/programs/programs.ts';
import { type Guest, openGuest } from '../../guest-driver/model/index.ts';
import { closeFd, socketPair } from '../../native/os.ts';
import { netns } from '../harness/interfaces.ts';
import { FakeIo } from '../unit/backend/cli/fake-io.ts';
import { startControlled } from './control-scene.ts';
import { attach, onEnd, open, startHost } from './scene.ts';

/** Only ends a test that hangs. */
const WAIT_MS = 60_000;
const N = 2000;
const full = { payload: 'full', sleep: true } as const;

/** A command that has started its host. */
class Running {
  readonly io = new FakeIo();
  readonly folder = mkdtempSync(join(tmpdir(), 'ptnet-programs-'));
  readonly done: Promise<number>;
  host!: Host;

  constructor(yaml: string, args: (at: (name: string) => string) => string[]) {
    const at = (name: string): string => join(this.folder, name);
    writeFileSync(at('host.yaml'), `run-dir: ${at('run')}\n${yaml}`);
    this.done = run([...args(at), '--up', at('host.yaml')], this.io, async (config) => {
      this.host = await Host.start(config as HostConfig);
      return this.host;
    });
    onEnd(async () => {
      this.io.stop();
      await this.done;
      rmSync(this.folder, { recursive: true });
    });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async guest(vm: string): Promise<Guest> {
    const guest = await this.open(vm);
    await guest.create();
    return guest;
  }

  /** Before CREATE. */
  async open(vm: string): Promise<Guest> {
    await expect.poll(() => this.host, { timeout: WAIT_MS }).toBeDefined();
    const [memdev, ...ptnet] = this.host.vms
      .find(({ name }) => name === vm)!
      .devices.map(({ socketPath }) => socketPath);
    const guest = await openGuest({ memdev: memdev!, ptnet });
    // The host may have ended before it.
    onEnd(() => guest.close().catch(() => {}));
    return guest;
  }

  /** Stops it; what it printed with --json. */
  async result(): Promise<Record<string, unknown>> {
    this.io.stop();
    return this.ended();
  }

  async ended(): Promise<Record<string, unknown>> {
    expect(await this.done, this.io.stderr).toBe(0);
    return JSON.parse(this.io.stdout) as Record<string, unknown>;
  }
}

const started = (running: Running, text: string) =>
  expect.poll(() => running.io.stderr, { timeout: WAIT_MS }).toContain(text);

async function send(guest: Guest, count: number, size = 60) {
  const loop = await guest.ports[0]!.startLoop({ op: 'send', count: BigInt(count), size, ...full });
  return await loop.done;
}

const tshark = async (path: string, ...args: string[]) =>
  (await execa('tshark', ['-n', '-r', path, ...args])).stdout.split('\n');

const VALE = `
ports: { 'vale0:2': { rx-slots: 4096 } }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`;

test('a capture of a switch port, as capinfos and tshark read it', async () => {
  const capture = new Running(VALE, (at) => ['capture', 'vale0:1', '-w', at('a.pcapng'), '--json']);
  const [vm1, vm2] = [await capture.guest('vm1'), await capture.guest('vm2')];
  await started(capture, 'vale0:1 is captured to');
  await send(vm1, N, 600);
  await send(vm2, 10);
  expect(await capture.result()).toMatchObject({ seen: N + 10, written: N + 10, dropped: 0, filtered: 0 });
  const info = (await execa('capinfos', ['-M', capture.path('a.pcapng')])).stdout;
  expect(info).toMatch(new RegExp(`Number of packets:\\s+${N + 10}\n`));
  expect(info).toMatch(/File type:.*pcapng/);
  expect(info).toMatch(/File timestamp precision:\s+nanoseconds/);
  expect(info).toContain('Name = vale0:1');
  // 1 is inbound, 2 outbound.
  const fields = ['-T', 'fields', '-e', 'frame.packet_flags_direction', '-e', 'frame.len', '-e', 'eth.type'];
  const lines = await tshark(capture.path('a.pcapng'), ...fields);
  const count = (direction: string, len: number) =>
    lines.filter((line) => new RegExp(`^(0x0*)?${direction}\t${len}\t`).test(line)).length;
  expect([count('2', 600), count('1', 60)]).toEqual([N, 10]);
  const statistics = await tshark(capture.path('a.pcapng'), '-q', '-z', 'io,stat,0');
  expect(statistics.join('\n')).toContain(String(N + 10));
});

test('a filter, a count, and a file that is replayed somewhere else', async () => {
  const capture = new Running(VALE, (at) => [
    ...['capture', 'vale0:1/t', 'ether', 'src', '02:00:00:00:01:00', 'and', 'greater', '100'],
    ...['-w', at('a.pcapng'), '-c', '500', '--json'],
  ]);
  const vm1 = await capture.guest('vm1');
  await started(capture, 'is captured to');
  await send(vm1, 100, 60);
  await send(vm1, 600, 200);
  // It ends by itself.
  const result = await capture.ended();
  expect(result).toMatchObject({ written: 500, filtered: 100, error: '' });
  const replay = new Running(
    `
regions: { lan: { buf-num: 8192 } }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1' }] }
  vm2: { region: lan, devices: [{ port: 'p}1' }] }
`,
    () => ['replay', capture.path('a.pcapng'), 'p}1', '--speed', 'top', '--loops', '0', '--json'],
  );
  const receiver = await replay.guest('vm1');
  const loop = await receiver.ports[0]!.startLoop({ op: 'receive', count: 1500n, ...full });
  const { received } = await loop.done;
  // Twice it begins anew.
  expect(received).toMatchObject({ packets: 1500n, bytes: 300_000n, lost: 0n, late: 1000n, corrupt: 0n });
  const replayed = await replay.result();
  expect(replayed).toMatchObject({ lost: 0, skipped: 0, error: '' });
  expect(replayed.packets).toBeGreaterThanOrEqual(1500);
  expect(replayed.loops).toBeGreaterThanOrEqual(2);
});

test('a capture of a tap that is a member of a switch: ping, with times, to a pipe of the shell', async () => {
  const net = await netns();
  const capture = new Running(
    `
switches: { vale0: { members: ['tap:lan'] } }
ports: { 'tap:lan': { netns: ${net.path}, address: 192.0.2.1/24 } }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`,
    (at) => ['capture', 'tap:lan', 'arp', '-w', at('a.pcapng'), '--json'],
  );
  await capture.guest('vm1');
  await started(capture, 'is captured to');
  const before = Date.now();
  await net.run('ping', '-c', '1', '-W', '1', '192.0.2.7').catch(() => {});
  await capture.result();
  const lines = await tshark(
    capture.path('a.pcapng'),
    '-T',
    'fields',
    '-e',
    'arp.dst.proto_ipv4',
    '-e',
    'frame.time_epoch',
  );
  const asked = lines.find((line) => line.startsWith('192.0.2.7'));
  expect(asked).toBeDefined();
  const seconds = Number(/\t([\d.]+)/.exec(asked!)?.[1]);
  expect(seconds * 1000).toBeGreaterThan(before - 1000);
  expect(seconds * 1000).toBeLessThan(Date.now() + 1000);
});

test.each(['one region', 'two regions'])('a bridge between a pipe and a switch, in %s', async (where) => {
  const region = where === 'one region' ? 'lan' : 'other';
  const bridge = new Running(
    `
engine: { workers: 2 }
regions: { lan: { buf-num: 16384 }, other: { buf-num: 16384 } }
ports: { 'vale0:2': { rx-slots: 4096 } }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1' }, { port: 'p}1' }] }
  gate: { region: ${region}, devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`,
    () => ['bridge', 'p}1', 'vale0:1', '--json'],
  );
  await started(bridge, where === 'one region' ? 'are bridged; Ctrl-C' : 'are bridged, with a copy; Ctrl-C');
  const [memdev, first] = bridge.host.vms[0]!.devices.map(({ socketPath }) => socketPath);
  const vm1 = await openGuest({ memdev: memdev!, ptnet: [first!] });
  onEnd(() => vm1.close().catch(() => {}));
  await vm1.create();
  const vm2 = await bridge.guest('vm2');
  const loop = await vm2.ports[0]!.startLoop({ op: 'receive', count: BigInt(N), ...full });
  await send(vm1, N, 300);
  expect((await loop.done).received).toMatchObject({ packets: BigInt(N), lost: 0n, late: 0n, corrupt: 0n });
  const back = await vm1.ports[0]!.startLoop({ op: 'receive', count: 700n, ...full });
  await send(vm2, 700);
  expect((await back.done).received).toMatchObject({ packets: 700n, lost: 0n, late: 0n, corrupt: 0n });
  expect(await bridge.result()).toMatchObject({
    forth: { packets: N, bytes: 300 * N, dropped: 0 },
    back: { packets: 700, dropped: 0 },
    copies: where === 'two regions',
  });
});

test('what cannot be is said in one line, with exit code 2', async () => {
  const refused = async (args: (at: (name: string) => string) => string[]) => {
    const running = new Running(VALE, args);
    expect(await running.done).toBe(2);
    return running.io.stderr.replaceAll(running.folder, 'F');
  };
  expect(await refused((at) => ['capture', 'vale0:3', '-w', at('a')])).toBe(
    "ptnet: 'vale0:3': no such port here: vale0:1, vale0:2 are\n",
  );
  expect(await refused((at) => ['capture', 'vale0:1', '-w', at('no/a')])).toBe(
    "ptnet: F/no/a: cannot be written: ENOENT: no such file or directory, open 'F/no/a'\n",
  );
  expect(await refused((at) => ['capture', 'vale0:1', 'prot', '7', '-w', at('a')])).toContain(
    "ptnet: filter 'prot 7': ",
  );
  expect(await refused(() => ['capture', 'vale0:1', '-w', '-', '--json'])).toBe(
    'ptnet: --json: stdout has the packets: a file would be right for -w\n',
  );
  expect(await refused((at) => ['capture', 'vale0:1', '-w', at('a'), '--files', '3'])).toBe(
    "ptnet: --files: there is one file: '--rotate 100M' would be right with it\n",
  );
  expect(await refused((at) => ['replay', at('none.pcap'), 'vale0:1'])).toBe(
    'ptnet: F/none.pcap: No such file or directory\n',
  );
  expect(await refused(() => ['bridge', 'vale0:1', 'vale0:1'])).toBe(
    'ptnet: vale0:1: both ends of the bridge: another port would be right for one\n',
  );
});

test('a port is one client’s: a VM gets it when the program has ended', async () => {
  const host = await startHost(VALE);
  const { programs } = host.host;
  const { id } = programs.start({ kind: 'bridge', a: 'vale0:1', b: 'vale0:2' });
  const vm1 = await open(host, 'vm1');
  await expect(vm1.create()).rejects.toMatchObject({ errno: 16 });
  expect(() => programs.start({ kind: 'bridge', a: 'vale0:1', b: 'vale0:2' })).toThrow(
    'vale0:1: in use: detach the other client first',
  );
  expect(programs.states).toMatchObject([
    { id, kind: 'bridge', ports: ['vale0:1', 'vale0:2'], ended: false },
  ]);
  programs.stop(id);
  await vm1.create();
  expect(() => programs.start({ kind: 'bridge', a: 'vale0:2', b: 'vale0:1' })).toThrow('vale0:1: in use');
  expect(host.host.stats(['vale0:2']).ports).toHaveLength(1);
});

test('no more than so many are there, those that cannot end counted', async () => {
  const host = await startHost(VALE);
  const { programs } = host.host;
  const [reader, writer] = socketPair();
  onEnd(() => closeFd(writer));
  // Nobody reads: what is captured stays where it is, and the program with it.
  const start = () =>
    programs.start({
      kind: 'capture',
      port: 'vale0:1',
      direction: 'tx',
      options: { fd: writer, filterText: '' },
    });
  const ids = Array.from({ length: PROGRAMS_MAX }, () => start().id);
  const no = `${PROGRAMS_MAX} captures, replayers and bridges are there already`;
  expect(start).toThrow(no);
  const vm1 = await attach(host, 'vm1');
  await send(vm1, 1000, 1500);
  for (const id of ids) programs.stop(id);
  expect(ids.some((id) => programs.ask(id)!.ended)).toBe(false);
  expect(start).toThrow(no);
  closeFd(reader);
  await expect.poll(() => ids.every((id) => programs.ask(id)!.ended)).toBe(true);
  programs.stop(start().id);
});

test('a file that is cut ends a replay, with what is wrong and where', async () => {
  const capture = new Running(VALE, (at) => [
    'capture',
    'vale0:1',
    '-w',
    at('a.pcapng'),
    '-c',
    '10',
    '--json',
  ]);
  const vm1 = await capture.guest('vm1');
  await started(capture, 'is captured to');
  await send(vm1, 10);
  await capture.ended();
  writeFileSync(capture.path('cut.pcapng'), readFileSync(capture.path('a.pcapng')).subarray(0, 500));
  const replay = new Running(VALE, () => ['replay', capture.path('cut.pcapng'), 'vale0:2', '--speed', 'top']);
  expect(await replay.done).toBe(1);
  expect(replay.io.stderr).toMatch(/cut\.pcapng: byte \d+: it ends within a block\n$/);
  const none = new Running(VALE, (at) => ['replay', at('host.yaml'), 'vale0:1']);
  expect(await none.done).toBe(1);
  expect(none.io.stderr).toMatch(
    /host\.yaml: neither pcap nor pcapng: what tcpdump or Wireshark has written would be right\n$/,
  );
});

test('on a host that runs: captured, stopped, replayed, and ended when nobody asks any more', async () => {
  const { host, client } = await startControlled(VALE);
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-programs-'));
  onEnd(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'a.pcapng');
  const ask = async (...args: string[]) => {
    const io = new FakeIo();
    const done = run([...args, '--run-dir', host.runDir, '--json'], io, async () => {
      throw new Error('a host was started');
    });
    return { io, done };
  };
  const vm1 = await attach(host, 'vm1');
  const capture = await ask('capture', 'vale0:1', 'greater', '100', '-w', file);
  await expect.poll(() => capture.io.stderr, { timeout: WAIT_MS }).toContain('is captured to');
  expect(host.host.programs.states).toMatchObject([{ kind: 'capture', ports: ['vale0:1'] }]);
  // Nor may the port be taken away meanwhile.
  await send(vm1, 300, 200);
  await send(vm1, 50, 60);
  await expect.poll(() => host.host.programs.states[0]!.stats).toMatchObject({ seen: 350 });
  capture.io.stop();
  expect(await capture.done, capture.io.stderr).toBe(0);
  expect(JSON.parse(capture.io.stdout)).toMatchObject({ written: 300, filtered: 50, dropped: 0, error: '' });
  expect((await tshark(file)).length).toBe(300);
  await vm1.close();
  const vm2 = await attach(host, 'vm2');
  const loop = await vm2.ports[0]!.startLoop({ op: 'receive', count: 300n, ...full });
  const replay = await ask('replay', file, 'vale0:1', '--speed', 'top');
  expect(await replay.done, replay.io.stderr).toBe(0);
  expect(JSON.parse(replay.io.stdout)).toMatchObject({ packets: 300, loops: 1, error: '' });
  expect((await loop.done).received).toMatchObject({ packets: 300n, lost: 0n, corrupt: 0n });
  const rotated = await ask('capture', 'vale0:1', '-w', file, '--rotate', '1M');
  expect(await rotated.done).toBe(2);
  expect(rotated.io.stderr).toBe(
    "ptnet: --rotate: only of a host's own: '--up FILE' would be right with it\n",
  );
  const { id } = await client
    .startProgram({ kind: 'bridge', a: 'vale0:1', b: 'vale0:1' })
    .catch(() => ({ id: 0 }));
  expect(id).toBe(0);
  await expect(client.program(99)).rejects.toThrow('there is no program 99, or none any more');
});
