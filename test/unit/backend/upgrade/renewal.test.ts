// Whoever asked a host for an upgrade hears how it ended, whatever became of the process that was started.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Renewal } from '../../../../backend/upgrade/renewal.ts';
import { Wire } from '../../../../backend/upgrade/wire.ts';
import { handover } from '../../../../native/handover.ts';
import { closeFd } from '../../../../native/os.ts';

let folder: string;
let listener: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-renewal-'));
  listener = handover.packetsListen(join(folder, 'socket'), 0o600);
});
afterEach(() => {
  closeFd(listener);
  rmSync(folder, { recursive: true });
});

/** What has asked, and what has been asked, with a process of this command. */
function renew(program: string, args: string[], patienceMs?: number) {
  const asker = new Wire(handover.packetsConnect(join(folder, 'socket')));
  asker.deadline = performance.now() + 10_000;
  const child = spawn(program, args, { stdio: 'ignore' });
  let renewal!: Renewal;
  const ended = new Promise<string>((resolve) => {
    renewal = new Renewal(new Wire(handover.packetsAccept(listener)!), child, resolve, patienceMs);
  });
  expect(asker.receive()).toEqual({ kind: 'renewing', pid: child.pid ?? 0 });
  return { asker, child, renewal, ended };
}

test.each([
  ['one that ends', '/bin/sh', ['-c', 'exit 3'], /the new process ended: exit code 3: what it has said/],
  ['one that is killed', '/bin/sh', ['-c', 'kill -9 $$'], /the new process ended: SIGKILL/],
  ['one that cannot be started', '/nowhere/at-all', [], /could not be started: .*ENOENT/],
])('%s', async (_, program, args, why) => {
  const { asker, ended } = renew(program, args);
  expect(await ended).toMatch(why);
  expect(asker.receive()).toMatchObject({ kind: 'failed', why: expect.stringMatching(why) });
  expect(asker.receive()).toBeUndefined();
  asker.close();
});

test('one that was refused: why is what counts', async () => {
  const { asker, renewal, ended } = renew('/bin/sh', ['-c', 'exit 1']);
  renewal.because('a monitor is there');
  renewal.because('it ended');
  expect(await ended).toBe('a monitor is there');
  expect(asker.receive()).toEqual({ kind: 'failed', why: 'a monitor is there' });
  asker.close();
});

test('one that hangs is ended', async () => {
  const { asker, child, ended } = renew('/bin/sleep', ['1000'], 100);
  expect(await ended).toContain('did not serve within 0.1 s, and was ended');
  expect(asker.receive()).toMatchObject({ kind: 'failed' });
  await expect.poll(() => child.signalCode).toBe('SIGKILL');
  asker.close();
});

test('one that serves, and one whose host ends', async () => {
  const served = renew('/bin/sleep', ['1000']);
  served.renewal.succeeded();
  expect(served.asker.receive()).toMatchObject({ kind: 'renewed', pid: served.child.pid });
  // It is none of the renewal's any more.
  served.renewal.close();
  expect(served.child.kill()).toBe(true);
  await expect.poll(() => served.child.signalCode).toBe('SIGTERM');
  const left = renew('/bin/sleep', ['1000']);
  left.renewal.close();
  expect(left.asker.receive()).toEqual({ kind: 'failed', why: 'the host ended' });
  await expect.poll(() => left.child.signalCode).toBe('SIGKILL');
  for (const { asker } of [served, left]) asker.close();
});

test('nobody hears it any more: it goes on', async () => {
  const { asker, ended } = renew('/bin/sh', ['-c', 'sleep 0.2; exit 1']);
  asker.close();
  expect(await ended).toMatch(/exit code 1/);
});
