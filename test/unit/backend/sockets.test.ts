// Where sockets go: folders are made and closed to others, leftovers removed, and a host that is there is not pushed aside.
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../../backend/errors.ts';
import { RunDir, type SocketAccess } from '../../../backend/sockets.ts';

const ROOT = process.geteuid?.() === 0;
const OTHER = 12_345;

let folder: string;
let umask: number;
const servers: Server[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-sockets-'));
  umask = process.umask(0o022);
});
afterEach(async () => {
  process.umask(umask);
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

async function listen(path: string): Promise<void> {
  const server = createServer().listen(path);
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
}
const mode = (...path: string[]): string => (lstatSync(join(folder, ...path)).mode & 0o7777).toString(8);

/** Claims and makes the sockets of a VM, as a host does. */
async function serve(runDir: RunDir, vm = 'vm1'): Promise<void> {
  const path = runDir.claim(vm, 'mem');
  await listen(path);
  chmodSync(path, runDir.socketMode);
  runDir.open(vm);
}

describe('a run-dir', () => {
  test('is made, with its parents and a folder for each VM, and goes again', async () => {
    const runDir = new RunDir(join(folder, 'a/b'));
    await serve(runDir);
    expect(existsSync(join(folder, 'a/b/vm1/mem.sock'))).toBe(true);
    runDir.clear();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('keeps what somebody else has put there', () => {
    const runDir = new RunDir(join(folder, 'a'));
    runDir.claim('vm1', 'mem');
    writeFileSync(join(folder, 'a/vm1/notes'), '');
    runDir.clear();
    expect(existsSync(join(folder, 'a/vm1/notes'))).toBe(true);
  });

  test('that was there stays, and so does a VM’s folder', () => {
    mkdirSync(join(folder, 'a/vm1'), { recursive: true });
    const runDir = new RunDir(join(folder, 'a'));
    runDir.claim('vm1', 'mem');
    runDir.clear();
    expect(existsSync(join(folder, 'a/vm1'))).toBe(true);
  });

  test('that cannot be made is an error, not a loop', () => {
    const runDir = new RunDir('/proc/nope');
    expect(() => runDir.claim('vm1', 'mem')).toThrow(ConfigurationError);
    expect(() => runDir.claim('vm1', 'mem')).toThrow(/run-dir: ENOENT/);
  });

  test('that is a file is named', () => {
    writeFileSync(join(folder, 'a'), '');
    expect(() => new RunDir(join(folder, 'a')).claim('vm1', 'mem')).toThrow(
      `run-dir: '${folder}/a' is not a folder: another run-dir would be right`,
    );
  });

  test('a socket that a host serves is left alone; one that nobody serves any more is removed', async () => {
    const path = join(folder, 'vm1/x.sock');
    mkdirSync(join(folder, 'vm1'));
    await listen(path);
    const runDir = new RunDir(folder);
    expect(() => runDir.claim('vm1', 'x')).toThrow('served by another host');
    runDir.clear();
    expect(existsSync(path)).toBe(true);
    await new Promise((resolve) => servers.pop()!.close(resolve));
    writeFileSync(path, '');
    expect(() => runDir.claim('vm1', 'x')).toThrow('not a socket');
  });
});

describe('a folder that others could put sockets into is refused', () => {
  test.each(['', 'vm1'])('writable by everybody: run-dir/%s', (name) => {
    const path = join(folder, 'run', name);
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o1777);
    expect(() => new RunDir(join(folder, 'run')).claim('vm1', 'mem')).toThrow(
      `run-dir: '${path.replace(/\/$/, '')}' can be written by everybody, who could put other sockets there`,
    );
  });

  test.skipIf(!ROOT).each(['', 'vm1'])('of another user: run-dir/%s', (name) => {
    const path = join(folder, 'run', name);
    mkdirSync(path, { recursive: true });
    chownSync(path, OTHER, 0);
    expect(() => new RunDir(join(folder, 'run')).claim('vm1', 'mem')).toThrow(
      `belongs to another user (uid ${OTHER}), who could put other sockets there`,
    );
  });

  test('a VM’s folder that is a link', () => {
    symlinkSync(tmpdir(), join(folder, 'vm1'));
    expect(() => new RunDir(folder).claim('vm1', 'mem')).toThrow('is not a folder');
  });

  test('a group may write, as with the umask that users of private groups have', () => {
    chmodSync(folder, 0o775);
    expect(() => new RunDir(folder).claim('vm1', 'mem')).not.toThrow();
  });
});

describe('who may connect', () => {
  const cases: [what: string, umask: number, access: SocketAccess, socket: string, folder: string][] = [
    ['the umask of most people: the user', 0o022, {}, '640', '750'],
    ['a umask that lets the group write: the group', 0o002, {}, '660', '750'],
    ['a umask for the user alone', 0o077, {}, '600', '700'],
    ['no umask: never everybody, unless it is said', 0, {}, '660', '750'],
    ['a mode comes before the umask', 0o077, { mode: 0o660 }, '660', '750'],
    ['a mode for everybody', 0o077, { mode: 0o666 }, '666', '755'],
    ['a mode for the user', 0, { mode: 0o600 }, '600', '700'],
    ['a mode with which the group cannot connect', 0, { mode: 0o640 }, '640', '700'],
    ['a group is let in', 0o077, { group: process.getegid?.() ?? 0 }, '660', '750'],
  ];
  test.each(cases)('%s', async (_what, mask, access, socket, vm) => {
    process.umask(mask);
    await serve(new RunDir(join(folder, 'run'), access));
    expect([mode('run/vm1/mem.sock'), mode('run/vm1'), mode('run')]).toEqual([socket, vm, vm]);
  });

  test('nobody else comes in before all sockets of the VM are there', () => {
    process.umask(0);
    mkdirSync(join(folder, 'run/vm2'), { recursive: true, mode: 0o755 });
    const runDir = new RunDir(join(folder, 'run'), { mode: 0o666 });
    for (const vm of ['vm1', 'vm2']) {
      runDir.claim(vm, 'mem');
      expect(mode('run', vm)).toBe('700');
    }
    runDir.open('vm2');
    expect([mode('run/vm2'), mode('run/vm1')]).toEqual(['755', '700']);
  });

  test.skipIf(!ROOT)('sockets and folders are given to the group', async () => {
    await serve(new RunDir(join(folder, 'run'), { group: OTHER }));
    for (const path of ['run', 'run/vm1', 'run/vm1/mem.sock'])
      expect(lstatSync(join(folder, path)).gid).toBe(OTHER);
  });

  test.skipIf(!ROOT)('set-gid of a run-dir goes on to the folders and sockets in it', async () => {
    chownSync(folder, 0, OTHER);
    chmodSync(folder, 0o2750);
    await serve(new RunDir(folder, { mode: 0o660 }));
    expect([mode('vm1'), lstatSync(join(folder, 'vm1/mem.sock')).gid]).toEqual(['2750', OTHER]);
  });
});
