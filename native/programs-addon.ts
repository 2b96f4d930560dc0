// The addon's part about monitors and programs: captures, replayers, bridges.
import type { AttachOptions, Handle, PortShape } from './addon.ts';

/** What of a port is watched: what its client sends, and what it gets. */
export interface Ways {
  readonly tx: boolean;
  readonly rx: boolean;
}

export interface CaptureOptions {
  /** Of the file, which is written anew; undefined: `fd`. */
  readonly path?: string;
  readonly fd?: number;
  /** What is in `fd` goes first. */
  readonly truncate?: boolean;
  /** Bytes of each packet, at most. */
  readonly snaplen?: number;
  /** Packets after which it ends; 0, as by default: none. */
  readonly count?: number;
  /** Bytes after which the next file begins, `dump-00002.pcapng`; 0, as by default: none. */
  readonly rotateBytes?: number;
  /** Files that are kept; 0, as by default: all. */
  readonly files?: number;
  /** As somebody wrote it, for the file; empty: none. */
  readonly filterText: string;
  /** From compileFilter(). */
  readonly filter?: Uint8Array;
}

export interface CaptureStats {
  /** Packets that passed. */
  readonly seen: number;
  /** Of these, what there was no room for because the file did not take them in time. */
  readonly dropped: number;
  /** Those that the filter did not want. */
  readonly filtered: number;
  readonly written: number;
  /** Of the last file. */
  readonly bytes: number;
  readonly files: number;
  /** All is written, or nothing can be any more. */
  readonly ended: boolean;
  /** Why it ended; empty: as it should. */
  readonly error: string;
}

export interface ReplayOptions {
  /** Of the file; where `fd` is given, its name in messages. */
  readonly path: string;
  /** The file, open. */
  readonly fd?: number;
  /** Times the file's pace; 0: as fast as the port takes it. Default 1. */
  readonly speed?: number;
  /** Packets a second instead; 0, as by default: the pace. */
  readonly rate?: number;
  /** 0: for ever. Default 1. */
  readonly loops?: number;
  readonly delayNs?: number;
  /** The most that is added to the delay, by chance; packets stay in their order. */
  readonly jitterNs?: number;
  /** Of the packets, 0 to 1. */
  readonly loss?: number;
  readonly seed?: number;
}

export interface ReplayStats {
  readonly packets: number;
  readonly bytes: number;
  /** On purpose. */
  readonly lost: number;
  /** That have no bytes in the file, or more than fit the slots of a packet. */
  readonly skipped: number;
  /** That are done. */
  readonly loops: number;
  /** The most that a packet was sent later than it should have been. */
  readonly lateNs: number;
  /** The file is closed. */
  readonly ended: boolean;
  /** What is wrong with the file, once it has ended; empty: nothing. */
  readonly error: string;
}

export interface BridgeWay {
  readonly packets: number;
  readonly bytes: number;
  /** Packets that never fit the other port's ring, or whose slots are bad. */
  readonly dropped: number;
}

export interface BridgeStats {
  readonly forth: BridgeWay;
  readonly back: BridgeWay;
  /** The two are in different regions. */
  readonly copies: boolean;
}

export interface ProgramsAddon {
  monitorPortCreate(
    engine: Handle<'engine'>,
    region: Handle<'region'>,
    stats: Handle<'stats'>,
    shape: PortShape,
    port: Handle<'port'> | undefined,
    member: Handle<'member'> | undefined,
    ways: Ways,
    zeroCopy: boolean,
  ): Handle<'port'>;
  filterCompile(expression: string, snaplen: number): Uint8Array;
  captureStart(
    engine: Handle<'engine'>,
    port: Handle<'port'> | undefined,
    member: Handle<'member'> | undefined,
    ways: Ways,
    options: CaptureOptions,
  ): Handle<'capture'>;
  captureStop(capture: Handle<'capture'>): void;
  captureStats(capture: Handle<'capture'>): CaptureStats;
  replayStart(
    engine: Handle<'engine'>,
    port: Handle<'port'>,
    service: AttachOptions,
    options: ReplayOptions,
  ): Handle<'replay'>;
  replayStop(replay: Handle<'replay'>): void;
  replayStats(replay: Handle<'replay'>): ReplayStats;
  bridgeStart(
    engine: Handle<'engine'>,
    a: Handle<'port'>,
    b: Handle<'port'>,
    service: AttachOptions,
  ): Handle<'bridge'>;
  bridgeStop(bridge: Handle<'bridge'>): void;
  bridgeStats(bridge: Handle<'bridge'>): BridgeStats;
}
