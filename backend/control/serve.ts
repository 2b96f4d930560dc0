// A host with its control sockets, as `ptnet up` runs it: the log's level can be changed, and SIGHUP reads the file again.
import { formatChange } from '../changes/difference.ts';
import { Complaints } from '../complaints.ts';
import type { HostConfig } from '../config/host-config.ts';
import { loadConfig } from '../config/load.ts';
import { Host } from '../host.ts';
import type { Logger } from '../log.ts';
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
}

export class ServedHost {
  readonly host: Host;
  readonly control: ControlServer;
  readonly #target: ControlTarget;
  #closed: Promise<void> | undefined;

  private constructor(host: Host, control: ControlServer, target: ControlTarget) {
    this.host = host;
    this.control = control;
    this.#target = target;
  }

  /** @throws ConfigurationError; then nothing is left. */
  static async start(
    config: HostConfig,
    { log, changes = log, file, overrides }: ServeOptions,
  ): Promise<ServedHost> {
    const host = await Host.start(config, { log });
    const target: ControlTarget = {
      host,
      log,
      complaints: new Complaints(changes, 'control'),
      ...(file !== undefined && { file }),
      ...(overrides && { overrides }),
    };
    try {
      return new ServedHost(host, await ControlServer.start(target), target);
    } catch (error) {
      await host.close();
      throw error;
    }
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
    this.#closed ??= this.control.close().then(() => this.host.close());
    return this.#closed;
  }
}
