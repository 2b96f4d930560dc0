// The control sockets against those who come to them badly: in the way, half sent, never read, too many; and against another host.
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../backend/config/load.ts';
import { ServedHost } from '../../backend/control/serve.ts';
import { CONNECTIONS_MAX } from '../../backend/control/server.ts';
import { silentLogger } from '../../backend/log.ts';
import { startControlled } from './control-scene.ts';
import { onEnd } from './scene.ts';

const YAML = "vms: { vm1: { devices: [{ port: 'null:a' }] } }";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'ptnet-sockets-'));
  chmodSync(path, 0o700);
  onEnd(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function serve(runDir: string, yaml = YAML): Promise<ServedHost> {
  const log = { ...silentLogger, level: 'warn' };
  const served = await ServedHost.start(parseConfig(`run-dir: ${runDir}\n${yaml}`, 'f'), { log });
  onEnd(() => served.close());
  return served;
}

async function listening(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onEnd(() => void server.close());
}

test('a socket that nobody serves is replaced; one that somebody serves, and what is no socket, are left', async () => {
  const runDir = folder();
  const control = join(runDir, 'control.sock');
  await listening(control);
  await expect(serve(runDir)).rejects.toThrow(`${control}: served by another host`);
  const other = folder();
  writeFileSync(join(other, 'control-ro.sock'), '');
  await expect(serve(other)).rejects.toThrow('control-ro.sock: not a socket');
  // Nothing is left of either.
  for (const path of [join(runDir, 'vm1'), join(other, 'vm1'), join(other, 'control.sock')])
    expect(existsSync(path)).toBe(false);
  const third = folder();
  mkdirSync(join(third, 'vm1'), { mode: 0o700 });
  const first = await serve(third);
  await expect(serve(third)).rejects.toThrow('served by another host');
  expect(lstatSync(join(third, 'control.sock')).isSocket()).toBe(true);
  await first.close();
  expect(existsSync(join(third, 'control.sock'))).toBe(false);
  await serve(third);
});

test('metrics on a port that is taken, and the names of the sockets', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onEnd(() => void server.close());
  const { port } = server.address() as { port: number };
  await expect(serve(folder(), `control: { metrics: '127.0.0.1:${port}' }\n${YAML}`)).rejects.toThrow(
    `control.metrics: listen EADDRINUSE`,
  );
  await expect(
    async () => await serve(folder(), "vms: { control.sock: { devices: [{ port: 'null:a' }] } }"),
  ).rejects.toThrow("'control.sock' is the name of the host's own socket");
  await expect(
    async () => await serve(folder(), "vms: { control-fd.sock: { devices: [{ port: 'null:a' }] } }"),
  ).rejects.toThrow("'control-fd.sock' is the name of the host's own socket");
});

test('a request that is only half sent ends, without an answer of the host’s', async () => {
  const { socket } = await startControlled(YAML);
  const peer = connect(socket());
  let answer = '';
  peer.on('data', (chunk) => {
    answer += chunk;
  });
  const ended = new Promise<void>((resolve) => peer.on('close', () => resolve()));
  peer.write(
    'PATCH /v1/host HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"spin',
  );
  await ended;
  expect(answer).toMatch(/^(HTTP\/1.1 4\d\d |$)/);
});

test('whoever asks again and again and reads nothing, and more connections than there may be, hurt nobody', async () => {
  const { client, socket } = await startControlled(YAML);
  // Its connection is there before the others'.
  await client.host();
  const peers: Socket[] = [];
  onEnd(() => {
    for (const peer of peers) peer.destroy();
  });
  for (let i = 0; i < 2 * CONNECTIONS_MAX; i++) {
    const peer = connect(socket());
    peer.on('error', () => {});
    peer.pause();
    peer.write('GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(100));
    peers.push(peer);
  }
  for (let i = 0; i < 30; i++) expect((await client.host()).pid).toBe(process.pid);
});
