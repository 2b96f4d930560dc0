/** A program that uses modules of ours, to be ended in ways that a test would not survive: as JavaScript, because Node 20 runs no TypeScript. */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { projectRoot } from '../../harness/paths.ts';

export interface Parent {
  /** What Node runs. */
  readonly program: string;
  remove(): Promise<void>;
}

/** @param modules paths from the root, without `.ts`: `source` imports them from `./PATH.js`. */
export async function makeParent(source: string, modules: readonly string[]): Promise<Parent> {
  const folder = await mkdtemp(join(tmpdir(), 'ptnet-parent-'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await symlink(join(projectRoot(), 'node_modules'), join(folder, 'node_modules'));
  for (const name of modules) {
    const text = await readFile(join(projectRoot(), `${name}.ts`), 'utf8');
    const compilerOptions = {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    };
    const { outputText } = ts.transpileModule(text, { compilerOptions });
    const out = join(folder, `${name}.js`);
    await mkdir(dirname(out), { recursive: true });
    await writeFile(out, outputText);
  }
  const program = join(folder, 'parent.js');
  await writeFile(program, source);
  return { program, remove: () => rm(folder, { recursive: true }) };
}

/** A process that has ended may stay as a zombie until its new parent looks at it. */
export async function runs(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}
