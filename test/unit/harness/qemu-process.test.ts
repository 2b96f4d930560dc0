/** QEMU does not outlive the process that started it, however that process ends. */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { getQemu } from '../../../vm-images/fetch.ts';
import { projectRoot } from '../../harness/paths.ts';
import { requireVms } from '../../harness/prerequisites.ts';

/** Starts a QEMU with no guest, tells its pid, then ends as it is told on the command line. */
const PARENT = `
import { QemuProcess } from './harness/qemu-process.js';
const [qemu, how] = process.argv.slice(2);
const logs = { append() {}, writeCommand() {} };
const child = QemuProcess.spawn(JSON.parse(qemu), ['-S', '-nodefaults', '-display', 'none', '-qmp', 'stdio'], logs);
child.stdout.once('data', () => {
  console.log(child.pid);
  if (how === 'exception') throw new Error('a harness that fails');
  if (how === 'exit') process.exit(0);
});
`;

let folder: string;
beforeAll(async () => {
  await requireVms();
  // The harness as JavaScript: Node 20 does not run TypeScript.
  folder = await mkdtemp(join(tmpdir(), 'ptnet-parent-'));
  await mkdir(join(folder, 'harness'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await symlink(join(projectRoot(), 'node_modules'), join(folder, 'node_modules'));
  for (const name of ['qemu-process', 'errors']) {
    const source = await readFile(join(projectRoot(), 'test', 'harness', `${name}.ts`), 'utf8');
    const compilerOptions = {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    };
    const { outputText } = ts.transpileModule(source, { compilerOptions });
    await writeFile(join(folder, 'harness', `${name}.js`), outputText);
  }
  await writeFile(join(folder, 'parent.js'), PARENT);
}, 600_000);
afterAll(() => rm(folder, { recursive: true }));

/** A process that has ended may stay as a zombie until its new parent looks at it. */
async function runs(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}

test.each([
  ['an exception', 'exception', undefined],
  ['process.exit', 'exit', undefined],
  ['SIGTERM', 'wait', 'SIGTERM'],
  ['SIGKILL', 'wait', 'SIGKILL'],
] as const)('a harness process that ends by %s leaves no QEMU', async (_, how, signal) => {
  const qemu = JSON.stringify(await getQemu());
  const parent = execa('node', [join(folder, 'parent.js'), qemu, how], { reject: false, buffer: false });
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
