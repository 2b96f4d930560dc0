// `ptnet run` with a real QEMU and a guest of the user's: its console is the terminal's, its end is the host's, and signals reach it.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect } from 'vitest';
import { getKernel } from '../../vm-images/fetch.ts';
import { buildInitramfs } from '../../vm-images/initramfs.ts';
import { agentBinary } from '../../vm-images/machine/agent-binary.ts';
import { Console } from '../../vm-images/machine/console.ts';
import { projectRoot } from '../harness/paths.ts';
import { vmTest } from './vm-test.ts';

const BOOT_MS = 120_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-run-'));
  writeFileSync(
    join(folder, 'host.yaml'),
    `run-dir: ${folder}/run\nvms: { vm1: { memory: 256M, devices: [{ port: 'null:a' }] } }\n`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: string[]) {
  const main = join(projectRoot(), 'dist/backend/cli/main.js');
  const child = execa(process.execPath, [main, 'run', join(folder, 'host.yaml'), 'vm1', '--', ...args], {
    stdin: 'pipe',
    buffer: { stdout: false, stderr: true },
    reject: false,
    stripFinalNewline: false,
  });
  return { child, console: new Console(child.stdout, child.stdin, { name: 'run' }) };
}

async function image(): Promise<string[]> {
  const initramfs = join(folder, 'initramfs.gz');
  await buildInitramfs(await agentBinary(), initramfs);
  return [
    '-kernel',
    await getKernel(),
    '-initrd',
    initramfs,
    '-append',
    'console=ttyS0 quiet panic=-1',
    '-no-reboot',
  ];
}

vmTest(
  'the guest is on the terminal, has the device, and ends everything by switching itself off',
  async () => {
    const { child, console } = run(...(await image()));
    await console.waitFor('PTNET-READY', { timeoutMs: BOOT_MS });
    console.writeLine('send --count 1000');
    await console.waitFor('PTNET {"op":"send","ok":true', { timeoutMs: BOOT_MS });
    console.writeLine('poweroff');
    const { exitCode, stderr } = await child;
    expect(stderr).toMatch(/^ptnet: vm1: QEMU .*; a host of its own\n/);
    expect(exitCode).toBe(0);
    expect(existsSync(join(folder, 'run'))).toBe(false);
  },
);

vmTest('SIGTERM ends QEMU, then the host', async () => {
  const { child, console } = run(...(await image()));
  await console.waitFor('PTNET-READY', { timeoutMs: BOOT_MS });
  child.kill('SIGTERM');
  const { exitCode, stderr } = await child;
  expect(stderr).toContain('terminating on signal 15');
  expect(exitCode).toBe(0);
  expect(existsSync(join(folder, 'run'))).toBe(false);
});

vmTest('an image that is not there: QEMU says so, and nothing is left', async () => {
  const { child } = run('no-such.img');
  const { exitCode, stderr } = await child;
  expect(stderr).toMatch(/no-such\.img.*No such file/);
  expect(stderr).toContain('ptnet: vm1: QEMU ended with exit code 1: it says why above\n');
  expect(exitCode).toBe(1);
  expect(readdirSync(folder)).not.toContain('run');
});
