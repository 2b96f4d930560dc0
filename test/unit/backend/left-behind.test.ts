// Programs that were attached to a host that ended: who is found, and who is not.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { leftBehind } from '../../../backend/left-behind.ts';

const vm = (name: string) => ({
  name,
  memory: '512M',
  devices: [{ kind: 'memdev', name: 'mem', socketPath: `/nowhere/left-behind/${name}/mem.sock` } as const],
});
const VMS = [vm('vm1'), vm('vm11')];
const ended: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

async function started(program: string, args: string[]): Promise<number> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(child, 'spawn');
  ended.push(async () => {
    const exited = child.exitCode === null && child.signalCode === null && once(child, 'exit');
    // Whoever has inherited the other end of it ends too.
    child.stdin.end();
    child.kill('SIGKILL');
    await exited;
  });
  return child.pid!;
}

/** Reads until its standard input ends, so that it stays whatever its arguments are. */
const reading = (...args: string[]): Promise<number> =>
  started(process.execPath, ['-e', 'process.stdin.resume()', '--', ...args]);

test('nobody who names no socket of ours', async () => {
  await reading('-device', 'virtio-net', '/nowhere/left-behind/vm2/mem.sock');
  await reading('/nowhere/left-behind/vm1/mem.sock.old', '/nowhere/left-behind/vm1/mem.sockets/a');
  expect(leftBehind(VMS)).toEqual([]);
});

test('whoever has one in an argument, however it is written, by its VM', async () => {
  const qemu = await reading(
    '-device',
    '{"driver":"vfio-user-pci","socket":{"path":"/nowhere/left-behind/vm1/mem.sock","type":"unix"}}',
  );
  const cloudHypervisor = await reading('--user-device', 'socket=/nowhere/left-behind/vm11/mem.sock,id=mem');
  expect(leftBehind(VMS).sort((a, b) => a.vm.localeCompare(b.vm))).toEqual([
    { vm: 'vm1', pid: qemu, program: expect.stringMatching(/node/i) },
    { vm: 'vm11', pid: cloudHypervisor, program: expect.stringMatching(/node/i) },
  ]);
});

test('the program, not the shell that has started it', async () => {
  const path = '/nowhere/left-behind/vm1/mem.sock';
  const command = `echo started; "${process.execPath}" -e 'process.stdin.resume()' -- ${path}; true`;
  const shell = await started('/bin/sh', ['-c', command]);
  await expect
    .poll(() => leftBehind(VMS).map(({ pid }) => pid === shell), { timeout: 10_000 })
    .toEqual([false]);
});

test('nobody who has ended', async () => {
  await reading('/nowhere/left-behind/vm1/mem.sock');
  await expect.poll(() => leftBehind(VMS).length, { timeout: 10_000 }).toBe(1);
  await ended.pop()!();
  expect(leftBehind(VMS)).toEqual([]);
});
