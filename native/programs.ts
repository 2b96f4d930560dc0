// Programs of the data plane with a thread of their own: captures, replayers and bridges.
import { type AttachOptions, addon, type Handle } from './addon.ts';
import type { Engine } from './engine.ts';
import { type Watchable, watchableHandles } from './monitors.ts';
import type { Port } from './ports.ts';
import type {
  BridgeStats,
  CaptureOptions,
  CaptureStats,
  ReplayOptions,
  ReplayStats,
  Ways,
} from './programs-addon.ts';

export type {
  BridgeStats,
  BridgeWay,
  CaptureOptions,
  CaptureStats,
  ReplayOptions,
  ReplayStats,
} from './programs-addon.ts';

/**
 * A filter of libpcap's language (pcap-filter(7)) as a program of classic BPF.
 * @throws Error with `code` EINVAL and what libpcap says, or ENOENT where libpcap is not installed.
 */
export const compileFilter = (expression: string, snaplen: number): Uint8Array =>
  addon.filterCompile(expression, snaplen);

/** What passes a port, into a pcapng file. */
export class Capture {
  readonly #handle: Handle<'capture'>;

  /** @throws Error with the `code` of what could not be opened. */
  constructor(engine: Engine, watched: Watchable, ways: Ways, options: CaptureOptions) {
    this.#handle = addon.captureStart(engine.handle, ...watchableHandles(watched), ways, options);
  }
  get stats(): CaptureStats {
    return addon.captureStats(this.#handle);
  }
  /** Sees nothing any more; what it has seen is written in its own time: `stats.ended` says when. */
  stop(): void {
    addon.captureStop(this.#handle);
  }
}

/** A capture file's packets, into a port, as its client. */
export class Replay {
  readonly #handle: Handle<'replay'>;

  /** Nobody waits for the file. @throws Error with `code`: of opening it, EBUSY when the port has a client. */
  constructor(engine: Engine, port: Port, service: AttachOptions, options: ReplayOptions) {
    this.#handle = addon.replayStart(engine.handle, port.handle, service, options);
  }
  get stats(): ReplayStats {
    return addon.replayStats(this.#handle);
  }
  /** The port is free again; `stats.ended` says when the file is closed. */
  stop(): void {
    addon.replayStop(this.#handle);
  }
}

/** What one port receives the other one sends, as the client of both. */
export class Bridge {
  readonly #handle: Handle<'bridge'>;

  /** @throws Error with `code` EBUSY when one of them has a client, EINVAL for the same port twice. */
  constructor(engine: Engine, a: Port, b: Port, service: AttachOptions) {
    this.#handle = addon.bridgeStart(engine.handle, a.handle, b.handle, service);
  }
  get stats(): BridgeStats {
    return addon.bridgeStats(this.#handle);
  }
  /** Both ports are free again. */
  stop(): void {
    addon.bridgeStop(this.#handle);
  }
}
