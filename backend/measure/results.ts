// What a measurement came to, in the form that is written as JSON.
import type { Machine } from '../report/machine.ts';
import type { RateStep } from './highest.ts';
import type { Payload } from './scene.ts';

/** What was sent, and where. */
export interface SentTraffic {
  /** `vm1/net0 -> vm2/net0`. */
  readonly path: string;
  /** Bytes of a packet, without CRC. */
  readonly size: number;
  readonly burst: number;
  readonly payload: Payload;
}

/** One direction of a trial. */
export interface RateRow extends SentTraffic {
  /** Packets per second that its sender was asked for; null: as many as go. */
  readonly askedPps: number | null;
  readonly sent: number;
  readonly received: number;
  /** Null: nobody can tell. */
  readonly lost: number | null;
  readonly corrupt: number;
  /** Packets of a kernel that is on the way. */
  readonly foreign: number;
  readonly seconds: number;
  /** Packets that arrived, per second, millions. */
  readonly mpps: number;
  /** Of packets that arrived, without CRC, preamble and gap. */
  readonly gbps: number;
  readonly kicks: number;
  readonly interrupts: number;
}

/** The highest rate without loss. */
export interface HighestRow extends SentTraffic {
  readonly mpps: number;
  readonly gbps: number;
  /** Shares. */
  readonly resolution: number;
  readonly tolerance: number;
  readonly steps: readonly RateStep[];
}

export interface LatencyRow {
  readonly path: string;
  readonly what: 'round trip' | 'service';
  /** As it was asked for: `50 %`, `1000 pps`. */
  readonly load: string;
  /** Packets sent per second, millions. */
  readonly mpps: number;
  readonly samples: number;
  /** µs */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Who is at an end: a driver model, a VM, a netmap application, the host's kernel, or the host's own source and sink. */
export type EndKind = 'model' | 'vm' | 'application' | 'interface' | 'host';

export interface Measurement {
  /** ISO 8601. */
  readonly time: string;
  readonly machine: Machine;
  /** Of ptnetmap. */
  readonly version: string;
  /** What made it; empty when a program did. */
  readonly command: readonly string[];
  /** `driver models`, `QEMU 11.1.3, KVM`, `driver models, netmap applications`. */
  readonly guests: string;
  /** By their names in the paths. */
  readonly ends: Readonly<Record<string, EndKind>>;
  /** Whether it was a host of its own or one that served other things too. */
  readonly host: 'own' | 'running';
  /** There are fewer CPUs than workers and two guests have threads: they took turns, and a switch loses packets then. */
  readonly crowded: boolean;
  /** What two threads of this machine can pass, millions of slots per second. */
  readonly limitMpps: number;
  readonly rates: readonly RateRow[];
  readonly highest: readonly HighestRow[];
  readonly latency: readonly LatencyRow[];
}
