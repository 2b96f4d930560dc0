/** Builds the Linux driver for one of Debian's kernels, once for each state of its sources. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { runInTree } from '../../vm-images/build-root.ts';
import { cacheRoot } from '../../vm-images/cache.ts';
import type { CpioEntry } from '../../vm-images/cpio.ts';
import { getLinuxKernel, headersOf, type LinuxName } from '../../vm-images/linux.ts';
import { listFiles } from '../../vm-images/manifest.ts';
import { projectRoot } from './paths.ts';

const MODULE = 'ptnet.ko';
/** Where a guest has it. */
export const MODULE_PATH = `/root/${MODULE}`;
/** Sources, but not what make leaves beside them. */
const SOURCE = /^(?!.*\.mod\.c$)(?!ptnet_compat\.h$)(?!test\/)(?:.*\.[ch]|Kbuild|Makefile|compat\/.*)$/;
/** The kernel's own warnings; its headers come without the program that checks comments. */
const MAKE = 'make -C /src W=1 cmd_checkdoc=';

export interface LinuxDriver {
  /** The path of the module. */
  readonly module: string;
  /** What the build printed; empty when the module was there already. */
  readonly printed: string;
}

const folder = (): string => join(projectRoot(), 'guest-driver', 'linux');

async function sources(): Promise<string[]> {
  return (await listFiles(folder())).filter((file) => SOURCE.test(file));
}

async function contentHash(files: readonly string[], release: string): Promise<string> {
  const hash = createHash('sha256').update(release).update(MAKE);
  for (const file of files) hash.update(file).update(await readFile(join(folder(), file)));
  return hash.digest('hex').slice(0, 12);
}

/**
 * The module for that kernel: as cached, or built in a copy of the sources.
 * @throws ArtifactError with what make printed.
 */
export async function buildLinuxDriver(name: LinuxName, { again = false } = {}): Promise<LinuxDriver> {
  const kernel = await getLinuxKernel(name);
  const files = await sources();
  const cached = join(cacheRoot(), `ptnet-${name}-${await contentHash(files, kernel.release)}`, MODULE);
  if (existsSync(cached) && !again) return { module: cached, printed: '' };
  const scratch = await mkdtemp(join(tmpdir(), 'ptnet-module-'));
  try {
    for (const file of files) await cp(join(folder(), file), join(scratch, file));
    const make = `${MAKE} KDIR=${headersOf(kernel)} modules 2>&1`;
    const printed = await runInTree(kernel.tree, make, { '/src': scratch });
    await mkdir(join(cached, '..'), { recursive: true });
    // Another process that builds the same at this moment leaves the same there.
    await cp(join(scratch, MODULE), `${cached}.${process.pid}`);
    await rename(`${cached}.${process.pid}`, cached);
    return { module: cached, printed };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The module as a file of a guest with that kernel. */
export async function driverEntries(name: LinuxName): Promise<CpioEntry[]> {
  const { module } = await buildLinuxDriver(name);
  return [{ path: `root/${basename(module)}`, kind: 'file', data: await readFile(module) }];
}
