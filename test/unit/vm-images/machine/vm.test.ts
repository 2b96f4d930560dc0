/** A real VM without devices: boot, agent commands, reboot, reset, poweroff, and what is left of it afterwards. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Vm, withVm } from '../../../../vm-images/machine/vm.ts';
import { requireVms } from '../../../harness/prerequisites.ts';
import { buildStandIn } from '../../harness/stand-in.ts';

const BOOTS_TIMEOUT_MS = 300_000;
const FETCH_TIMEOUT_MS = 600_000;

let folder: string;
let logDir: string;
let init: string;

beforeAll(async () => {
  await requireVms();
  folder = await mkdtemp(join(tmpdir(), 'ptnet-vmtest-'));
  logDir = join(folder, 'logs');
  init = await buildStandIn(folder);
}, FETCH_TIMEOUT_MS);
afterAll(() => rm(folder, { recursive: true, force: true }));

const options = (name: string) => ({ name, init, logDir });

test(
  'a VM boots, answers, restarts on its own and by reset, and switches itself off',
  async () => {
    await withVm(options('life'), async (vm) => {
      expect(await vm.agent('info')).toMatchObject({ op: 'info', ok: true, boot: 1 });
      expect(await vm.agent('info')).toMatchObject({ boot: 2 });
      await expect(vm.agent('nonsense')).rejects.toThrow('unknown command');
      expect(await vm.qmp.command('query-status')).toMatchObject({ running: true });
      await vm.reboot();
      // A restarted agent has forgotten how often it was asked.
      expect(await vm.agent('info')).toMatchObject({ boot: 1 });
      await vm.reset();
      expect(await vm.agent('info')).toMatchObject({ boot: 1 });
      expect(await vm.poweroff()).toEqual({ exitCode: 0, signal: undefined });
      await expect(vm.agent('info')).rejects.toThrow('QEMU ended with exit code 0');
    });
  },
  BOOTS_TIMEOUT_MS,
);

test(
  'a q35 machine boots, a killed QEMU ends all waits and says so, and nothing of it is left',
  async () => {
    const vm = await Vm.start({ ...options('killed'), machine: 'q35', smp: 2 });
    await vm.ready();
    const job = vm.agentStart('hang');
    vm.kill('SIGKILL');
    await expect(job.done).rejects.toThrow('QEMU ended with SIGKILL');
    expect(await vm.exited).toEqual({ exitCode: undefined, signal: 'SIGKILL' });
    await expect(vm.qmp.command('query-status')).rejects.toThrow('closed the connection');
    expect(existsSync(`/proc/${vm.pid}`)).toBe(false);
    await vm.stop();
    expect(existsSync(vm.logFolder)).toBe(false);
  },
  BOOTS_TIMEOUT_MS,
);

test(
  'an agent that dies is told as a kernel panic with the console, and the logs stay',
  async () => {
    let logFolder = '';
    const failing = withVm(options('panic'), async (vm) => {
      logFolder = vm.logFolder;
      await vm.agent('die');
    });
    await expect(failing).rejects.toThrow(/the guest's kernel panicked.*Attempted to kill init[\s\S]*logs: /);
    expect((await readdir(logFolder)).sort()).toEqual(['command.txt', 'console.log', 'qmp.log']);
    expect(await readFile(join(logFolder, 'console.log'), 'utf8')).toContain('PTNET-READY');
    expect(await readFile(join(logFolder, 'command.txt'), 'utf8')).toContain('-machine pc,accel=tcg');
  },
  BOOTS_TIMEOUT_MS,
);

test('a device socket that is not there is told in QEMU’s words', async () => {
  const starting = Vm.start({ ...options('no-socket'), sockets: [join(folder, 'nobody.sock')] });
  await expect(starting).rejects.toThrow(
    /^no-socket: QEMU ended with exit code 1.*nobody\.sock[\s\S]*\nlogs: /,
  );
});

test('PTNET_KEEP_LOGS keeps the logs of a VM that did well', async () => {
  vi.stubEnv('PTNET_KEEP_LOGS', '1');
  try {
    const vm = await Vm.start(options('kept'));
    await vm.stop();
    expect(await readdir(vm.logFolder)).toContain('qmp.log');
  } finally {
    vi.unstubAllEnvs();
  }
});
