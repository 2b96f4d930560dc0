// What a guest process is told to do and what it answers, as JSON.
import type { LoopResult } from '../addon/index.ts';
import type { GuestOptions } from './guest.ts';
import type { PortLoopOptions } from './loops.ts';

/** A native loop on one port; numbers and text where the addon has BigInt and bytes. */
export interface JobLoop
  extends Omit<PortLoopOptions, 'count' | 'firstSeq' | 'dst' | 'src' | 'taps' | 'capture'> {
  /** Index into `ptnet`, default 0. */
  port?: number;
  count?: number;
  firstSeq?: number;
  /** Only of a ping: so many seconds without a rate come before it. Nobody's first touch of a buffer is in its times then. */
  warmUp?: number;
  /** MAC addresses. */
  dst?: string;
  src?: string;
}

interface JobTimes {
  /** Wait for go() before the loops start. */
  hold?: boolean;
  progressMs?: number;
}

export interface GuestJob extends GuestOptions, JobTimes {
  /** Run side by side, each on a port of its own. */
  loops: readonly JobLoop[];
}

export interface DuoGuest extends GuestOptions {
  loop: JobLoop;
}

/** Two VMs in one process: a loop that pings and one that echoes take turns in one thread. Its results are theirs, in this order. */
export interface DuoJob extends JobTimes {
  ping: DuoGuest;
  echo: DuoGuest;
}

/** A program of the host: one loop on a port behind /dev/netmap, whose host its environment names (docs/applications.md). */
export interface ApplicationJob extends JobTimes {
  /** The port. */
  netmap: string;
  loop: JobLoop;
  /** One packet to nobody before it is ready: a switch knows then where its address is. */
  announce?: boolean;
}

export interface JobTraffic {
  packets: number;
  bytes: number;
}

/** A LoopResult with plain numbers. */
export interface JobResult extends Pick<LoopResult, 'seconds' | 'stopped' | 'error' | 'latency'> {
  sent: JobTraffic;
  received: JobTraffic & { lost: number; late: number; corrupt: number };
  kicks: number;
  idleKicks: number;
  interrupts: number;
  syncs: number;
  full: number;
  pending: number;
}

export interface JobReady {
  /** Of a guest; none of a program of the host. */
  ports: { name: string; mac: number[]; memid: number }[];
}

export type JobLine =
  | { ready: JobReady }
  | { progress: { sent: number; received: number }[] }
  | { results: JobResult[] }
  | { error: string };

/** A job from JSON. What is wrong with its devices and loops shows when they are opened. */
export function parseJob(text: string): GuestJob | DuoJob | ApplicationJob {
  const job = JSON.parse(text) as Partial<GuestJob & DuoJob & ApplicationJob>;
  const { loops, ping, echo, netmap, loop } = job;
  if (netmap !== undefined) {
    if (!loop) throw new TypeError('job: netmap without a loop: a program of the host has one');
    checkWarmUp(loop);
    return job as ApplicationJob;
  }
  const duo = ping !== undefined || echo !== undefined;
  if (loops !== undefined && duo) throw new TypeError('job: has both loops and a duo: want one of them');
  if (loops === undefined && !duo)
    throw new TypeError('job: has nothing to do: want loops, or ping and echo');
  if (duo && (ping === undefined || echo === undefined))
    throw new TypeError(`job: ${ping ? 'ping without echo' : 'echo without ping'}: a duo takes both`);
  for (const each of loops ?? [ping!.loop, echo!.loop]) checkWarmUp(each);
  return job as GuestJob | DuoJob;
}

function checkWarmUp({ op, warmUp }: JobLoop): void {
  if (warmUp === undefined) return;
  if (op !== 'ping') throw new TypeError(`job: warmUp of '${op}': only a ping has one`);
  if (!(warmUp > 0)) throw new RangeError(`job: warmUp ${warmUp}: want a number of seconds above 0`);
}

/** JSON with BigInt as numbers; what is too large for a number stays exact as text. */
export function toJson(value: object): string {
  return JSON.stringify(value, (_, field: unknown) => {
    if (typeof field !== 'bigint') return field;
    return field <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(field) : field.toString();
  });
}

/** `02:00:00:00:01:00` as bytes. */
export function parseMac(text: string): Uint8Array {
  const octets = text.split(':');
  if (octets.length !== 6 || !octets.every((octet) => /^[0-9a-f]{1,2}$/i.test(octet))) {
    throw new RangeError(`MAC address '${text}': want six octets such as 02:00:00:00:01:00`);
  }
  return Uint8Array.from(octets, (octet) => Number.parseInt(octet, 16));
}
