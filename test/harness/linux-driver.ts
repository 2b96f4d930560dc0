/** Builds the Linux driver for one of Debian's kernels, once for each state of its sources. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { runInTree } from '../../vm-images/build-root.ts';
import { cacheRoot } from '../../vm-images/cache.ts';
import type { CpioEntry } from '../../vm-images/cpio.ts';
import { getLinuxKernel, headersOf, type LinuxKernel, type LinuxName } from '../../vm-images/linux.ts';
import { listFiles } from '../../vm-images/manifest.ts';
import { projectRoot } from './paths.ts';

const MODULE = 'ptnet.ko';
/** Where a guest has it. */
export const MODULE_PATH = `/root/${MODULE}`;
/** Sources, but not what make leaves beside them. */
const SOURCE = /^(?!.*\.mod\.c$)(?!ptnet_compat\.h$)(?!test\/)(?:.*\.[ch]|Kbuild|Makefile|compat\/.*)$/;
/** The kernel's own warnings; its headers come without the program that checks comments. */
const MAKE = 'make -C /src W=1 cmd_checkdoc=';

const folder = (): string => join(projectRoot(), 'guest-driver', 'linux');

async function sources(): Promise<string[]> {
  return (await listFiles(folder())).filter((file) => SOURCE.test(file));
}

async function contentHash(files: readonly string[], release: string): Promise<string> {
  const hash = createHash('sha256').update(release).update(MAKE);
  for (const file of files) hash.update(file).update(await readFile(join(folder(), file)));
  return hash.digest('hex').slice(0, 12);
}

/** Calls `use` with a copy of the sources, which is removed then. */
async function withSources<T>(use: (copy: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'ptnet-module-'));
  try {
    for (const file of await sources()) await cp(join(folder(), file), join(scratch, file));
    return await use(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Runs make with these words in the kernel's tree; what it printed. @param mounts those of runInTree(); /src is where the sources are. */
async function make(kernel: LinuxKernel, words: string, mounts: Readonly<Record<string, string>>) {
  return await runInTree(kernel.tree, `${MAKE} KDIR=${headersOf(kernel)} ${words} 2>&1`, mounts);
}

/** The path of the module for that kernel: as cached, or built. @throws ArtifactError with what make printed. */
async function buildLinuxDriver(name: LinuxName): Promise<string> {
  const kernel = await getLinuxKernel(name);
  const hash = await contentHash(await sources(), kernel.release);
  const cached = join(cacheRoot(), `ptnet-${name}-${hash}`, MODULE);
  if (existsSync(cached)) return cached;
  return await withSources(async (scratch) => {
    await make(kernel, 'modules', { '/src': scratch });
    await mkdir(join(cached, '..'), { recursive: true });
    // Another process that builds the same at this moment leaves the same there.
    await cp(join(scratch, MODULE), `${cached}.${process.pid}`);
    await rename(`${cached}.${process.pid}`, cached);
    return cached;
  });
}

export interface Installed {
  readonly kernel: LinuxKernel;
  /** What the build printed. */
  readonly printed: string;
}

/** Builds it for that kernel and installs it below `root`, as if that were the guest's. @throws ArtifactError with what make printed. */
export async function installLinuxDriver(name: LinuxName, root: string): Promise<Installed> {
  const kernel = await getLinuxKernel(name);
  return await withSources(async (scratch) => {
    const mounts = { '/src': scratch, '/root': root };
    const printed = await make(kernel, 'modules', mounts);
    await make(kernel, 'INSTALL_MOD_PATH=/root modules_install', mounts);
    return { kernel, printed };
  });
}

/** The module as a file of a guest with that kernel. */
export async function driverEntries(name: LinuxName): Promise<CpioEntry[]> {
  const module = await buildLinuxDriver(name);
  return [{ path: `root/${basename(module)}`, kind: 'file', data: await readFile(module) }];
}
