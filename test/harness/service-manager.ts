/** A systemd of one's own: the first process of namespaces in which a package is installed, for tests of its units. */
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa, type ResultPromise } from 'execa';
import { SYSTEMD } from '../../vm-images/artifacts.ts';
import { ensureArtifact } from '../../vm-images/cache.ts';
import { type Ended, enter, PATH, printed } from './enter.ts';

const BOOT_MS = 60_000;
const COMMAND_MS = 60_000;
const POLL_MS = 100;

/**
 * $1 is an empty folder, $2 the tree, $3 the prefix that the package is installed in, $4 Node's program. What systemd would change of
 * the machine itself (sysctls, devices) it finds read-only, as in a container.
 */
const BOOT = `set -e
new=$1 tree=$2 prefix=$3 node=$4
mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$new"
cp -a "$tree/etc" "$new/etc"
head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n' > "$new/etc/machine-id"
for name in usr usr/local usr/local/bin usr/local/lib proc sys dev dev/pts dev/shm run tmp var root; do mkdir "$new/$name"; done
for name in bin sbin lib lib64; do
  ln -s "usr/$name" "$new/$name"
  mkdir "$new/usr/$name"
  [ ! -d "$tree/usr/$name" ] || mount --bind -o ro "$tree/usr/$name" "$new/usr/$name"
done
mount --bind -o ro "$prefix/lib" "$new/usr/local/lib"
cp -a "$prefix"/bin/* "$new/usr/local/bin"
: > "$new/usr/local/bin/node"
mount --bind -o ro "$node" "$new/usr/local/bin/node"
mount -t proc proc "$new/proc"
mount --bind "$new/proc/sys" "$new/proc/sys"
mount -o remount,ro,bind "$new/proc/sys"
mount -t sysfs -o ro sysfs "$new/sys"
mount -t cgroup2 cgroup2 "$new/sys/fs/cgroup"
for name in null zero full random urandom tty net/tun; do
  [ -e "/dev/$name" ] || continue
  mkdir -p "$(dirname "$new/dev/$name")"
  : > "$new/dev/$name"
  mount --bind "/dev/$name" "$new/dev/$name"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$new/dev/pts"
ln -s pts/ptmx "$new/dev/ptmx"
mount -t tmpfs tmpfs "$new/run"
chroot "$new" systemd-sysusers
cd "$new"
exec env -i container=test PATH=${PATH} chroot "$new" /usr/lib/systemd/systemd --log-target=journal systemd.unit=basic.target
`;
const NAMESPACES = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup'];

/** Where the machine has cgroups of version 2; undefined: nowhere. */
function cgroupRoot(): string | undefined {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
}

/** Why there can be none here; undefined: there can. */
export function whyNoServiceManager(): string | undefined {
  if (process.getuid?.() !== 0) return 'it takes root';
  const root = cgroupRoot();
  if (root === undefined) return 'this machine has no cgroup2';
  try {
    accessSync(root, constants.W_OK);
    return undefined;
  } catch {
    return `${root} cannot be written`;
  }
}

const OPTIONS = { stdin: 'ignore', all: true, reject: false, cleanup: true } as const;

export class TestServiceManager {
  readonly #process: ResultPromise<typeof OPTIONS>;
  readonly #root: string;
  readonly #cgroup: string;

  private constructor(process: ResultPromise<typeof OPTIONS>, root: string, cgroup: string) {
    this.#process = process;
    this.#root = root;
    this.#cgroup = cgroup;
  }

  /** @param prefix of npm, with the package. @throws Error with what was printed when it does not come up. */
  static async start(prefix: string): Promise<TestServiceManager> {
    const tree = await ensureArtifact(SYSTEMD);
    const root = mkdtempSync(join(tmpdir(), 'ptnet-systemd-'));
    const cgroup = mkdtempSync(join(cgroupRoot()!, 'ptnet-systemd-'));
    const enter = 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"';
    const unshare = ['unshare', ...NAMESPACES, '--fork', '--kill-child', 'sh', '-c', BOOT, 'sh'];
    const boot = [...unshare, root, tree, prefix, process.execPath];
    const started = execa('sh', ['-c', enter, 'sh', cgroup, ...boot], OPTIONS);
    const manager = new TestServiceManager(started, root, cgroup);
    try {
      await manager.#booted();
      return manager;
    } catch (error) {
      await manager.close();
      throw new Error(`${(error as Error).message}: ${(await started).all}`, { cause: error });
    }
  }

  async #booted(): Promise<void> {
    const deadline = Date.now() + BOOT_MS;
    for (;;) {
      const state = await this.attempt('systemctl is-system-running').catch(() => undefined);
      // Units of its own that want a tree which was installed fail: they are not what is tried.
      if (state?.stdout === 'running' || state?.stdout === 'degraded') return;
      if (this.#process.exitCode !== null && this.#process.exitCode !== undefined)
        throw new Error('systemd: it has ended');
      if (Date.now() > deadline) throw new Error(`systemd: not up after ${BOOT_MS / 1000} s`);
      await sleep(POLL_MS);
    }
  }

  /** Runs a script of a shell in there, as root. */
  async attempt(script: string): Promise<Ended> {
    return await enter(this.#process.pid!, NAMESPACES, script, { timeout: COMMAND_MS });
  }

  /** What it printed. @throws Error with all of that when it fails. */
  async run(script: string): Promise<string> {
    return printed(script, await this.attempt(script));
  }

  /** Where a path of there is for processes of here. */
  path(inside: string): string {
    return join('/proc', String(this.#process.pid), 'root', this.#root, inside);
  }

  /** A property of a unit. */
  async property(unit: string, name: string): Promise<string> {
    return await this.run(`systemctl show --property=${name} --value ${unit}`);
  }

  async close(): Promise<void> {
    // Its first process takes all others with it.
    this.#process.kill('SIGKILL');
    await this.#process;
    await removeCgroup(this.#cgroup);
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Those within first; a process that is still ending keeps one for a moment. */
async function removeCgroup(path: string): Promise<void> {
  const { stdout } = await execa('find', [path, '-depth', '-type', 'd']);
  for (const folder of stdout.split('\n'))
    for (let i = 0; existsSync(folder); i++) {
      try {
        rmdirSync(folder);
      } catch (error) {
        if (i >= 50) throw error;
        await sleep(POLL_MS);
      }
    }
}
