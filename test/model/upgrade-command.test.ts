// `ptnet upgrade`: without a file the host stays what it is, whatever its file says; with one it becomes what that says.
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { onEnd } from './scene.ts';
import { Upgraded, VALE } from './upgraded.ts';

vi.setConfig({ testTimeout: 120_000 });

test('without a file what was changed stays, and the file that it had is read again when asked', async () => {
  const host = new Upgraded(VALE);
  const first = await host.start();
  await (await host.attach('vm1')).create();
  const client = host.client();
  await client.change('PATCH', '/v1/switches/vale0', { 'mac-age': 77 });
  const before = await client.config();
  expect(before).toContain('77');
  const second = await host.running(host.command('upgrade', '--run-dir', host.runDir));
  if (first.child.exitCode === null) await once(first.child, 'exit');
  expect(first.child.exitCode).toBe(0);
  expect(second.text()).toContain('vale0:1');
  expect(await host.client().config()).toBe(before);
  expect((await host.client().host()).file).toBe(host.file);
  second.child.kill('SIGHUP');
  await expect.poll(async () => await host.client().config(), { timeout: 20_000 }).not.toContain('77');
});

test('with a file it becomes what that says', async () => {
  const host = new Upgraded(VALE);
  const first = await host.start();
  writeFileSync(host.file, `run-dir: ${host.runDir}\nswitches: { vale0: { mac-age: 99 } }\n${VALE}`);
  await host.running(host.command('upgrade', host.file));
  if (first.child.exitCode === null) await once(first.child, 'exit');
  expect(await host.client().config()).toContain('mac-age: 99');
});

test('where no host is there is none to go on with, whether with a file or without one', async () => {
  const host = new Upgraded(VALE);
  for (const args of [['--run-dir', host.runDir], [host.file]]) {
    const { child, text } = host.command('upgrade', ...args);
    await once(child, 'exit');
    expect(child.exitCode).toBe(1);
    expect(text()).toContain(`${host.runDir}: no host is there`);
  }
});

test('a host that is no process of `ptnet up`, and a service that systemd hears nothing of, are refused', async () => {
  const host = new Upgraded(VALE);
  const refusal = async () => {
    const { child, text } = host.command('upgrade', '--run-dir', host.runDir);
    await once(child, 'exit');
    expect(child.exitCode).toBe(1);
    return text();
  };
  mkdirSync(host.runDir);
  const other = createServer().listen(join(host.runDir, 'control.sock'));
  await once(other, 'listening');
  expect(await refusal()).toContain('a host is there, but not one that can be taken over');
  other.close();
  await once(other, 'close');
  const main = join(projectRoot(), 'dist/backend/cli/main.js');
  const asService = 'SYSTEMD_EXEC_PID=$$ exec "$0" "$@"';
  const { child } = await host.running(
    host.program({}, '/bin/sh', '-c', asService, process.execPath, main, 'up', host.file),
  );
  expect(await refusal()).toContain('it is a service of systemd, which hears nothing of it');
  expect((await host.client().host()).pid).toBe(child.pid);
});

test('a host whose manager is gone starts the one that goes on all the same, and says so', async () => {
  const host = new Upgraded(VALE);
  const manager = { NOTIFY_SOCKET: join(host.folder, 'nobody-is-there') };
  const first = await host.running(host.commandWith(manager, 'up', host.file));
  const { child, text } = host.command('upgrade', '--run-dir', host.runDir);
  await once(child, 'close');
  expect(child.exitCode, text()).toBe(0);
  const next = Number(/process (\d+) goes on/.exec(text())![1]);
  onEnd(() => {
    process.kill(next, 'SIGTERM');
  });
  await expect.poll(first.text).toContain('its manager does not hear which process goes on');
  await expect.poll(() => first.child.exitCode).toBe(0);
  expect((await host.client().host()).pid).toBe(next);
});
