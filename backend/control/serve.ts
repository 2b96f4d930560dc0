// A host with its control sockets, as `ptnet up` runs it: the log's level can be changed, and SIGHUP reads the file again.
import { join } from 'node:path';
import { handover } from '../../native/handover.ts';
import { formatChange } from '../changes/difference.ts';
import { Complaints } from '../complaints.ts';
import type { HostConfig } from '../config/host-config.ts';
import { loadConfig } from '../config/load.ts';
import { CONTROL_SOCKET, UPGRADE_SOCKET } from '../config/run-dir.ts';
import { Host } from '../host.ts';
import type { Logger } from '../log.ts';
import { Giver } from '../upgrade/giver.ts';
import { takeOver } from '../upgrade/taker.ts';
import { HandoverError } from '../upgrade/wire.ts';
import { ControlServer } from './server.ts';
import type { ControlTarget } from './target.ts';

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

export class ServedHost {
  readonly host: Host;
  readonly control: ControlServer;
  readonly #target: ControlTarget;
  #closed: Promise<void> | undefined;
  #giver: Giver | undefined;

  private constructor(host: Host, control: ControlServer, target: ControlTarget) {
    this.host = host;
    this.control = control;
    this.#target = target;
  }

  /** @throws ConfigurationError; then nothing is left. */
  static async start(config: HostConfig, options: ServeOptions): Promise<ServedHost> {
    const host = await Host.start(config, { log: options.log });
    const target = targetOf(host, options);
    try {
      const served = new ServedHost(host, await ControlServer.start(target), target);
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
    beforeServing?: () => void,
  ): ServedHost {
    const { runDir } = config;
    const { file, overrides } = options;
    let next = 'vms' in config ? config : undefined;
    let changes = false;
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
        const served = new ServedHost(host, ControlServer.adopt(target, own), target);
        served.#listen(options.mayBeTaken ?? true, own.get(UPGRADE_SOCKET));
        return served;
      },
      check: (host) => {
        const refused = changes && next ? host.preview(next).refused : [];
        if (refused.length > 0) throw new HandoverError(refused.map(({ text }) => text).join('\n'));
      },
      ...(beforeServing && { beforeServing }),
    });
    served.#bring(() => next ?? served.host.config, 'taken over');
    return served;
  }

  #listen(mayBeTaken: boolean | string, socket?: number): void {
    const { host, control } = this;
    const path = host.runDir.claimOwn(UPGRADE_SOCKET);
    const giver: Giver = new Giver(
      {
        host,
        path,
        complaints: this.#target.complaints,
        forbidden: typeof mayBeTaken === 'string' ? mayBeTaken : undefined,
        file: this.#target.file,
        own: () => new Map([...control.sockets, [UPGRADE_SOCKET, giver.socket]]),
        end: (code) => handover.exitNow(code),
      },
      socket,
    );
    this.#giver = giver;
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
    this.#closed ??= this.control.close().then(() => this.host.close());
    return this.#closed;
  }
}
