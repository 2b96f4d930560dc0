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
import type { Rebuilt } from '../upgrade/rebuild.ts';
import { takeOver } from '../upgrade/taker.ts';
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
  /** The host that runs in the configuration's run-dir, with the configuration that it has, instead of a new one. */
  readonly takeOver?: boolean;
  /** As with a host that is taken over: before it is. */
  readonly beforePrepared?: () => void;
}

function takenOver(runDir: string, path: string, log: Logger, beforePrepared?: () => void): Rebuilt {
  const controlPath = join(runDir, CONTROL_SOCKET);
  return takeOver({ path, runDir, controlPath, log, ...(beforePrepared && { beforePrepared }) });
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
  static async start(
    config: HostConfig,
    { log, changes = log, file, overrides, ...options }: ServeOptions,
  ): Promise<ServedHost> {
    const path = join(config.runDir, UPGRADE_SOCKET);
    const rebuilt = options.takeOver
      ? takenOver(config.runDir, path, log, options.beforePrepared)
      : undefined;
    const host = rebuilt?.host ?? (await Host.start(config, { log }));
    const target: ControlTarget = {
      host,
      log,
      complaints: new Complaints(changes, 'control'),
      ...(file !== undefined && { file }),
      ...(overrides && { overrides }),
    };
    try {
      const control = await ControlServer.start(target, rebuilt?.own);
      const served = new ServedHost(host, control, target);
      if (options.mayBeTaken) served.#listen(options.mayBeTaken, rebuilt?.own.get(UPGRADE_SOCKET));
      return served;
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  #listen(mayBeTaken: true | string, socket: number | undefined): void {
    const { host, control } = this;
    const path = host.runDir.claimOwn(UPGRADE_SOCKET);
    const giver: Giver = new Giver(
      {
        host,
        path,
        complaints: this.#target.complaints,
        forbidden: mayBeTaken === true ? undefined : mayBeTaken,
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
    const { file, complaints, host, overrides = {} } = this.#target;
    const say = (text: string, level: 'info' | 'error', event: string) =>
      complaints.add(event, text, { level, freely: 10_000, details: { event, file } });
    if (file === undefined) {
      say('there is no file to read again', 'error', 'reload-failed');
      return;
    }
    try {
      const changes = host.apply(loadConfig(file, overrides, host.config));
      say(`${file}: read again: ${changes.length} changes`, 'info', 'reload');
      for (const change of changes) say(formatChange(change), 'info', 'change');
    } catch (error) {
      say(`${file}: not taken, nothing has changed: ${(error as Error).message}`, 'error', 'reload-failed');
    }
  }

  /** Once, however often it is asked for. */
  close(): Promise<void> {
    this.#giver?.close();
    this.#closed ??= this.control.close().then(() => this.host.close());
    return this.#closed;
  }
}
