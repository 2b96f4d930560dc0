/** A fresh Debian to try an installation in: unpacked packages as the root of namespaces of their own, without any network. */
import { mkdtempSync, realpathSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa, type ResultPromise } from 'execa';
import { ROOTS } from '../../vm-images/artifacts.ts';
import { ensureArtifact } from '../../vm-images/cache.ts';
import { enter, PATH, printed } from './enter.ts';

/** Of all that is written in there: it lies in memory, and goes with the last process. */
const SIZE = '1g';
const NAMESPACES = ['--mount', '--uts', '--ipc', '--net', '--pid'];

/**
 * $1 is an empty folder, $2 the tree, $3 npm's cache, $4 the folder that is /work in there; then come pairs of a file or folder of the
 * machine and where it is to be. What maintainers' scripts would have done is done here: users, alternatives, the linker's cache. The
 * last command ends with the test's process, also when that is killed, and takes all others with it.
 */
const BOOT = `set -e
new=$1 tree=$2 cache=$3 work=$4
shift 4
mount --make-rprivate /
mount -t tmpfs -o mode=755,size=${SIZE} none "$new"
cp -a "$tree/etc" "$new/etc"
for name in usr proc dev dev/shm run tmp var root root/cache root/cache/_cacache work; do mkdir "$new/$name"; done
chmod 1777 "$new/tmp"
for path in "$tree"/usr/*; do
  name=\${path##*/}
  [ "$name" != local ] || continue
  mkdir "$new/usr/$name"
  mount --bind -o ro "$path" "$new/usr/$name"
done
for name in bin sbin lib lib64; do
  ln -s "usr/$name" "$new/$name"
  mkdir -p "$new/usr/local/$name"
done
mount --bind "$cache/_cacache" "$new/root/cache/_cacache"
mount --bind -o ro "$work" "$new/work"
while [ $# -gt 0 ]; do
  mkdir -p "$new$(dirname "$2")"
  if [ -d "$1" ]; then mkdir "$new$2"; else : > "$new$2"; fi
  mount --bind -o ro "$1" "$new$2"
  shift 2
done
mount -t proc proc "$new/proc"
for name in null zero full random urandom tty; do
  : > "$new/dev/$name"
  mount --bind "/dev/$name" "$new/dev/$name"
done
cd "$new"
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
for pair in cc:gcc c++:g++ awk:mawk; do ln -s "/usr/bin/\${pair#*:}" "usr/local/bin/\${pair%:*}"; done
chroot . ldconfig
exec env -i PATH=${PATH} chroot . sh -c 'echo ready; exec cat'
`;

export type Suite = keyof typeof ROOTS;

/** Why there can be none here; undefined: there can. */
export function whyNoDebianRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'it takes root';
}

/** This machine's Node and npm, as Node's own archive would lie in /usr/local: for a suite whose own is too old. */
async function node(): Promise<string[]> {
  const { stdout } = await execa('sh', ['-c', 'command -v npm']);
  const npm = dirname(dirname(realpathSync(stdout)));
  const include = join(dirname(process.execPath), '..', 'include', 'node');
  return [
    ...[process.execPath, '/usr/local/bin/node'],
    ...[include, '/usr/local/include/node'],
    ...[npm, '/usr/local/lib/node_modules/npm'],
  ];
}

const OPTIONS = { stdin: 'pipe', reject: false, cleanup: true } as const;

export class DebianRoot {
  readonly #process: ResultPromise<typeof OPTIONS>;
  readonly #folder: string;

  private constructor(process: ResultPromise<typeof OPTIONS>, folder: string) {
    this.#process = process;
    this.#folder = folder;
  }

  /**
   * @param cache of npm, with everything that will be asked for. @param work a folder that is /work in there, read-only.
   * @throws Error with what was printed when it cannot be made.
   */
  static async start(suite: Suite, cache: string, work: string): Promise<DebianRoot> {
    const tree = await ensureArtifact(ROOTS[suite]);
    const pairs = ROOTS[suite].packages.includes('npm') ? [] : await node();
    const folder = mkdtempSync(join(tmpdir(), `ptnet-${suite}-`));
    const unshare = [...NAMESPACES, '--fork', '--kill-child', 'sh', '-c', BOOT, 'sh'];
    const started = execa('unshare', [...unshare, folder, tree, cache, work, ...pairs], OPTIONS);
    const root = new DebianRoot(started, folder);
    const ready = new Promise<void>((resolve) => started.stdout.once('data', () => resolve()));
    await Promise.race([ready, started]);
    try {
      if (pairs.length > 0) await root.run('ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm');
      return root;
    } catch (error) {
      await root.close();
      throw new Error(`${suite}: ${(error as Error).message}: ${(await started).stderr}`, { cause: error });
    }
  }

  /** Runs a script of a shell in there, as root, and returns what it printed; close() ends it. @throws Error with all of that when it fails. */
  async run(script: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    return printed(script, await enter(this.#process.pid!, NAMESPACES, script, { env }));
  }

  async close(): Promise<void> {
    // Its first process takes all others with it, and the mounts go with them.
    this.#process.kill('SIGKILL');
    await this.#process;
    rmdirSync(this.#folder);
  }
}
