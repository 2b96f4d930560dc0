// Files for programs of a host that runs come as descriptors over a socket of their own: whose they are is for the kernel to say, and nobody waits for them.
import { closeSync, lstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { run } from '../../backend/cli/program.ts';
import { FILES_MAX } from '../../backend/control/files.ts';
import { handOver } from '../../backend/control/hand-over.ts';
import { Channel } from '../../native/os.ts';
import { openFds } from '../harness/descriptors.ts';
import { FakeIo } from '../unit/backend/cli/fake-io.ts';
import { type Controlled, startControlled } from './control-scene.ts';
import { attach, onEnd } from './scene.ts';

const YAML = `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'ptnet-files-'));
  onEnd(() => rmSync(path, { recursive: true }));
  return path;
}

function opened(path: string, flags: string): number {
  const fd = openSync(path, flags);
  onEnd(() => closeSync(fd));
  return fd;
}

const post = ({ client }: Controlled, body: object) =>
  client.change('POST', '/v1/programs', body as never) as Promise<unknown>;

/** A command on the host; `stop` ends it. */
function command({ host }: Controlled, ...args: string[]) {
  const io = new FakeIo();
  const done = run([...args, '--run-dir', host.runDir, '--json'], io, async () => {
    throw new Error('a host was started');
  });
  return { io, done };
}

test('the socket is for those who may change the host', async () => {
  const closed = await startControlled(YAML);
  expect(lstatSync(closed.socket('control-fd.sock')).mode & 0o777).toBe(0o600);
  const open = await startControlled(`control: { mode: '0660', read-mode: '0666' }\n${YAML}`);
  expect(lstatSync(open.socket('control-fd.sock')).mode & 0o777).toBe(0o660);
});

test('a name is good once, and as long as its client stays', async () => {
  const scene = await startControlled(YAML);
  const path = scene.socket('control-fd.sock');
  const file = join(folder(), 'a.pcapng');
  const fd = opened(file, 'w');
  const capture = (name: string) => post(scene, { kind: 'capture', port: 'vale0:1', file: name });
  const handed = await handOver(path, fd);
  expect(await capture(handed.name)).toMatchObject({ kind: 'capture', ports: ['vale0:1'] });
  await expect(capture(handed.name)).rejects.toThrow(
    `file: '${handed.name}' was not handed over, or is taken`,
  );
  handed.close();
  const left = await handOver(path, fd);
  left.close();
  await expect.poll(() => capture(left.name).catch((error: Error) => error.message)).toContain('handed over');
  // A number of a descriptor means nothing to the host, whoever's it is.
  await expect(post(scene, { kind: 'capture', port: 'vale0:1', fd })).rejects.toThrow('file: ');
  await expect(capture(String(fd))).rejects.toThrow('was not handed over');
  const { id } = scene.host.host.programs.states[0]!;
  scene.host.host.programs.stop(id);
  await expect.poll(() => scene.host.host.programs.ask(id)?.ended).toBe(true);
  await expect.poll(() => openFds().filter((each) => each.endsWith(file))).toEqual([`${fd} ${file}`]);
});

test('what is not one file once is hung up on, and so are those who are too many', async () => {
  const scene = await startControlled(YAML);
  const path = scene.socket('control-fd.sock');
  const fd = opened('/dev/null', 'r');
  const hungUp = (fds: number[], times = 1) =>
    new Promise<void>((resolve) => {
      const channel = Channel.connect(path);
      channel.start(
        () => {},
        () => resolve(),
      );
      for (let n = 0; n < times; n++) channel.send(Uint8Array.of(0), fds);
    });
  const nulls = openFds().filter((each) => each.endsWith('/dev/null')).length;
  await hungUp([]);
  await hungUp([fd, fd]);
  await hungUp([fd], 2);
  const handed = await Promise.all(Array.from({ length: FILES_MAX }, () => handOver(path, fd)));
  await expect(handOver(path, fd)).rejects.toThrow('ECONNRESET');
  for (const one of handed) one.close();
  const again = () => handOver(path, fd).then((one) => one.close());
  await expect.poll(() => again().then(() => 'taken', String)).toBe('taken');
  // Nor does one who leaves at once.
  for (let n = 0; n < 100; n++) {
    const channel = Channel.connect(path);
    channel.send(Uint8Array.of(0), [fd]);
    channel.close();
  }
  await expect.poll(() => again().then(() => 'taken', String)).toBe('taken');
  await expect.poll(() => openFds().filter((each) => each.endsWith('/dev/null')).length).toBe(nulls);
  // Somebody who says nothing keeps nobody from it.
  const silent = connect(path);
  onEnd(() => void silent.destroy());
  await again();
});

test('a replay from a pipe that nobody writes to keeps nobody waiting', async () => {
  const scene = await startControlled(YAML);
  const fifo = join(folder(), 'fifo');
  await execa('mkfifo', [fifo]);
  const replay = command(scene, 'replay', fifo, 'vale0:1', '--speed', 'top');
  await expect.poll(() => scene.host.host.programs.states.length).toBe(1);
  // The host answers, serves VMs, and lets go of the port at once.
  const guest = await attach(scene.host, 'vm2');
  const loop = await guest.ports[0]!.startLoop({ op: 'send', size: 60, payload: 'stamp', count: 10n });
  expect((await loop.done).sent.packets).toBe(10n);
  expect(await scene.client.ports()).toHaveLength(2);
  replay.io.stop();
  expect(await replay.done, replay.io.stderr).toBe(0);
  await attach(scene.host, 'vm1');
});

test('a file is emptied when the host begins to write it, not when it refuses', async () => {
  const scene = await startControlled(YAML);
  const file = join(folder(), 'a.pcapng');
  writeFileSync(file, 'x'.repeat(10_000));
  const refused = command(scene, 'capture', 'vale0:7', '-w', file);
  expect(await refused.done).toBe(1);
  expect(refused.io.stderr).toContain("'vale0:7': no such port here");
  expect(readFileSync(file, 'utf8')).toBe('x'.repeat(10_000));
  const capture = command(scene, 'capture', 'vale0:1', '-w', file);
  await expect.poll(() => capture.io.stderr).toContain('is captured to');
  capture.io.stop();
  expect(await capture.done, capture.io.stderr).toBe(0);
  expect(readFileSync(file, 'latin1')).not.toContain('xxxx');
});

test('a capture to a socket is refused', async () => {
  const scene = await startControlled(YAML);
  const refused = command(scene, 'capture', 'vale0:1', '-w', scene.socket());
  expect(await refused.done).not.toBe(0);
  expect(refused.io.stderr).toContain(`${scene.socket()}: a socket, or nothing that can be opened`);
});

test('a capture to a pipe waits for who reads it, and can be ended before', async () => {
  const scene = await startControlled(YAML);
  const fifo = join(folder(), 'fifo');
  await execa('mkfifo', [fifo]);
  const left = command(scene, 'capture', 'vale0:1', '-w', fifo);
  await expect.poll(() => left.io.stderr).toContain(`${fifo}: nobody reads it yet; Ctrl-C ends the waiting`);
  left.io.stop();
  expect(await left.done).toBe(1);
  expect(left.io.stderr).toContain('ptnet: interrupted');
  const capture = command(scene, 'capture', 'vale0:1', '-w', fifo);
  await expect.poll(() => capture.io.stderr).toContain('nobody reads it yet');
  const reader = execa('cat', [fifo], { encoding: 'buffer' });
  await expect.poll(() => capture.io.stderr).toContain('is captured to');
  capture.io.stop();
  expect(await capture.done, capture.io.stderr).toBe(0);
  expect((await reader).stdout.length).toBeGreaterThan(0);
});

test('a file that takes nothing any more is an error, not an end', { timeout: 60_000 }, async () => {
  const scene = await startControlled(YAML);
  const fifo = join(folder(), 'fifo');
  await execa('mkfifo', [fifo]);
  // Somebody has it open, and does not read.
  opened(fifo, 'r+');
  const guest = await attach(scene.host, 'vm1');
  const capture = command(scene, 'capture', 'vale0:1', '-w', fifo);
  await expect.poll(() => capture.io.stderr).toContain('is captured to');
  const loop = await guest.ports[0]!.startLoop({ op: 'send', size: 1500, payload: 'stamp', count: 2000n });
  await loop.done;
  capture.io.stop();
  expect(await capture.done).toBe(1);
  expect(capture.io.stderr).toContain('takes nothing any more: what has been captured is not all written');
});
