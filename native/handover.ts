// What another process needs to go on with regions, ports and attachments, and the packets that two hosts exchange meanwhile.
import type { Handle, PortShape, RegionShape } from './addon.ts';
import { loadAddon } from './load.ts';

/** What a process knows of a region beyond the memory itself. */
export interface RegionState {
  /** Of the memory; it stays the region's. */
  readonly fd: number;
  /** Holders by object, 0 for none. */
  readonly ifs: Uint32Array;
  readonly rings: Uint32Array;
  readonly bufs: Uint32Array;
  readonly lastHolder: number;
  /** Holder, how many buffers it was given, holder, ... */
  readonly owned: Uint32Array;
  readonly extraHolders: Uint32Array;
}

/** Where a ring lies, and how far it is. */
export interface RingPlace {
  readonly offset: number;
  /** Block of the statistics. */
  readonly counters: number;
  readonly hwcur: number;
  readonly hwtail: number;
  readonly vnetHdrLen: number;
  /** Bytes that a slot takes. */
  readonly room: number;
  /** Where packets may begin in their buffers (NETMAP_REQ_OPT_OFFSETS); 0: at the beginning. */
  readonly offsetMax: number;
  /** Of `ptr` in slots; 0: they have no offsets. */
  readonly offsetMask: bigint;
}

export interface PortPlaces {
  readonly holder: number;
  readonly nifpOfs: number;
  /** tx rings first. */
  readonly rings: readonly RingPlace[];
}

/** A port of another process, which goes on here. */
export interface PlacedShape extends PortShape {
  readonly places?: PortPlaces;
  /** Of the other end of a pipe. */
  readonly otherPlaces?: PortPlaces;
}

export interface LinkState {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly carrier: boolean;
  readonly rxQueues: number;
  readonly master: number;
  readonly peer: number;
}

/** A tap that a process has open. */
export interface TapState {
  readonly kind: 'tap';
  /** They stay the tap's, as `news` does. */
  readonly queues: readonly number[];
  /** What the interface has become since `link`. */
  readonly news: number;
  readonly link: LinkState;
  readonly made: boolean;
  readonly backpressure: boolean;
  readonly udpSegments: boolean;
  /** That it was given. */
  readonly carrier: boolean;
  readonly vnetHdr: number;
  /** What the kernel leaves undone: 0 nothing, 1 checksums, 2 segments too. */
  readonly offloads: number;
}

export interface FrameLosses {
  readonly ringFull: number;
  readonly tooLarge: number;
  readonly refused: number;
}

/** An interface of the host that a process has open by AF_PACKET. */
export interface PacketState {
  readonly kind: 'packet';
  /** One for each queue; descriptors stay the interface's, as the others do. */
  readonly sockets: readonly {
    readonly fd: number;
    readonly largeFd: number;
    readonly slots: number;
    /** Of what has come. */
    readonly released: number;
    /** [sent, put) is for the kernel to send. */
    readonly sent: number;
    readonly put: number;
    /** One that is too large for the ring, and waits too; empty: none. */
    readonly large: Uint8Array;
    readonly losses: FrameLosses;
  }[];
  /** None: that mode is not held. */
  readonly promiscuous?: number;
  readonly links: number;
  readonly news: number;
  readonly link: LinkState;
  readonly lro: boolean;
  readonly served: boolean;
  readonly mtuBefore: number;
  readonly lostBefore: FrameLosses;
}

export type InterfaceState = TapState | PacketState;

/** What is known of an interface that is no tap and went with its process: it is opened anew. */
export interface LeftState {
  readonly kind: 'left';
  /** The kernel's. */
  readonly index: number;
  readonly mtuBefore: number;
  readonly losses: FrameLosses;
}

/** One of another process, which goes on here. */
export type TakenInterface = (InterfaceState | LeftState) & {
  /** Blocks of the statistics: of what it sends and then of what it gets, a queue each; none of a port. */
  readonly counters: readonly number[];
};

export interface Packet {
  readonly bytes: Uint8Array;
  /** The receiver owns them. */
  readonly fds: number[];
}

/** As many bytes, and descriptors, a packet may have. */
export const PACKET_BYTES_MAX = 65_536;
export const PACKET_FDS_MAX = 253;

interface HandoverAddon {
  regionState(region: Handle<'region'>): RegionState;
  regionAdopt(shape: RegionShape, state: RegionState): Handle<'region'>;
  regionReleaseLost(region: Handle<'region'>): void;
  statsFd(stats: Handle<'stats'>): number;
  statsAdopt(blocks: number, fd: number): Handle<'stats'>;
  portPlaces(port: Handle<'port'>): PortPlaces;
  portAdvance(port: Handle<'port'>, places: PortPlaces): void;
  portLimitsMissing(port: Handle<'port'>): number[];
  portLimitsGoOn(port: Handle<'port'>, missing: readonly number[]): void;
  memberLimitsMissing(member: Handle<'member'>): number[];
  memberLimitsGoOn(member: Handle<'member'>, missing: readonly number[]): void;
  nullPortSent(port: Handle<'port'>): bigint[];
  nullPortGoOn(port: Handle<'port'>, ring: number, sent: bigint): void;
  interfaceState(opened: Handle<'interface'>): InterfaceState | undefined;
  interfaceGoOn(opened: Handle<'interface'>): void;
  memberSuspend(member: Handle<'member'>): void;
  memberResume(member: Handle<'member'>): void;
  attachmentSuspend(attachment: Handle<'attachment'>): void;
  attachmentResume(attachment: Handle<'attachment'>): void;
  switchLearnStation(vale: Handle<'switch'>, mac: Uint8Array, port: string, idleS: number): void;
  packetsListen(path: string, mode: number): number;
  packetsAccept(listener: number): number | undefined;
  packetsConnect(path: string): number;
  packetSend(socket: number, bytes: Uint8Array, fds: readonly number[], timeoutMs: number): void;
  packetReceive(socket: number, timeoutMs: number): Packet | undefined;
  becomeProgram(path: string, args: readonly string[]): never;
  exitNow(code: number): never;
}

export const handover = loadAddon('native', 'ptnetmap') as HandoverAddon;
