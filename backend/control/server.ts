// The sockets of the control API: one for those who may change the host, with one for their files, one for those who may ask, and TCP on the loopback for metrics if it is wanted.
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo, Server as TcpServer } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { CONTROL_SOCKET, FILES_SOCKET, READ_SOCKET } from '../config/run-dir.ts';
import { ConfigurationError } from '../errors.ts';
import { METRICS_TYPE, metricsText } from '../metrics/metrics.ts';
import { createApp } from './app.ts';
import { HandedFiles } from './files.ts';
import { goOnListening, listen } from './listen.ts';
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

/** Made at the first request: it takes a while, for which nobody's packets are to wait. */
function whenAsked(make: () => Fetch): Fetch {
  let made: Fetch | undefined;
  return (request, env) => {
    made ??= make();
    return made(request, env);
  };
}

export class ControlServer {
  readonly #servers: Server[] = [];
  readonly #target: ControlTarget;
  readonly #paths: string[] = [];
  readonly #named = new Map<string, Server | TcpServer>();
  #files: HandedFiles | undefined;
  /** Where metrics are served by TCP. */
  metrics: AddressInfo | undefined;

  private constructor(target: ControlTarget) {
    this.#target = target;
  }

  /** @throws ConfigurationError when a socket cannot be made; then none is there. */
  static async start(target: ControlTarget): Promise<ControlServer> {
    const server = new ControlServer(target);
    try {
      await server.#listen();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  /**
   * With the sockets of another process, by name; they are taken, and nobody is accepted before the event loop turns.
   * @throws Error, and the process is to end then: nothing is taken back.
   */
  static adopt(target: ControlTarget, sockets: ReadonlyMap<string, number>): ControlServer {
    const server = new ControlServer(target);
    server.#goOn(sockets);
    return server;
  }

  /** Of each, by name, the descriptor; they stay this one's. */
  get sockets(): ReadonlyMap<string, number> {
    const fdOf = (server: object) => (server as { _handle: { fd: number } })._handle.fd;
    return new Map([...this.#named].map(([name, server]) => [name, fdOf(server)]));
  }

  async #listen(): Promise<void> {
    const { host, complaints } = this.#target;
    const { change, metrics } = host.config.control;
    const filesPath = this.#claim(FILES_SOCKET);
    const files = await HandedFiles.start(filesPath, complaints);
    this.#admit(files);
    host.runDir.openOwn(filesPath, change);
    for (const { name, fetch, access } of this.#apis(files)) {
      const path = this.#claim(name);
      await listen(this.#create(name, fetch), { path }, complaints);
      host.runDir.openOwn(path, access);
    }
    if (!metrics) return;
    const server = this.#create(METRICS, this.#metricsApp());
    await listen(server, metrics, complaints).catch((error: Error) => {
      throw new ConfigurationError(`control.metrics: ${error.message}: another port would be right`, {
        cause: error,
      });
    });
    this.metrics = server.address() as AddressInfo;
  }

  #goOn(sockets: ReadonlyMap<string, number>): void {
    const { host, complaints } = this.#target;
    const socket = (name: string): number => {
      const fd = sockets.get(name);
      if (fd === undefined) throw new Error(`${name}: no such socket has come along`);
      return fd;
    };
    this.#claim(FILES_SOCKET);
    const files = HandedFiles.adopt(socket(FILES_SOCKET), complaints);
    this.#admit(files);
    for (const { name, fetch } of this.#apis(files)) {
      this.#claim(name);
      goOnListening(this.#create(name, fetch), socket(name), complaints);
    }
    if (!host.config.control.metrics) return;
    const server = this.#create(METRICS, this.#metricsApp());
    goOnListening(server, socket(METRICS), complaints);
    this.metrics = server.address() as AddressInfo;
  }

  #admit(files: HandedFiles): void {
    this.#files = files;
    this.#named.set(FILES_SOCKET, files.server);
  }

  /** What is served on a Unix socket, and to whom. */
  #apis(files: HandedFiles) {
    const { change, read } = this.#target.host.config.control;
    const fetch = (writable: boolean) =>
      whenAsked(() => createApp({ ...this.#target, files }, { writable }).fetch as Fetch);
    return [
      { name: CONTROL_SOCKET, fetch: fetch(true), access: change },
      { name: READ_SOCKET, fetch: fetch(false), access: read },
    ];
  }

  #metricsApp(): Fetch {
    const { host } = this.#target;
    const app = new Hono().get('/metrics', async (c) =>
      c.body(await metricsText(host), 200, { 'Content-Type': METRICS_TYPE }),
    );
    return app.fetch as Fetch;
  }

  #claim(name: string): string {
    const path = this.#target.host.runDir.claimOwn(name);
    this.#paths.push(path);
    return path;
  }

  #create(name: string, fetch: Fetch): Server {
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
    this.#named.set(name, server);
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
