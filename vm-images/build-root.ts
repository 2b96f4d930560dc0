/** Runs commands in an unpacked tree of Debian packages as if it were the machine: nothing of it is installed, nothing of it changes. */
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { ArtifactError } from './errors.ts';

/** Namespaces of its own, so that the mounts end with the last process: also for a user who may mount nothing elsewhere. */
const UNSHARE = ['--mount', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'])];

/**
 * $1 is an empty folder, $2 the tree, $3 the script; then come pairs of a folder of the machine and where it is to be. Alternatives
 * are made at a package's installation, so awk has no name of its own in the tree.
 */
const ENTER = `set -e
new=$1 tree=$2 script=$3
shift 3
mount -t tmpfs -o mode=755 none "$new"
mkdir "$new/usr" "$new/dev" "$new/proc" "$new/tmp" "$new/tools"
for name in bin sbin lib lib64; do ln -s "usr/$name" "$new/$name"; done
ln -s /usr/bin/mawk "$new/tools/awk"
mount --bind -o ro "$tree/usr" "$new/usr"
: > "$new/dev/null"
mount --bind /dev/null "$new/dev/null"
mount --rbind /proc "$new/proc"
while [ $# -gt 0 ]; do
  mkdir -p "$new$2"
  mount --bind "$1" "$new$2"
  shift 2
done
exec chroot "$new" /usr/bin/env -i PATH=/tools:/usr/bin:/usr/sbin LC_ALL=C HOME=/tmp /bin/sh -e -c "$script"
`;

/**
 * Runs a script of a shell in `tree`, a folder with usr/ in it.
 * @param mounts folders of the machine by where they are in there.
 * @returns what it printed. @throws ArtifactError with all that it printed when it fails.
 */
export async function runInTree(
  tree: string,
  script: string,
  mounts: Readonly<Record<string, string>>,
): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'ptnet-root-'));
  const pairs = Object.entries(mounts).flatMap(([inside, folder]) => [folder, inside]);
  try {
    const result = await execa(
      'unshare',
      [...UNSHARE, '--', 'sh', '-c', ENTER, 'sh', root, tree, script, ...pairs],
      { stdin: 'ignore', all: true, reject: false },
    );
    if (!result.failed) return result.stdout;
    throw new ArtifactError(`${tree}: exit code ${result.exitCode}:\n${result.all}`);
  } finally {
    await rmdir(root);
  }
}
