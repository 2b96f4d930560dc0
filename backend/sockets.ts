// Where the sockets of devices lie, who may connect to them, and making sure that nobody else can put others in their place.
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Channel } from '../native/os.ts';
import { shown } from './config/quote.ts';
import { ConfigurationError } from './errors.ts';

/** Who may attach VMs, where that is not what the umask says. */
export interface SocketAccess {
  /** Of the sockets; their folders let the same people through. */
  readonly mode?: number | undefined;
  /** The number of the group that sockets and folders belong to. */
  readonly group?: number | undefined;
}

const SET_GID = 0o2000;
/** While a VM's sockets are being made nobody else gets at them. */
const CLOSED = 0o700;
/** What the umask leaves of these is the default: nobody but user and group, unless it is said. */
const SOCKET_MODE = 0o660;
const FOLDER_MODE = 0o750;

export function socketPath(runDir: string, vm: string, device: string): string {
  return join(runDir, vm, `${device}.sock`);
}

/** What a process knows of its run-dir. */
export interface RunDirState {
  /** Folders that it made. */
  readonly made: readonly string[];
  readonly sockets: readonly string[];
  readonly through: number;
}

export class RunDir {
  readonly #path: string;
  readonly #group: number | undefined;
  /** Whether the user has said who may come in: then folders that are there already follow it too. */
  readonly #said: boolean;
  readonly #folderMode: number;
  readonly socketMode: number;
  /** Who may come through the run-dir besides, to sockets of the host's own. */
  #through = 0;
  /** Folders that we made, each after the one that it is in. */
  readonly #made: string[] = [];
  readonly #sockets: string[] = [];
  /** Of another process: they and their folders are there, with their modes, and stay as they are when they are claimed. */
  readonly #taken: Set<string>;
  /** Another process serves there: until keep() nothing is made and nothing is removed. */
  #lent: boolean;

  constructor(path: string, { mode, group }: SocketAccess = {}, taken?: RunDirState) {
    this.#path = path;
    this.#taken = new Set(taken?.sockets);
    this.#lent = taken !== undefined;
    this.#made.push(...(taken?.made ?? []));
    this.#through = taken?.through ?? 0;
    this.#group = group;
    this.#said = mode !== undefined || group !== undefined;
    const umask = readUmask();
    this.socketMode = mode ?? (group === undefined ? SOCKET_MODE & ~umask : SOCKET_MODE);
    const through = (who: number): number => ((this.socketMode & (0o2 * who)) === 0 ? 0 : 0o5 * who);
    this.#folderMode = CLOSED | (this.#said ? through(0o10) | through(0o1) : FOLDER_MODE & ~umask);
  }

  /**
   * A path for the socket of a VM's device: makes the folders, and removes what an earlier host left there.
   * @throws ConfigurationError when others could put their sockets there, when a host is listening there now, or
   * something else than a socket is in the way.
   */
  claim(vm: string, device: string): string {
    const path = socketPath(this.#path, vm, device);
    if (this.#lent || this.#taken.has(path)) return this.#keep(path);
    this.#folder(this.#path, statSync);
    const folder = dirname(path);
    this.#folder(folder, lstatSync);
    const taken = this.#take(path);
    if (this.#said) chmodSync(folder, CLOSED | (lstatSync(folder).mode & SET_GID));
    return taken;
  }

  /** The same for a socket of the host's own, `control.sock`. */
  claimOwn(name: string): string {
    const path = join(this.#path, name);
    if (this.#lent || this.#taken.has(path)) return this.#keep(path);
    this.#folder(this.#path, statSync);
    return this.#take(path);
  }

  /** Lets those in who may connect to a socket of the host's own, which is there; the host's user alone when nobody is named. */
  openOwn(path: string, { mode, group }: SocketAccess): void {
    if (this.#lent || this.#taken.has(path)) return;
    const given = mode ?? (group === undefined ? 0o600 : SOCKET_MODE);
    this.#give(path, group, given);
    if (!this.#made.includes(this.#path)) return;
    // Through the folder that was made here; what else is in it has modes of its own.
    const folder = lstatSync(this.#path);
    const sameGroup = group === undefined || group === folder.gid;
    const through =
      ((given & 0o020) === 0 ? 0 : sameGroup ? 0o010 : 0o001) | ((given & 0o002) === 0 ? 0 : 0o001);
    this.#through |= through;
    chmodSync(this.#path, (folder.mode & 0o7777) | through);
  }

  /** Removes one socket, and the folder that was made for it when nothing else is in that; else its VM can be attached. */
  release(path: string): void {
    if (this.#lent) return;
    rmSync(path, { force: true });
    this.#taken.delete(path);
    this.#sockets.splice(0, this.#sockets.length, ...this.#sockets.filter((other) => other !== path));
    const folder = dirname(path);
    if (folder === this.#path) return;
    // A device that was to come has closed it to those who attach to the others.
    if (this.#sockets.some((other) => dirname(other) === folder)) this.open(basename(folder));
    else if (this.#made.includes(folder) && removeIfEmpty(folder))
      this.#made.splice(this.#made.indexOf(folder), 1);
  }

  /** For another process. */
  get state(): RunDirState {
    return { made: [...this.#made], sockets: [...this.#sockets], through: this.#through };
  }

  /** The other process serves there no more. */
  keep(): void {
    this.#lent = false;
  }

  #keep(path: string): string {
    if (!this.#taken.has(path)) throw new ConfigurationError(`${path}: no such socket has come along`);
    if (!this.#sockets.includes(path)) this.#sockets.push(path);
    return path;
  }

  #take(path: string): string {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat) {
      if (!stat.isSocket())
        throw new ConfigurationError(`${path}: not a socket: remove it, or choose another run-dir`);
      const server = serverOf(path);
      if (server !== undefined)
        throw new ConfigurationError(
          `${path}: served by another host${server === 0 ? '' : ` (pid ${server})`}: stop it, or choose another run-dir`,
        );
      rmSync(path);
    }
    this.#sockets.push(path);
    return path;
  }

  /** Lets those in who may attach the VM: all of its sockets are there. @throws ConfigurationError */
  open(vm: string): void {
    const folder = join(this.#path, vm);
    const mine = this.#sockets.filter((path) => dirname(path) === folder);
    if (mine.length > 0 && mine.every((path) => this.#taken.has(path))) return;
    if (this.#group !== undefined) for (const path of mine) this.#give(path, this.#group, this.socketMode);
    // After the sockets, so that nobody comes through to one that is not given yet.
    const around = this.#made.filter((made) => `${folder}/`.startsWith(`${made}/`));
    for (const made of new Set([...around, ...(this.#said ? [folder] : [])]))
      this.#give(
        made,
        this.#group,
        this.#folderMode | (lstatSync(made).mode & SET_GID) | (made === this.#path ? this.#through : 0),
      );
  }

  /** Removes the sockets, and the folders that were made for them and hold nothing else. */
  clear(): void {
    if (this.#lent) return;
    for (const path of this.#sockets.splice(0)) rmSync(path, { force: true });
    for (const folder of this.#made.splice(0).reverse()) removeIfEmpty(folder);
  }

  #give(path: string, group: number | undefined, mode: number): void {
    try {
      if (group !== undefined) chownSync(path, -1, group);
      chmodSync(path, mode);
    } catch (error) {
      const why = (error as Error).message;
      throw new ConfigurationError(`socket-group: ${why}: a group that this user is in would be right`, {
        cause: error,
      });
    }
  }

  #folder(path: string, stat: (path: string) => Stats): void {
    try {
      this.#make(path);
    } catch (error) {
      throw new ConfigurationError(`run-dir: ${(error as Error).message}${hint(error)}`, { cause: error });
    }
    // A link is as good as its owner, and the folder behind it has to be good too.
    checkOwner(path, lstatSync(path));
    checkFolder(path, stat(path));
  }

  /** Not mkdirSync's own recursion: it never ends where a file system refuses folders with ENOENT, as /proc does. */
  #make(folder: string): void {
    try {
      mkdirSync(folder, { mode: CLOSED });
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === 'EEXIST') return;
      if (code !== 'ENOENT' || lstatSync(dirname(folder), { throwIfNoEntry: false })) throw error;
      this.#make(dirname(folder));
      mkdirSync(folder, { mode: CLOSED });
    }
    this.#made.push(folder);
  }
}

function checkOwner(path: string, { uid }: Stats): void {
  const me = process.geteuid?.() ?? 0;
  if (uid !== me && uid !== 0)
    throw new ConfigurationError(
      `run-dir: '${path}' belongs to another user (uid ${uid}), who could put other sockets there: a folder of this user (uid ${me}) would be right`,
    );
}

function checkFolder(path: string, stat: Stats): void {
  if (!stat.isDirectory())
    throw new ConfigurationError(`run-dir: '${path}' is not a folder: another run-dir would be right`);
  checkOwner(path, stat);
  if ((stat.mode & 0o002) !== 0)
    throw new ConfigurationError(
      `run-dir: '${path}' can be written by everybody, who could put other sockets there: '${join(path, 'ptnetmap')}' or 'chmod o-w' would be right`,
    );
}

/** False: something of somebody else's is in it. */
function removeIfEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

/** Asking Node for it would set it for a moment. */
function readUmask(): number {
  const match = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return match ? Number.parseInt(match[1]!, 8) : 0o077;
}

/** Whether somebody listens on a device's socket; a VM that is attached to it does not notice. */
export const isServed = (path: string): boolean =>
  lstatSync(path, { throwIfNoEntry: false }) !== undefined && serverOf(path) !== undefined;

/** The process that listens there; 0: somebody whom we cannot see; undefined: nobody. */
function serverOf(path: string): number | undefined {
  try {
    const channel = Channel.connect(path);
    const { peerProcess } = channel;
    channel.close();
    return peerProcess;
  } catch (error) {
    return (error as { code?: string }).code === 'ECONNREFUSED' ? undefined : 0;
  }
}

/** What somebody may do who must not make that folder. */
function hint(error: unknown): string {
  if (!['EACCES', 'EPERM', 'EROFS'].includes((error as { code?: string }).code ?? '')) return '';
  const mine = join(process.env.XDG_RUNTIME_DIR ?? '/tmp', 'ptnetmap');
  return `: a folder that this user can make, such as --run-dir ${shown(mine)}, or root's rights would be right`;
}
