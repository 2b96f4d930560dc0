// The sockets of the control API: one for those who may change the host, with one for their files, one for those who may ask, and TCP on the loopback for metrics if it is wanted.
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { CONTROL_SOCKET, FILES_SOCKET, READ_SOCKET } from '../config/run-dir.ts';
import { ConfigurationError } from '../errors.ts';
import { METRICS_TYPE, metricsText } from '../metrics/metrics.ts';
import { createApp } from './app.ts';
import { HandedFiles } from './files.ts';
import { listen } from './listen.ts';
import type { ControlTarget } from './target.ts';

/** A request that has not come as a whole by then ends. */
const REQUEST_MS = 10_000;
/** Whoever has taken nothing of his answer for so long is hung up on. */
const IDLE_MS = 30_000;
const CHECK_MS = 1000;
/** So many at a time of each socket; more are hung up on. */
export const CONNECTIONS_MAX = 32;

/** What is served by TCP, among the names of sockets. */
const METRICS = 'metrics';

type Fetch = (request: Request, env: never) => Response | Promise<Response>;

export class ControlServer {
  readonly #servers: Server[] = [];
  readonly #target: ControlTarget;
  readonly #paths: string[] = [];
  /** By name: those that listen already, of another process. */
  readonly #taken: ReadonlyMap<string, number>;
  readonly #named = new Map<string, object>();
  #files: HandedFiles | undefined;
  /** Where metrics are served by TCP. */
  metrics: AddressInfo | undefined;

  private constructor(target: ControlTarget, taken: ReadonlyMap<string, number>) {
    this.#target = target;
    this.#taken = taken;
  }

  /** For another process; they stay this one's. */
  get sockets(): ReadonlyMap<string, number> {
    const fdOf = (server: object) => (server as { _handle: { fd: number } })._handle.fd;
    return new Map([...this.#named].map(([name, server]) => [name, fdOf(server)]));
  }

  /** @throws ConfigurationError when a socket cannot be made; then none is there. */
  static async start(
    target: ControlTarget,
    taken: ReadonlyMap<string, number> = new Map(),
  ): Promise<ControlServer> {
    const server = new ControlServer(target, taken);
    try {
      await server.#listen();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  async #listen(): Promise<void> {
    const { host, complaints } = this.#target;
    const { change, read, metrics } = host.config.control;
    const filesPath = this.#claim(FILES_SOCKET);
    const files = await HandedFiles.start(this.#where(FILES_SOCKET, { path: filesPath }), complaints);
    this.#files = files;
    this.#named.set(FILES_SOCKET, files.server);
    host.runDir.openOwn(filesPath, change);
    const sockets = [
      [CONTROL_SOCKET, true, change],
      [READ_SOCKET, false, read],
    ] as const;
    for (const [name, writable, access] of sockets) {
      const path = this.#claim(name);
      const app = createApp({ ...this.#target, files }, { writable });
      this.#named.set(name, await this.#serve(app.fetch as Fetch, this.#where(name, { path })));
      host.runDir.openOwn(path, access);
    }
    if (!metrics) return;
    const app = new Hono().get('/metrics', async (c) =>
      c.body(await metricsText(host), 200, { 'Content-Type': METRICS_TYPE }),
    );
    const where = this.#where(METRICS, metrics);
    const server = await this.#serve(app.fetch as Fetch, where).catch((error: Error) => {
      throw new ConfigurationError(`control.metrics: ${error.message}: another port would be right`, {
        cause: error,
      });
    });
    this.#named.set(METRICS, server);
    this.metrics = server.address() as AddressInfo;
  }

  #where(name: string, where: ListenOptions): ListenOptions {
    const fd = this.#taken.get(name);
    return fd === undefined ? where : ({ fd } as ListenOptions);
  }

  #claim(name: string): string {
    const path = this.#target.host.runDir.claimOwn(name);
    this.#paths.push(path);
    return path;
  }

  async #serve(fetch: Fetch, where: ListenOptions): Promise<Server> {
    const server = createAdaptorServer({
      fetch: fetch as never,
      serverOptions: {
        requestTimeout: REQUEST_MS,
        headersTimeout: REQUEST_MS,
        connectionsCheckingInterval: CHECK_MS,
        keepAliveTimeout: IDLE_MS,
        maxHeaderSize: 16_384,
      },
    }) as Server;
    server.maxConnections = CONNECTIONS_MAX;
    server.timeout = IDLE_MS;
    server.on('timeout', (socket: IncomingMessage['socket']) => socket.destroy());
    this.#servers.push(server);
    await listen(server, where, this.#target.complaints);
    return server;
  }

  /** Hangs up on everybody, and takes the sockets away. */
  async close(): Promise<void> {
    this.#files?.close();
    const ended = this.#servers.splice(0).map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    );
    await Promise.all(ended);
    for (const path of this.#paths.splice(0)) this.#target.host.runDir.release(path);
  }
}
