// The addon as TypeScript sees it: handles are opaque, everything else is plain data.
import type { TakenInterface } from './handover.ts';
import { loadAddon } from './load.ts';
import type { ProgramsAddon } from './programs-addon.ts';

declare const brand: unique symbol;
/** An opaque native handle; freed when nothing refers to it any more. */
export interface Handle<Kind extends string> {
  readonly [brand]: Kind;
}

export type PayloadLevel = 'none' | 'stamp' | 'full';
export type PolicyName = 'poll' | 'adaptive' | 'notify' | 'inline';

export interface RegionShape {
  /** 1 to 65535. */
  id: number;
  ifNum: number;
  ifSize: number;
  ringNum: number;
  ringSize: number;
  bufNum: number;
  bufSize: number;
  hugepages?: boolean;
  /** Its pages come from this NUMA node while it has free ones; not given: from that of who touches a page first. */
  numaNode?: number;
}

export interface PoolInfo {
  /** Bytes from the start of the region. */
  readonly offset: number;
  readonly count: number;
  /** Bytes of one object. */
  readonly size: number;
  readonly free: number;
}

export interface RegionInfo {
  readonly id: number;
  readonly fd: number;
  /** A peer has taken pages of it away: clients no longer share what is here. */
  readonly lost: boolean;
  /** Bytes that the pools take. */
  readonly memsize: number;
  /** Bytes of the memfd: memsize rounded up to a power of two. */
  readonly barSize: number;
  readonly pools: { readonly if: PoolInfo; readonly ring: PoolInfo; readonly buf: PoolInfo };
}

export interface PortShape {
  name: string;
  txRings?: number;
  rxRings?: number;
  txSlots?: number;
  rxSlots?: number;
  extraBufs?: number;
  /** VALE ports: bytes of the longest IP packet that segments are cut to for a client without virtio-net header; 0: any. */
  mtu?: number;
}

export interface PortInfo {
  readonly name: string;
  readonly nifpOfs: number;
  readonly txRings: number;
  readonly rxRings: number;
  readonly txSlots: number;
  readonly rxSlots: number;
  /** Where each ring's counters are, in blocks of the statistics area; tx rings first. */
  readonly counterBlocks: readonly number[];
  /** Whether a client may say where in its buffer each packet begins. */
  readonly takesOffsets: boolean;
}

/** What was checked: `max` has no more than `bits` bits, and `initial` is not beyond it. */
export interface OffsetsAsked {
  /** Bytes. */
  readonly max: number;
  /** Of `ptr` in a slot, from the lowest on. */
  readonly bits: number;
  /** Of each slot that shows no packet; 0: those of rings that have offsets already stay. */
  readonly initial: number;
  /** Bytes that a packet which is received may take of a buffer; 0: as many as there are. */
  readonly gap: number;
}

/** What is in force. */
export interface OffsetsGiven {
  readonly max: number;
  readonly bits: number;
}

export interface PortNeeds {
  readonly ifs: number;
  readonly rings: number;
  readonly bufs: number;
}

export interface Source {
  /** Of each rx ring; UNLIMITED for ever. */
  packets: bigint;
  size: number;
  payload: PayloadLevel;
  /** Packets a second of each ring; 0: as fast as there is room. */
  rate: number;
  /** Ring r sends stream `stream + r`. */
  stream: number;
  dst?: Uint8Array;
  src?: Uint8Array;
}

export interface Rate {
  /** From 1 up. */
  perSecond: number;
  /** How many may come at once. */
  burst: number;
}

/** What a port lets through; undefined: all of it. */
export interface PortLimits {
  /** Bytes of what its client sends: held back. */
  tx?: Rate | undefined;
  /** Bytes of what its client gets: held back, but by a switch dropped (`rate`). */
  rx?: Rate | undefined;
  /** Packets of what it sends to a switch that go to everybody: dropped (`storm`). */
  broadcast?: Rate | undefined;
  multicast?: Rate | undefined;
  unknownUnicast?: Rate | undefined;
}

/** How a switch finds out where packets go. */
export type Lookup =
  | { kind: 'learning' | 'hub' }
  | {
      kind: 'static';
      /** Six bytes of address, and the name of the port where it is. */
      stations: readonly { mac: Uint8Array; port: string }[];
      /** Whether packets for other addresses go to everybody; else they are dropped. */
      flood: boolean;
    }
  | { kind: 'isolated'; promiscuous: readonly string[]; communities: readonly (readonly string[])[] }
  | { kind: 'plugin'; path: string; options: string };

/** Who sends from an address, as a switch knows it. */
export interface Station {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** The name of the port where it is. */
  readonly port: string;
  /** Seconds since it has sent something; undefined where that does not matter. */
  readonly idleS?: number;
  /** Put there by the control plane. */
  readonly static: boolean;
}

/** Stations of a switch that have all of what is given. */
export interface StationsWanted {
  readonly mac?: Uint8Array;
  readonly port?: string;
  /** Static ones too. */
  readonly static?: boolean;
}

export interface AttachOptions {
  policy: PolicyName;
  spinUs: number;
  worker: number;
  /** Bytes of virtio-net header that every packet begins with: 0 (the default), 10 or 12; read when a client attaches. */
  vnetHdrLen?: number;
  /** Whether the client takes it that packets begin where buffers do; read when it attaches. */
  plain?: boolean;
  /** What another process has served: nothing is, and nothing is written, before it is resumed. */
  resumes?: boolean;
}

export interface TapOptions {
  /** What messages begin with: `tap:lan`. */
  object: string;
  /** Of the interface, at most 15 characters; `pt%d` takes the first number that is free. */
  name: string;
  /** A name that `ip netns` shows, or a path; empty: that of this process. */
  netns: string;
  queues: number;
  /** Bytes; 0: what it has. */
  mtu: number;
  /** `192.0.2.1/24`, `2001:db8::1/64`. */
  addresses: readonly string[];
  /** Bytes of virtio-net header (IFF_VNET_HDR): 0 for none, 10 or 12; a port's client says which. */
  vnetHdr: number;
  /** An interface that is to be there, whose mtu the tap has unless one is given; empty: none. */
  beside: string;
  /** It is open already, and gone on with; its descriptors are duplicated. Or, when it was left, it is opened anew. */
  taken?: TakenInterface | undefined;
}

export interface NetmapOptions extends Pick<TapOptions, 'object' | 'netns' | 'queues' | 'mtu' | 'taken'> {
  /** Of the interface. */
  name: string;
  access: 'auto' | 'af-xdp' | 'af-packet';
}

/** An interface of the host as it is now. */
export interface InterfaceInfo {
  readonly interface: string;
  /** In its namespace. */
  readonly index: number;
  readonly mtu: number;
  readonly up: boolean;
  readonly carrier: boolean;
  /** Index of the bridge or the like that it belongs to; 0: none. */
  readonly master: number;
  /** Index of the other end of a veth pair, or of what is below a VLAN, in the same namespace; 0: none. */
  readonly peer: number;
  /** It was deleted, or could not be opened anew when its process had died. */
  readonly gone: boolean;
  /** Why it could not be; empty: it was. */
  readonly missing: string;
  /** It was not there before, and goes with its descriptors. */
  readonly made: boolean;
  /** A full queue holds the kernel's senders back, instead of dropping. */
  readonly backpressure: boolean;
  /** What frames go through: `tap`, `af_packet`, `af_xdp copy`, `af_xdp zero-copy`; empty: it has not been opened. */
  readonly access: string;
  /** What is put back at the end, of an interface that was there; 0: nothing. */
  readonly mtuBefore: number;
  /** When it was opened it merged what it receives by itself. */
  readonly lro: boolean;
  /** Frames that nobody has taken in time, and frames that did not fit, before they came to us. */
  readonly lostFull: number;
  readonly lostTooLarge: number;
  /** Frames of ours that the kernel has not taken. */
  readonly refused: number;
  readonly newsFd: number;
}

/** An interface, as far as it matters for how long packets may be on its way. */
export interface OverlayLink {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  /** Index of the bridge or the like that it belongs to; 0: none. */
  readonly master: number;
  /** As `ip -d link` says it: vxlan, geneve, vlan, gretap, bridge, tun; empty: a device. */
  readonly kind: string;
  /** Index of what carries it, by its own settings or by the route to its peer; 0: nobody knows. */
  readonly lower: number;
  /** Of a tunnel: it goes over IPv6. */
  readonly ipv6: boolean;
}

/** Where a CSB array lies in guest memory. */
export interface CsbPlace {
  fd: number;
  offset: bigint;
}

export interface WorkerStats {
  /** Passes over the busy flows. */
  readonly rounds: number;
  /** Of these, those that moved something. */
  readonly busyRounds: number;
  /** What the thread has had of a CPU. */
  readonly cpuSeconds: number;
  /** Flows that went idle. */
  readonly parks: number;
  /** Flows that a kick brought back. */
  readonly wakeups: number;
  /** Of these, flows that had nothing to do. */
  readonly idleWakeups: number;
  /** Times the thread waited in epoll. */
  readonly sleeps: number;
  /** Times the reader of the sockets, while the thread slept, served a kick itself. */
  readonly servedInKick: number;
  /** Descriptors that were not waited for any more, for an error. */
  readonly watchErrors: number;
}

interface Addon extends ProgramsAddon {
  regionCreate(shape: RegionShape): Handle<'region'>;
  regionInfo(region: Handle<'region'>): RegionInfo;
  regionBuffer(region: Handle<'region'>): ArrayBuffer;
  regionRead(region: Handle<'region'>, offset: number, into: Uint8Array): void;
  regionWrite(region: Handle<'region'>, offset: number, from: Uint8Array): void;
  statsCreate(blocks: number): Handle<'stats'>;
  statsBuffer(stats: Handle<'stats'>): ArrayBuffer;
  layouts(): Record<string, Record<string, number>>;
  nullPortCreate(region: Handle<'region'>, stats: Handle<'stats'>, shape: PortShape): Handle<'port'>;
  echoPortCreate(region: Handle<'region'>, stats: Handle<'stats'>, shape: PortShape): Handle<'port'>;
  nullPortSetSource(engine: Handle<'engine'>, port: Handle<'port'>, source: Source): void;
  nullPortSetVerify(engine: Handle<'engine'>, port: Handle<'port'>, level: PayloadLevel): void;
  pipeCreate(
    region: Handle<'region'>,
    stats: Handle<'stats'>,
    master: PortShape,
    slave: string,
  ): { master: Handle<'port'>; slave: Handle<'port'> };
  switchCreate(engine: Handle<'engine'>, name: string, patienceUs: number, macAgeS: number): Handle<'switch'>;
  switchConfigure(vale: Handle<'switch'>, patienceUs: number, macAgeS: number): void;
  switchStations(vale: Handle<'switch'>): Station[];
  switchPutStation(vale: Handle<'switch'>, mac: Uint8Array, port: string): void;
  switchRemoveStations(vale: Handle<'switch'>, which: StationsWanted): number;
  switchSetLookup(vale: Handle<'switch'>, lookup: Lookup): void;
  valePortCreate(
    region: Handle<'region'>,
    stats: Handle<'stats'>,
    shape: PortShape,
    vale: Handle<'switch'>,
  ): Handle<'port'>;
  tapPortCreate(
    region: Handle<'region'>,
    stats: Handle<'stats'>,
    shape: PortShape,
    tap: TapOptions,
  ): { port: Handle<'port'>; interface: Handle<'interface'> };
  tapMemberCreate(
    engine: Handle<'engine'>,
    stats: Handle<'stats'>,
    vale: Handle<'switch'>,
    tap: TapOptions,
  ): { member: Handle<'member'>; interface: Handle<'interface'> };
  netmapPortCreate(
    region: Handle<'region'>,
    stats: Handle<'stats'>,
    shape: PortShape,
    options: NetmapOptions,
  ): { port: Handle<'port'>; interface: Handle<'interface'> };
  netmapMemberCreate(
    engine: Handle<'engine'>,
    stats: Handle<'stats'>,
    vale: Handle<'switch'>,
    options: NetmapOptions,
  ): { member: Handle<'member'>; interface: Handle<'interface'> };
  memberStart(member: Handle<'member'>, options: AttachOptions): void;
  memberSetPolicy(member: Handle<'member'>, options: AttachOptions): void;
  memberLimit(member: Handle<'member'>, limits: PortLimits): void;
  memberStop(member: Handle<'member'>): void;
  memberCounters(member: Handle<'member'>): number[];
  overlayLinks(netns: string): OverlayLink[];
  interfaceInfo(opened: Handle<'interface'>): InterfaceInfo;
  interfaceTakeNews(opened: Handle<'interface'>): string[];
  interfaceReopen(engine: Handle<'engine'>, opened: Handle<'interface'>): void;
  interfaceSetCarrier(opened: Handle<'interface'>, on: boolean): void;
  interfaceClose(opened: Handle<'interface'>): void;
  portLimit(engine: Handle<'engine'>, port: Handle<'port'>, limits: PortLimits): void;
  portRetire(port: Handle<'port'>): void;
  portLeave(port: Handle<'port'>): void;
  portInfo(port: Handle<'port'>): PortInfo;
  portNeeds(shape: PortShape, ownsRxBufs: boolean): PortNeeds;
  portRestoreRings(port: Handle<'port'>): void;
  portRingOffsets(port: Handle<'port'>): number[];
  portsSetOffsets(
    engine: Handle<'engine'>,
    parts: readonly { port: Handle<'port'>; rings: readonly boolean[]; shared: readonly boolean[] }[],
    asked: OffsetsAsked,
  ): OffsetsGiven;
  registerCreate(
    port: Handle<'port'>,
    rings: readonly boolean[],
    extraBufs: number,
    host: Handle<'port'> | undefined,
    hostRings: readonly boolean[],
  ): Handle<'register'>;
  registerInfo(register: Handle<'register'>): { nifpOfs: number; extraBufs: number };
  drop(handle: object): void;
  engineCreate(cpus: readonly (readonly number[])[]): Handle<'engine'>;
  engineStats(engine: Handle<'engine'>): WorkerStats[];
  engineTick(engine: Handle<'engine'>): number;
  attach(
    engine: Handle<'engine'>,
    port: Handle<'port'>,
    guestToHost: CsbPlace,
    hostToGuest: CsbPlace,
    options: AttachOptions,
  ): Handle<'attachment'>;
  detach(attachment: Handle<'attachment'>): void;
  attachmentCsbLost(attachment: Handle<'attachment'>): boolean;
  attachmentTarget(attachment: Handle<'attachment'>): object;
  engineTakeWatchErrors(engine: Handle<'engine'>): string[];
  /** -1 unless the policy is inline. */
  attachmentWatchFd(attachment: Handle<'attachment'>): number;
  attachmentServeWatched(attachment: Handle<'attachment'>): void;
  attachmentSync(attachment: Handle<'attachment'>, ring: number): boolean;
  attachmentRing(attachment: Handle<'attachment'>, ring: number): void;
  attachmentSetInterrupts(attachment: Handle<'attachment'>, first: number, fds: readonly number[]): void;
  attachmentSetDoorbells(attachment: Handle<'attachment'>, fds: readonly number[]): void;
  attachmentSetPolicy(attachment: Handle<'attachment'>, options: AttachOptions): void;
}

export const addon = loadAddon('native', 'ptnetmap') as Addon;

/** Source.packets without an end. */
export const UNLIMITED = 0xffff_ffff_ffff_ffffn;
