/** Where a QEMU that speaks vfio-user and a kernel for test VMs come from: the machine, the cache, or Debian. */
import { join } from 'node:path';
import { execa } from 'execa';
import { BUSYBOX, KERNEL, QEMU, QEMU_VERSION_MIN } from './artifacts.ts';
import { artifactFolder, ensureArtifact } from './cache.ts';
import { ArtifactError } from './errors.ts';
import { listFiles } from './manifest.ts';
import { compareVersions, parseQemuVersion } from './version.ts';

export interface Qemu {
  /** The program to spawn: QEMU itself, or the loader that runs an unpacked one. */
  readonly binary: string;
  /** What comes before QEMU's own arguments. */
  readonly argsPrefix: string[];
  readonly version: string;
}

export type VmPrerequisites =
  | { readonly ok: true; readonly qemu: Qemu; readonly kernel: string }
  | { readonly ok: false; readonly why: string };

/** The version of a QEMU that is new enough and was built with vfio-user-pci, else why it will not do. */
export async function probe(
  binary: string,
  argsPrefix: string[],
): Promise<{ version: string } | { why: string }> {
  const asked = await execa(binary, [...argsPrefix, '--version'], { reject: false });
  if (asked.code === 'ENOENT') return { why: 'there is none' };
  if (asked.failed) return { why: asked.stderr || String(asked.shortMessage) };
  const version = parseQemuVersion(asked.stdout);
  if (version === undefined) return { why: `it calls itself '${asked.stdout.split('\n')[0]}'` };
  if (compareVersions(version, QEMU_VERSION_MIN) < 0) {
    return { why: `it is version ${version}: vfio-user needs ${QEMU_VERSION_MIN}` };
  }
  const device = await execa(binary, [...argsPrefix, '-device', 'vfio-user-pci,help'], { reject: false });
  return device.failed ? { why: 'it was built without vfio-user-pci' } : { version };
}

/** The unpacked tree brings its own C library and loader: nothing of the machine's is used. */
export function unpackedQemu(root: string): Pick<Qemu, 'binary' | 'argsPrefix'> {
  return {
    binary: join(root, 'usr/lib64/ld-linux-x86-64.so.2'),
    argsPrefix: [
      '--library-path',
      join(root, 'usr/lib/x86_64-linux-gnu'),
      join(root, 'usr/bin/qemu-system-x86_64'),
      '-L',
      join(root, 'usr/share/qemu'),
      '-L',
      join(root, 'usr/share/seabios'),
    ],
  };
}

const ON_PATH = 'qemu-system-x86_64';

async function systemQemu(): Promise<Qemu | { why: string }> {
  const system = await probe(ON_PATH, []);
  return 'why' in system ? system : { binary: ON_PATH, argsPrefix: [], version: system.version };
}

async function cachedQemu(root: string): Promise<Qemu | { why: string }> {
  const command = unpackedQemu(root);
  const unpacked = await probe(command.binary, command.argsPrefix);
  return 'why' in unpacked ? unpacked : { ...command, version: unpacked.version };
}

async function findQemu(): Promise<Qemu> {
  const system = await systemQemu();
  if ('version' in system) return system;
  const cached = await cachedQemu(await ensureArtifact(QEMU));
  if ('why' in cached) throw new ArtifactError(`${artifactFolder(QEMU)}: QEMU does not run: ${cached.why}`);
  return cached;
}

/** The QEMU that getQemu() would give, if it is here: nothing is fetched. Otherwise what is wrong with those that are. */
export async function locateQemu(): Promise<Qemu | { why: string }> {
  const system = await systemQemu();
  if ('version' in system) return system;
  const cached = await cachedQemu(artifactFolder(QEMU));
  return 'version' in cached ? cached : { why: `${ON_PATH} on the PATH: ${system.why.trim()}` };
}

interface Kernel {
  readonly image: string;
  readonly uioModules: readonly string[];
}

async function findFile(root: string, pattern: RegExp): Promise<string> {
  const found = (await listFiles(root)).find((file) => pattern.test(file));
  if (found === undefined) throw new ArtifactError(`${root}: no ${pattern.source}: the package has changed`);
  return join(root, found);
}

async function findKernel(): Promise<Kernel> {
  const root = await ensureArtifact(KERNEL);
  const [image, ...uioModules] = await Promise.all([
    findFile(root, /^boot\/vmlinuz-/),
    findFile(root, /\/uio\.ko/),
    findFile(root, /\/uio_pci_generic\.ko/),
  ]);
  return { image, uioModules };
}

/** Asks once per process; a failure is not remembered, so that a later call may try again. */
function once<T>(find: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => {
    found ??= find().catch((error: unknown) => {
      found = undefined;
      throw error;
    });
    return found;
  };
}

/** A QEMU with vfio-user-pci: the machine's own when it is new enough, else Debian's, unpacked into the cache. */
export const getQemu: () => Promise<Qemu> = once(findQemu);

const getWholeKernel: () => Promise<Kernel> = once(findKernel);

/** The path of a bzImage whose serial console and initramfs support are built in. */
export const getKernel = async (): Promise<string> => (await getWholeKernel()).image;

/** The modules uio and uio_pci_generic of that kernel, in the order in which they can be loaded: .ko or .ko.xz files. */
export const getUioModules = async (): Promise<readonly string[]> => (await getWholeKernel()).uioModules;

/** The path of a statically linked busybox. */
export const getBusybox: () => Promise<string> = once(
  async () => await findFile(await ensureArtifact(BUSYBOX), /\/busybox$/),
);

const describe = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Whether VMs can run here, fetching what is missing; when not, why, in one line. */
export async function vmPrerequisites(): Promise<VmPrerequisites> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return {
      ok: false,
      why: `VMs need an x86-64 Linux machine; this is ${process.arch} ${process.platform}`,
    };
  }
  try {
    const qemu = await getQemu();
    return { ok: true, qemu, kernel: await getKernel() };
  } catch (error) {
    return { ok: false, why: describe(error) };
  }
}
