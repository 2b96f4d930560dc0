/** Debian's kernels for guests with a network driver, each with its headers and with what builds a module for it. */
import { join } from 'node:path';
import { LINUX_KERNELS } from './artifacts.ts';
import { ensureArtifact } from './cache.ts';
import { ArtifactError } from './errors.ts';
import { listFiles } from './manifest.ts';

/** The suite that a kernel comes from. */
export type LinuxName = keyof typeof LINUX_KERNELS;

export interface LinuxKernel {
  readonly name: LinuxName;
  /** What `uname -r` says. */
  readonly release: string;
  /** The path of the bzImage. */
  readonly image: string;
  /** The tree with usr/lib/modules, usr/src and the compiler, for runInTree(). */
  readonly tree: string;
}

/** Packages have had it in either place. */
const IMAGE = /^(?:boot\/vmlinuz-(.+)|usr\/lib\/modules\/([^/]+)\/vmlinuz)$/;

async function find(name: LinuxName): Promise<LinuxKernel> {
  const tree = await ensureArtifact(LINUX_KERNELS[name]);
  for (const file of await listFiles(tree)) {
    const match = IMAGE.exec(file);
    if (match) return { name, release: (match[1] ?? match[2])!, image: join(tree, file), tree };
  }
  throw new ArtifactError(`${tree}: no ${IMAGE.source}: the package has changed`);
}

const found = new Map<LinuxName, Promise<LinuxKernel>>();

/** Fetched when it is missing; asked for once per process. */
export function getLinuxKernel(name: LinuxName): Promise<LinuxKernel> {
  const known = found.get(name);
  if (known) return known;
  const asked = find(name).catch((error: unknown) => {
    found.delete(name);
    throw error;
  });
  found.set(name, asked);
  return asked;
}

/** The folder of the headers within its tree: KDIR. */
export const headersOf = ({ release }: LinuxKernel): string => `/usr/lib/modules/${release}/build`;
