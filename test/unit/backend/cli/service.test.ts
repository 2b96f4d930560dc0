// What a service manager is told, with a datagram socket in its place: by path and by abstract name.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { serviceManager } from '../../../../backend/cli/service.ts';
import { NotifyManager } from './notify-manager.ts';

let folder: string;
const managers: NotifyManager[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-notify-'));
});
afterEach(() => {
  for (const manager of managers.splice(0)) manager.end();
  rmSync(folder, { recursive: true });
});

async function listen(address: string): Promise<NotifyManager> {
  const manager = await NotifyManager.listen(address);
  managers.push(manager);
  return manager;
}

describe.each([
  ['a path', () => join(folder, 'notify')],
  ['an abstract name', () => `@ptnet-notify-${process.pid}`],
])('%s', (_, address) => {
  test('ready, reloading, ready, stopping', async () => {
    const manager = await listen(address());
    const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: manager.address };
    const service = serviceManager(env);
    expect(env).toEqual({});
    service.ready();
    service.reloading();
    service.ready();
    service.stopping();
    const ready = `READY=1 MAINPID=${process.pid}`;
    await expect
      .poll(() => manager.said)
      .toEqual([ready, expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=\d+$/), ready, 'STOPPING=1']);
  });
});

test('another process is named, and it is heard, or not known to be', async () => {
  const path = join(folder, 'succeed.sock');
  const manager = await NotifyManager.listen(path);
  const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '1000000', WATCHDOG_PID: String(process.pid) };
  const service = serviceManager(env);
  expect(service.env).toEqual({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '1000000' });
  // Python drops the descriptor of the barrier with the message: it is closed, and so it is heard.
  expect(service.succeed(4711)).toBe(true);
  await expect.poll(() => manager.said).toEqual(['MAINPID=4711', 'BARRIER=1']);
  manager.end();
  await expect.poll(() => attempt(() => service.succeed(1))).toMatch(/ECONNREFUSED/);
  expect(serviceManager({}).env).toEqual({});
  expect(() => serviceManager({}).succeed(1)).toThrow();
});

function attempt(run: () => unknown): string {
  try {
    return String(run());
  } catch (error) {
    return (error as Error).message;
  }
}

test('a watchdog is fed from ready to stopping', async () => {
  const manager = await listen(join(folder, 'notify'));
  const service = serviceManager({
    NOTIFY_SOCKET: manager.address,
    WATCHDOG_USEC: '20000',
    WATCHDOG_PID: String(process.pid),
  });
  service.ready();
  await expect.poll(() => manager.said.filter((line) => line === 'WATCHDOG=1').length).toBeGreaterThan(2);
  service.stopping();
  await expect.poll(() => manager.said.at(-1)).toBe('STOPPING=1');
});

test("another process's watchdog is not fed", async () => {
  const manager = await listen(join(folder, 'notify'));
  const service = serviceManager({
    NOTIFY_SOCKET: manager.address,
    WATCHDOG_USEC: '1000',
    WATCHDOG_PID: '1',
  });
  service.ready();
  await new Promise((resolve) => setTimeout(resolve, 50));
  service.stopping();
  await expect.poll(() => manager.said.length).toBe(2);
});

describe('what cannot be told', () => {
  const complaints: string[] = [];
  const all = (address: string | undefined): string[] => {
    complaints.length = 0;
    const service = serviceManager(address === undefined ? {} : { NOTIFY_SOCKET: address }, (message) =>
      complaints.push(message),
    );
    service.ready();
    service.stopping();
    return complaints;
  };
  test('no manager: nothing happens', () => {
    expect(all(undefined)).toEqual([]);
    expect(all('')).toEqual([]);
  });
  test.each([
    ['/nowhere/notify', /^NOTIFY_SOCKET: sendmsg: ENOENT/],
    [`/${'x'.repeat(200)}`, /^NOTIFY_SOCKET: sendmsg: ENAMETOOLONG/],
    [`@${'x'.repeat(200)}`, /^NOTIFY_SOCKET: sendmsg: ENAMETOOLONG/],
    ['@nobody-listens-here', /^NOTIFY_SOCKET: sendmsg: ECONNREFUSED/],
  ])('%s is said once', (address, message) => {
    expect(all(address)).toEqual([expect.stringMatching(message)]);
  });
});
