// A host with its control sockets, as `ptnet up` runs it: the log's level can be changed, and SIGHUP reads the file again.
import { join } from 'node:path';
import { handover } from '../../native/handover.ts';
import { KeptArea } from '../../native/kept.ts';
import { formatChange } from '../changes/difference.ts';
import { Complaints } from '../complaints.ts';
import type { HostConfig } from '../config/host-config.ts';
import { loadConfig } from '../config/load.ts';
import { CONTROL_SOCKET, UPGRADE_SOCKET } from '../config/run-dir.ts';
import { goOn } from '../guard/go-on.ts';
import { Keeper } from '../guard/keeper.ts';
import { type DescriptorStore, fileOf, KeptFds } from '../guard/kept-fds.ts';
import { type LeftHost, readLeft, STATE_NAME } from '../guard/left.ts';
import { StateFile } from '../guard/state-file.ts';
import { Host } from '../host.ts';
import type { Logger } from '../log.ts';
import { KEPT_SESSIONS } from '../taken-host.ts';
import { Giver } from '../upgrade/giver.ts';
import type { Manager } from '../upgrade/renewal.ts';
import { takeOver } from '../upgrade/taker.ts';
import { HandoverError } from '../upgrade/wire.ts';
import { ControlServer } from './server.ts';
import type { ControlTarget } from './target.ts';

/** Not one that is meant: whoever keeps the host starts the next process. */
const EXIT_FAILED = 1;

export interface ServeOptions {
  readonly log: Logger & { level: string };
  /** Where it is said what has been changed, whatever the level of the log; the log when not given. */
  readonly changes?: Logger;
  /** The file that the configuration came from. */
  readonly file?: string;
  /** What the command line said instead of the file. */
  readonly overrides?: { readonly runDir?: string };
  /** Another process may go on in this one's place; a text: it may not, and why. */
  readonly mayBeTaken?: boolean | string;
  /** Who would take its end for the service's. */
  readonly manager?: Manager;
}

function targetOf(host: Host, { log, changes = log, file, overrides }: ServeOptions): ControlTarget {
  return {
    host,
    log,
    complaints: new Complaints(changes, 'control'),
    ...(file !== undefined && { file }),
    ...(overrides && { overrides }),
  };
}

/** What a host is kept with for the process that goes on when this one has died. */
export interface Keeping {
  readonly store: DescriptorStore;
  /** What one that has died had stored; taken. */
  readonly given: ReadonlyMap<string, number>;
}

export interface TakingOver {
  /** The host that has started this process. */
  readonly startedBy?: number | undefined;
  /** Who keeps it for the case that it dies, of a host that is kept. */
  readonly store?: DescriptorStore | undefined;
  /** The host there is managed: it has started a process that goes on, and has ended. Does not return. */
  renewed?(pid: number): never;
  /** The other one has let go: from now on a signal is for a host that serves. */
  beforeServing?(): void;
}

function thatIsNoEnd(pid: number): never {
  throw new HandoverError(`process ${pid} goes on in its place, which is another one`);
}

export class ServedHost {
  readonly host: Host;
  readonly control: ControlServer;
  readonly #target: ControlTarget;
  readonly #manager: Manager | undefined;
  #closed: Promise<void> | undefined;
  #giver: Giver | undefined;
  #keeper: Keeper | undefined;

  private constructor(host: Host, control: ControlServer, target: ControlTarget, manager?: Manager) {
    this.#manager = manager;
    this.host = host;
    this.control = control;
    this.#target = target;
  }

  /** @throws ConfigurationError; then nothing is left. */
  static async start(config: HostConfig, options: ServeOptions, blocks?: KeptArea): Promise<ServedHost> {
    const host = await Host.startKept(config, options.log, blocks);
    const target = targetOf(host, options);
    try {
      const served = new ServedHost(host, await ControlServer.start(target), target, options.manager);
      if (options.mayBeTaken) served.#listen(options.mayBeTaken);
      return served;
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  /**
   * Goes on in the place of the host that runs in the configuration's run-dir, and makes of it what the configuration says, as apply()
   * does; with a run-dir alone it stays what it is, with the file that it had. The event loop does not turn before it serves.
   * @throws ConfigurationError: the other one goes on, and this process is to end at once, with nothing undone.
   */
  static takeOver(
    config: HostConfig | Pick<HostConfig, 'runDir'>,
    options: ServeOptions,
    { store, startedBy, renewed, beforeServing }: TakingOver = {},
  ): ServedHost {
    const { runDir } = config;
    const { file, overrides } = options;
    let next = 'vms' in config ? config : undefined;
    let changes = false;
    let keep = (_: ServedHost): void => {};
    const served = takeOver({
      path: join(runDir, UPGRADE_SOCKET),
      runDir,
      controlPath: join(runDir, CONTROL_SOCKET),
      log: options.log,
      rehearse: (running) => {
        if (file !== undefined) next = loadConfig(file, overrides, running);
      },
      complete: ({ host, own, file: before }) => {
        next ??= host.config;
        changes = host.preview(next).changes.length > 0;
        const known = file ?? before;
        const target = targetOf(host, { ...options, ...(known !== undefined && { file: known }) });
        const served = new ServedHost(host, ControlServer.adopt(target, own), target, options.manager);
        served.#listen(options.mayBeTaken ?? true, own.get(UPGRADE_SOCKET));
        return served;
      },
      file: file !== undefined,
      startedBy,
      renewed: renewed ?? thatIsNoEnd,
      check: (host, kept) => {
        if (kept && store) {
          const state = StateFile.open(kept.state);
          const fds = new KeptFds(store, kept.files);
          keep = (served) => served.#keep(store, fds, state, kept.sections);
        } else if (kept || store) {
          throw new HandoverError(
            kept
              ? 'it is kept, and nobody is here who keeps it'
              : "it is not kept: '--keep' is for one that is",
          );
        }
        const refused = changes && next ? host.preview(next).refused : [];
        if (refused.length > 0) throw new HandoverError(refused.map(({ text }) => text).join('\n'));
      },
      ...(beforeServing && { beforeServing }),
    });
    keep(served);
    served.#bring(() => next ?? served.host.config, 'taken over');
    return served;
  }

  /**
   * Goes on with what a process that has died had stored, as it was; where there is nothing, or nothing that can be gone on with,
   * starts what `load` gives. Is kept itself.
   * @throws ConfigurationError, as start()
   */
  static async startKept(
    load: () => HostConfig,
    options: ServeOptions,
    { store, given }: Keeping,
  ): Promise<ServedHost> {
    const complaints = new Complaints(options.changes ?? options.log, 'host');
    const say = (line: string) => complaints.add('left', line, { level: 'warn', freely: 10_000 });
    const left = leftIn(given, say);
    // While those that were left are open.
    const stored = new Map([...(left?.fds ?? [])].map(([number, fd]) => [number, fileOf(fd)]));
    const fds = new KeptFds(store, stored);
    if (!left && given.size > 0) {
      // Who listens there is only known to be nobody when they are closed.
      for (const name of given.keys()) store.remove(name);
      store.settle();
    }
    const served = left
      ? ServedHost.#goOn(left, options, say)
      : await ServedHost.start(load(), options, new KeptArea(KEPT_SESSIONS));
    const state = left?.state ?? StateFile.create();
    if (!left) store.put(STATE_NAME, state.fd);
    else say('goes on in the place of a process that has died');
    const sections = new Map(left?.devices.map(({ vm, name, section }) => [`${vm}/${name}`, section]));
    served.#keep(store, fds, state, sections);
    return served;
  }

  /** @param sections of devices, which another process has written. */
  #keep(store: DescriptorStore, fds: KeptFds, state: StateFile, sections: ReadonlyMap<string, number>): void {
    const { host, control } = this;
    const { file, complaints } = this.#target;
    this.#keeper = new Keeper(
      {
        host,
        fds,
        state,
        file,
        own: () => new Map([...control.sockets, ...this.#upgradeSocket()]),
        complaints,
        forget: () => store.remove(STATE_NAME),
      },
      sections,
    );
    host.keepBy(this.#keeper);
    fds.forgetLeft();
  }

  static #goOn(left: LeftHost, options: ServeOptions, say: (line: string) => void): ServedHost {
    try {
      const { host, own, file, go } = goOn(left, { log: options.log, say });
      const target = targetOf(host, { ...options, ...(file !== undefined && { file }) });
      const served = new ServedHost(host, ControlServer.adopt(target, own), target, options.manager);
      if (options.mayBeTaken) served.#listen(options.mayBeTaken, own.get(UPGRADE_SOCKET));
      go();
      return served;
    } catch (error) {
      // What is built so far shares everything with what was left: whoever is started next begins anew.
      left.state.void = true;
      say(`not gone on with: ${(error as Error).message}`);
      return handover.exitNow(EXIT_FAILED);
    }
  }

  #upgradeSocket(): [string, number][] {
    return this.#giver ? [[UPGRADE_SOCKET, this.#giver.socket]] : [];
  }

  #listen(mayBeTaken: boolean | string, socket?: number): void {
    const { host, control } = this;
    const path = host.runDir.claimOwn(UPGRADE_SOCKET);
    this.#giver = new Giver(
      {
        host,
        path,
        complaints: this.#target.complaints,
        forbidden: typeof mayBeTaken === 'string' ? mayBeTaken : undefined,
        file: this.#target.file,
        own: () => new Map([...control.sockets, ...this.#upgradeSocket()]),
        kept: () => this.#keeper?.told,
        manager: this.#manager,
        end: (code) => handover.exitNow(code),
      },
      socket,
    );
  }

  stats(): unknown {
    return this.host.stats();
  }

  /** Brings the host to what its file says now; what cannot be is said in the log, and nothing has changed then. */
  reload(): void {
    const { file, host, overrides = {} } = this.#target;
    if (file === undefined) this.#say('there is no file to read again', 'error', 'reload-failed');
    else this.#bring(() => loadConfig(file, overrides, host.config), 'read again');
  }

  #bring(read: () => HostConfig, how: string): void {
    const { host } = this.#target;
    const file = this.#target.file ?? host.config.runDir;
    try {
      const changes = host.apply(read());
      this.#say(`${file}: ${how}: ${changes.length} changes`, 'info', 'reload');
      for (const change of changes) this.#say(formatChange(change), 'info', 'change');
    } catch (error) {
      const why = (error as Error).message;
      this.#say(`${file}: not taken, nothing has changed: ${why}`, 'error', 'reload-failed');
    }
  }

  #say(text: string, level: 'info' | 'error', event: string): void {
    const { file, complaints } = this.#target;
    complaints.add(event, text, { level, freely: 10_000, details: { event, file } });
  }

  /** Once, however often it is asked for. */
  close(): Promise<void> {
    this.#giver?.close();
    this.#keeper?.close();
    this.#closed ??= this.control.close().then(() => this.host.close());
    return this.#closed;
  }
}

function leftIn(given: ReadonlyMap<string, number>, say: (line: string) => void): LeftHost | undefined {
  try {
    return readLeft(given, say);
  } catch (error) {
    say(`what a process that has died has left is not gone on with: ${(error as Error).message}`);
    return undefined;
  }
}
