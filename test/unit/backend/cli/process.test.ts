// `./ptnet` as a process: signals, a stdout that goes away or is full, a narrow terminal, a service manager, another host.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { projectRoot } from '../../../harness/paths.ts';
import { NotifyManager } from './notify-manager.ts';

const PTNET = join(projectRoot(), 'ptnet');

let folder: string;
let file: string;
const running: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-process-'));
  file = join(folder, 'wirt.yaml');
  writeFileSync(
    file,
    `run-dir: ${join(folder, 'run')}\nvms:\n  vm1: { devices: [{ port: 'vale0:1' }] }\n  vm2: { devices: [{ port: 'vale0:2' }] }\n`,
  );
});
afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

const sh = (script: string) =>
  spawnSync('bash', ['-c', script], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, PTNET, FILE: file },
  });

function up(env: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<number | string | null> } {
  const child = spawn(PTNET, ['up', file], { stdio: 'ignore', env: { ...process.env, ...env } });
  running.push(child);
  return {
    child,
    ended: new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal))),
  };
}

const socket = (): string => join(folder, 'run', 'vm2', 'net0.sock');

describe('a stdout', () => {
  test('that is full: said, and exit code 1', () => {
    for (const command of ['plan "$FILE"', 'init --list', '--help', 'completion bash']) {
      const { status, stderr } = sh(`"$PTNET" ${command} > /dev/full`);
      expect(stderr).toBe('ptnet: stdout: ENOSPC: no space left on device, write: what follows is lost\n');
      expect(status).toBe(1);
    }
  });
  test('that goes away: nothing to say', () => {
    const { stdout, stderr } = sh('set -o pipefail; "$PTNET" plan "$FILE" | head -c 5; echo " $?"');
    expect({ stdout, stderr }).toEqual({ stdout: '# vm1 0\n', stderr: '' });
  });
  test('that is closed', () => {
    const { status, stderr } = sh('"$PTNET" plan "$FILE" >&-');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
  test('and a stderr that is full', () => {
    expect(sh('"$PTNET" plan nowhere 2> /dev/full').status).toBe(2);
  });
});

test('a terminal of 20 columns', () => {
  const { stdout } = sh(`script -qec 'stty cols 20; "$PTNET" init --help' /dev/null`);
  expect(stdout).toContain('--example <name>');
});

describe('a running host', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('ends with %s, and leaves nothing', async (signal) => {
    const { child, ended } = up();
    await expect.poll(() => existsSync(socket())).toBe(true);
    child.kill(signal);
    expect(await ended).toBe(0);
    expect(existsSync(join(folder, 'run'))).toBe(false);
  });

  test('tells its service manager', async () => {
    const manager = await NotifyManager.listen(`@ptnet-process-${process.pid}`);
    try {
      const { child, ended } = up({ NOTIFY_SOCKET: manager.address });
      await expect.poll(() => manager.said[0]).toBe(`READY=1 MAINPID=${child.pid}`);
      expect(existsSync(socket())).toBe(true);
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
      await expect.poll(() => manager.said.at(-1)).toBe('STOPPING=1');
    } finally {
      manager.end();
    }
  });

  test('writes what is changed, and by whom, whatever the level of its log', async () => {
    const child = spawn(PTNET, ['up', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    running.push(child);
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    const lines = () =>
      log
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { event: string; msg: string; pid: number });
    await expect.poll(() => existsSync(socket())).toBe(true);
    const where = `--run-dir ${join(folder, 'run')}`;
    expect(sh(`"$PTNET" set host log-level=error spin-us=7 ${where}`).status).toBe(0);
    expect(sh(`"$PTNET" fdb add vale0 02:00:00:00:00:09 vale0:2 ${where}`).status).toBe(0);
    child.kill('SIGHUP');
    await expect.poll(() => lines().map(({ event }) => event)).toContain('reload');
    const said = lines().filter(({ event }) => event === 'change');
    expect(said.map(({ msg }) => msg).join('\n')).toMatch(/spin-us.*\(pid \d+, uid \d+\)/);
    expect(said.map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/switches\.vale0: station 02:00:00:00:00:09 is at vale0:2 \(pid/),
    );
  });

  test('that another command has started ends with the terminal, unless that is not to matter', async () => {
    const capture = ['capture', 'vale0:1', '--up', file, '-w', join(folder, 'a.pcapng')];
    const start = (program: string, args: string[]) => {
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      running.push(child);
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
      return { child, ended, begun: () => said.includes('is captured to') };
    };
    const closed = start(PTNET, capture);
    await expect.poll(closed.begun).toBe(true);
    closed.child.kill('SIGHUP');
    expect(await closed.ended).toBe(0);
    expect(existsSync(join(folder, 'run'))).toBe(false);
    const kept = start('nohup', [PTNET, ...capture]);
    await expect.poll(kept.begun).toBe(true);
    kept.child.kill('SIGHUP');
    kept.child.kill('SIGTERM');
    expect(await kept.ended).toBe(0);
  });

  test('is named to the one that comes second', async () => {
    const { child } = up();
    await expect.poll(() => existsSync(socket())).toBe(true);
    const { status, stderr } = sh('"$PTNET" up "$FILE"');
    expect(status).toBe(2);
    expect(stderr).toBe(
      `ptnet: ${join(folder, 'run', 'vm1', 'mem.sock')}: served by another host (pid ${child.pid}): stop it, or choose another run-dir\n`,
    );
  });
});

describe('a run-dir', () => {
  test('that is empty', () => {
    const { status, stderr } = sh('"$PTNET" up "$FILE" --run-dir ""');
    expect(stderr).toBe("ptnet: --run-dir: '' is not a path: '/run/ptnetmap' would be right\n");
    expect(status).toBe(2);
  });
  test('that this user cannot make', () => {
    const { status, stderr } = sh('XDG_RUNTIME_DIR=/run/user/7 "$PTNET" up "$FILE" --run-dir /sys/ptnetmap');
    expect(stderr).toMatch(
      /^ptnet: run-dir: E\w+: .*, mkdir '\/sys\/ptnetmap': a folder that this user can make, such as --run-dir \/run\/user\/7\/ptnetmap, or root's rights would be right\n$/,
    );
    expect(status).toBe(2);
  });
});
