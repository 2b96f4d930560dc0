// Native loops over a port's rings for the driver model: typed entry of the guest addon.
import { loadAddon } from '../../native/load.ts';

export interface LoopOptions {
  /**
   * `ping` times the echoes of what it sends and how soon the host takes it; `listen` times how soon it is woken up by pings.
   * `stack` has no packets of its own: those of a kernel, by way of taps; it ends when it is stopped, and needs interrupts.
   */
  op: 'send' | 'receive' | 'echo' | 'duplex' | 'ping' | 'listen' | 'stack';
  /** Mapped BAR 1. Must stay mapped until `done`. */
  region: { address: bigint; size: bigint };
  nifpOfs: number;
  /** Addresses of the CSB arrays in this process. Must stay mapped until `done`. */
  csb: { guestToHost: bigint; hostToGuest: bigint };
  numTxRings: number;
  numRxRings: number;
  /** Which rings to use; all by default. */
  txRings?: number[];
  rxRings?: number[];
  /**
   * A descriptor of openNetmap(): indices go by ioctl and poll then, and there is neither `doorbell` nor `interrupts`. Its
   * CSB is this process's own.
   */
  netmap?: number;
  /** vfio-user socket, BAR, offset of KICK[0] in it; `wait` for an I/O BAR, whose writes are answered. */
  doorbell?: { fd: number; region: number; base: number; wait: boolean };
  /** An eventfd per ring, TX first, -1 for none; with `sleep` the loop sleeps on them. */
  interrupts?: number[];
  sleep?: boolean;
  /** How long without progress before it asks for an interrupt and sleeps (default 50). */
  spinUs?: number;
  /** Fruitless passes between two yields of the core, at most: while others want the core, it yields at each (default 32). */
  yieldAfter?: number;
  /** Stop at so many packets: sent (send), received (receive, echo), both (duplex). */
  count?: bigint;
  /** Stop after so long. */
  seconds?: number;
  /** Stop after so long without progress, once something moved. */
  idleMs?: number;
  /** Bytes of virtio-net header before each packet (default 0): those sent ask for nothing, those received are not looked at. */
  vnetHdrLen?: number;
  /** Whole packet without that header, 32 bytes at least (default 60). */
  size?: number;
  /** Slots per packet (default 1). */
  frags?: number;
  /** Slots taken or packets sent before an index is published (default 32). */
  burst?: number;
  /**
   * `foreign`: as drivers that are not ours, which look at the host's indices only when a TX ring is full, take all of an
   * RX ring at once, and with nothing left to do sleep at once (default 'native').
   */
  rhythm?: 'native' | 'foreign';
  /** What is written into packets sent and checked in packets received (default 'stamp'). */
  payload?: 'none' | 'stamp' | 'full';
  /** TX ring r (of those used) carries stream `stream + r`. */
  stream?: number;
  /** The first sequence number sent on every stream, and the first one expected (default 0). */
  firstSeq?: bigint;
  dst?: Uint8Array;
  /** So many destinations in turn: `dst` and those that follow it in its last byte (default 1). */
  spread?: number;
  src?: Uint8Array;
  /** Packets per second. */
  rate?: number;
  /** Only of a stack: one for each pair of rings, of `openTap`. The loop has copies of its own. */
  taps?: readonly number[];
  /** Only of a stack: a file to which what is received is written too, as records of pcap. */
  capture?: number;
}

export interface TapOptions {
  /** A path. */
  netns: string;
  name: string;
  queues: number;
  /** 0, 10 or 12: as long as the port's, so that both have the same packets. With one the kernel leaves checksums and segments to it. */
  vnetHdrLen: number;
}

/** Of a loop that pings, or of one that echoes, in a thread where they take turns: neither waits, and the echo ends with the ping. */
export type DuoPing = Omit<
  LoopOptions,
  'op' | 'netmap' | 'sleep' | 'spinUs' | 'yieldAfter' | 'rhythm' | 'taps' | 'capture'
> & { op: 'ping' };
export type DuoEcho = Omit<
  LoopOptions,
  'op' | 'netmap' | 'sleep' | 'spinUs' | 'yieldAfter' | 'count' | 'seconds' | 'idleMs' | 'taps' | 'capture'
> & { op: 'echo' };

export interface Traffic {
  packets: bigint;
  bytes: bigint;
}

/** Times in ns, to about 1 %; all 0 when `count` is. */
export interface Percentiles {
  count: number;
  p50: number;
  p99: number;
  p999: number;
  max: number;
}

/** CLOCK_MONOTONIC throughout: the processes of a machine may time each other's packets. */
export interface Latency {
  /** ping: from when a packet should have been sent (at `rate`) or was sent until its echo was seen. */
  roundTrip: Percentiles;
  /** ping: from the store of head until hwcur has followed, without a doorbell. */
  service: Percentiles;
  /** ping: the same, for packets that took a doorbell. */
  kicked: Percentiles;
  /** listen: from the sender's publication until the loop, which slept, was awake. */
  wakeUp: Percentiles;
}

export interface LoopResult {
  sent: Traffic;
  received: Traffic & { lost: bigint; late: bigint; corrupt: bigint };
  /** From the first to the last packet. */
  seconds: number;
  kicks: bigint;
  /** Of these, with nothing new, because the host wanted one: only at a foreign rhythm. */
  idleKicks: bigint;
  interrupts: bigint;
  /** Publications of an index. */
  syncs: bigint;
  /** Times a TX ring ran out of room. */
  full: bigint;
  /** Slots sent that the host had not taken when the loop ended. */
  pending: bigint;
  /** Only of ping and listen. */
  latency?: Latency;
  stopped: 'count' | 'seconds' | 'idle' | 'stop' | 'error';
  error?: string;
}

export interface RunningLoop {
  /** Never rejects: what went wrong while running is in the result. */
  done: Promise<LoopResult>;
  /** Ends the loop soon, wherever it is waiting. Harmless when it has ended. */
  stop(): void;
  progress(): { sent: bigint; received: bigint };
}

/** A port behind /dev/netmap: what a loop has to be told of it. */
export type NetmapPort = Required<
  Pick<LoopOptions, 'netmap' | 'region' | 'nifpOfs' | 'csb' | 'numTxRings' | 'numRxRings' | 'vnetHdrLen'>
>;

interface Addon {
  openNetmap(name: string): NetmapPort;
  openTap(options: TapOptions): number[];
  startLoop(options: LoopOptions): RunningLoop;
  startDuo(ping: DuoPing, echo: DuoEcho): [RunningLoop, RunningLoop];
}

const addon = loadAddon('guest-driver/addon', 'ptnetguest') as Addon;

/**
 * Opens a port as any program that uses netmap: registers its NIC rings and maps its memory. It stays this process's until that ends.
 * @throws Error with the name and what the system said
 */
export function openNetmap(name: string): NetmapPort {
  return addon.openNetmap(name);
}

/** Makes a tap, which goes with its descriptors, one for each queue. @throws Error with what the system said. */
export function openTap(options: TapOptions): number[] {
  return addon.openTap(options);
}

/**
 * Runs a loop over rings that CREATE has started, in a thread of its own.
 * The doorbell's socket belongs to the loop until `done`: nobody else may read it, and with `wait` nobody may write it.
 * An echo checks packets and exchanges their MAC addresses unless `payload` is 'none'.
 * @throws TypeError, RangeError for options that are wrong; Error when the rings in the region cannot be opened.
 */
export function startLoop(options: LoopOptions): RunningLoop {
  return addon.startLoop(options);
}

/**
 * Runs a ping on one port's rings and an echo on another's in one thread: a turn of the one, a turn of the other, both
 * polling, until the ping ends. Stopping either stops both, and so does a failure of either.
 * @throws as startLoop()
 */
export function startDuo(ping: DuoPing, echo: DuoEcho): [RunningLoop, RunningLoop] {
  return addon.startDuo(ping, echo);
}
