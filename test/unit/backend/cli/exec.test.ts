// `ptnet exec`: what the program finds in its environment, and what comes back of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { execEnvironment } from '../../../../backend/applications/environment.ts';
import { run } from '../../../../backend/cli/program.ts';
import { preload } from '../../../harness/application.ts';
import { FakeIo } from './fake-io.ts';

let folder: string;
let server: ReturnType<typeof createServer>;

beforeEach(async () => {
  await preload();
  folder = mkdtempSync(join(tmpdir(), 'ptnet-exec-'));
  server = createServer();
  await new Promise<void>((resolve) => server.listen(join(folder, 'netmap.sock'), resolve));
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

const exec = async (...args: string[]) => {
  const io = new FakeIo();
  const code = await run(['exec', ...args], io, () => Promise.reject(new Error('no host is started')));
  return { code, stderr: io.stderr };
};

test('the library comes before others, and the socket is that of the run-dir, PTNETMAP or --socket', () => {
  const socket = join(folder, 'netmap.sock');
  const env = execEnvironment({ runDir: folder, debug: false }, { LD_PRELOAD: '/lib/other.so', HOME: '/' });
  expect(env.LD_PRELOAD).toMatch(/\/native\/preload\/build\/libptnetmap\.so:\/lib\/other\.so$/);
  expect(env).toMatchObject({ PTNETMAP: socket, HOME: '/' });
  expect(env.PTNETMAP_DEBUG).toBeUndefined();
  expect(execEnvironment({ runDir: '/nowhere', debug: true }, { PTNETMAP: socket })).toMatchObject({
    PTNETMAP: socket,
    PTNETMAP_DEBUG: '1',
  });
  expect(execEnvironment({ runDir: '/nowhere', socket, debug: false }, { PTNETMAP: '/x' }).PTNETMAP).toBe(
    socket,
  );
});

test('a socket that is not there is said before anything runs, as other commands say it', async () => {
  expect((await exec('--run-dir', '/nowhere', '--', 'true')).code).toBe(1);
  expect(() => execEnvironment({ runDir: '/nowhere', debug: false }, {})).toThrow(
    "/nowhere/netmap.sock: no host listens there: 'applications: {}' in the file of a running one, or --socket, would be right",
  );
});

test.each([
  [0, 'exit 0'],
  [3, 'exit 3'],
  [128 + 9, 'kill -9 $$'],
])('exit code %d: %s', async (code, script) => {
  expect(await exec('--run-dir', folder, '--', 'sh', '-c', script)).toEqual({ code, stderr: '' });
});

test('the program’s own options are its own', async () => {
  const script = '[ "$1" = --help ] && [ "$PTNETMAP" = "$2" ]';
  const args = ['sh', '-c', script, 'sh', '--help', join(folder, 'netmap.sock')];
  expect(await exec('--run-dir', folder, '--', ...args)).toEqual({ code: 0, stderr: '' });
  expect((await exec('--run-dir', folder, ...args)).code).toBe(0);
});

test('a program that is not there', async () => {
  const { code, stderr } = await exec('--run-dir', folder, '--', 'no-such-program-here');
  expect(code).toBe(1);
  expect(stderr).toContain('ptnet: no-such-program-here: spawn no-such-program-here ENOENT');
});
