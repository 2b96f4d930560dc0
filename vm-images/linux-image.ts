/** Builds the initramfs of a Linux guest: a shell, the network tools and some modules, to be driven over virtio-serial ports. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LINUX_KERNELS, USERLAND } from './artifacts.ts';
import { runInTree } from './build-root.ts';
import { artifactFolder, cacheRoot, ensureArtifact } from './cache.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';
import { initramfsEntries } from './initramfs.ts';
import { getLinuxKernel, type LinuxKernel } from './linux.ts';
import { withLock } from './lock.ts';
import { listFiles } from './manifest.ts';
import { progress } from './progress.ts';
import { entryOf, LOADER, programEntries } from './userland.ts';

/** Modules of the kernel that a guest has, with what they need. Where one is built in, it is not among them. */
const MODULES = [
  ...['virtio_pci', 'virtio_console', 'virtio_blk', 'virtio_net'],
  ...['tun', 'veth', 'dummy', 'bridge', 'pktgen', 'sch_fq'],
];

/** Run in the kernel's tree, with the modules' names in $MODULES: leaves lib/modules/RELEASE with these in /out. */
const COLLECT_MODULES = `
release=$(ls /usr/lib/modules)
all=/tmp/all/lib/modules/$release
out=/out/lib/modules/$release
mkdir -p "$all" "$out"
cp -r /usr/lib/modules/$release/kernel /usr/lib/modules/$release/modules.* "$all"
depmod --basedir /tmp/all "$release"
for name in $MODULES; do
  sed -n "s|^\\(.*/$name\\.ko[^:]*\\):|\\1|p" "$all/modules.dep"
done | tr ' ' '\\n' | sort -u | while read -r file; do
  mkdir -p "$(dirname "$out/$file")"
  cp "$all/$file" "$out/$file"
  case $file in *.xz) xz --decompress "$out/$file" ;; esac
done
cp "$all/modules.order" "$all/modules.builtin" "$all/modules.builtin.modinfo" "$out"
depmod --basedir /out "$release"
`;

const initScript = (): string => {
  const beside = dirname(fileURLToPath(import.meta.url));
  const name = 'linux-init.sh';
  // Compiled sources lie in dist/vm-images/.
  const candidates = [join(beside, name), join(beside, '..', '..', 'vm-images', name)];
  return candidates.find((path) => existsSync(path)) ?? candidates[0]!;
};

async function moduleEntries({ tree }: LinuxKernel, scratch: string): Promise<CpioEntry[]> {
  await runInTree(tree, `MODULES='${MODULES.join(' ')}'\n${COLLECT_MODULES}`, { '/out': scratch });
  const files = await listFiles(scratch);
  return await Promise.all(files.map((file) => entryOf(join(scratch, file), `usr/${file}`, false)));
}

/** The folders in which `entries` lie, each after the one that it lies in. */
function foldersOf(entries: readonly CpioEntry[]): CpioEntry[] {
  const folders = new Set<string>();
  const add = (path: string): void => {
    const folder = dirname(path);
    if (folder === '.' || folders.has(folder)) return;
    add(folder);
    folders.add(folder);
  };
  for (const { path } of entries) add(path);
  return [...folders].map((path): CpioEntry => ({ path, kind: 'directory' }));
}

const LINKS = ['bin', 'sbin', 'lib', 'lib64'].map(
  (path): CpioEntry => ({ path, kind: 'symlink', target: `usr/${path}` }),
);

async function build(kernel: LinuxKernel, out: string): Promise<void> {
  const scratch = await mkdtemp(`${out}.build-`);
  try {
    const modules = await moduleEntries(kernel, scratch);
    const files = [...(await programEntries()), ...modules];
    const loader: CpioEntry = {
      path: 'usr/lib64/ld-linux-x86-64.so.2',
      kind: 'symlink',
      target: `/${LOADER}`,
    };
    const init = await readFile(initScript());
    const entries = [...LINKS, ...foldersOf([...files, loader]), loader, ...files];
    // Not compressed: unpacking costs an emulated processor seconds.
    await writeFile(join(scratch, 'image'), writeCpio(initramfsEntries(init, entries)));
    await rename(join(scratch, 'image'), out);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** What an image is made of; whatever is not among it changes with this file's own text. */
async function contentHash(kernel: LinuxKernel): Promise<string> {
  const hash = createHash('sha256');
  for (const artifact of [LINUX_KERNELS[kernel.name], USERLAND]) {
    const folder = artifactFolder(artifact);
    hash.update(folder).update(await readFile(join(folder, 'manifest.json')));
  }
  for (const file of [initScript(), fileURLToPath(import.meta.url)]) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 12);
}

/** The path of the initramfs, not compressed, for guests with that kernel: other cpio archives may be put behind it. Made when it is missing. */
export async function getLinuxImage(kernel: LinuxKernel): Promise<string> {
  await ensureArtifact(USERLAND);
  const image = join(cacheRoot(), `image-${kernel.name}-${await contentHash(kernel)}`, 'initramfs.cpio');
  if (existsSync(image)) return image;
  await withLock(join(cacheRoot(), 'lock'), async () => {
    if (existsSync(image)) return;
    progress(`making the image of a guest with Linux ${kernel.release}`);
    await mkdir(dirname(image), { recursive: true });
    await build(kernel, image);
  });
  return image;
}

/** Those kernels' images, all of them made: kernel and initramfs. */
export async function getLinuxGuest(
  name: LinuxKernel['name'],
): Promise<{ kernel: LinuxKernel; initramfs: string }> {
  const kernel = await getLinuxKernel(name);
  return { kernel, initramfs: await getLinuxImage(kernel) };
}
