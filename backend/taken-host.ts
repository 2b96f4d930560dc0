// What another process has, or has left behind, and a host is built of instead of anew; and who writes that down.
import type { KeptArea } from '../native/kept.ts';
import type { RegionShape } from '../native/memory.ts';
import type { TakenPorts } from './ports/table.ts';
import type { RunDirState } from './sockets.ts';
import type { ServerKeeper } from './vfio-user/server.ts';

/** Rings that can be counted; 254 ports a switch with a few rings each is far below it. */
export const COUNTER_BLOCKS = 16_384;
/** Sessions at a time that are kept; a host has as many devices at most. */
export const KEPT_SESSIONS = 4096;

export interface TakenHost extends TakenPorts {
  /** Of the counters. */
  readonly stats: number;
  readonly shapes: ReadonlyMap<string, RegionShape>;
  readonly runDir: RunDirState;
  /** Those of devices, by path. */
  readonly sockets: Map<string, number>;
  /** The one of applications. */
  readonly applications?: number | undefined;
  /** Where sessions are kept; undefined: they are not. */
  readonly blocks?: KeptArea | undefined;
}

/** Hears that a host is not what it was, beside its devices' clients. */
export interface HostKeeper extends ServerKeeper {
  hostChanged(): void;
}
