/** QEMU does not outlive the process that started it, however that process ends. */
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { getQemu } from '../../../../vm-images/fetch.ts';
import { requireVms } from '../../../harness/prerequisites.ts';
import { makeParent, type Parent, runs } from '../../harness/parents.ts';

/** Starts a QEMU with no guest, tells its pid, then ends as it is told on the command line. */
const PARENT = `
import { QemuProcess } from './vm-images/machine/qemu-process.js';
const [qemu, how, ...within] = process.argv.slice(2);
const logs = { append() {}, writeCommand() {} };
const args = ['-S', '-nodefaults', '-display', 'none', '-qmp', 'stdio'];
const child = QemuProcess.spawn(JSON.parse(qemu), args, logs, within);
child.stdout.once('data', () => {
  console.log(child.pid);
  if (how === 'exception') throw new Error('a harness that fails');
  if (how === 'exit') process.exit(0);
});
`;

let program: Parent;
beforeAll(async () => {
  await requireVms();
  program = await makeParent(PARENT, ['vm-images/machine/qemu-process', 'vm-images/machine/errors']);
}, 600_000);
afterAll(() => program.remove());

test.each([
  ['an exception', 'exception', undefined, []],
  ['process.exit', 'exit', undefined, []],
  ['SIGTERM', 'wait', 'SIGTERM', []],
  ['SIGKILL', 'wait', 'SIGKILL', []],
  ['SIGKILL, with a command before it,', 'wait', 'SIGKILL', ['env', '--']],
] as const)('a harness process that ends by %s leaves no QEMU', async (_, how, signal, within) => {
  const qemu = JSON.stringify(await getQemu());
  const args = [program.program, qemu, how, ...within];
  const parent = execa('node', args, { reject: false, buffer: false });
  const pid = await new Promise<number>((resolve) => {
    parent.stdout.once('data', (bytes) => resolve(Number(bytes)));
  });
  if (signal) {
    expect(await runs(pid)).toBe(true);
    parent.kill(signal);
  }
  await parent;
  await vi.waitFor(async () => expect(await runs(pid)).toBe(false), { timeout: 20_000 });
});
