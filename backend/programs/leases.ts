// Programs that somebody outside has started: each by a number, and ended when nobody has asked for it for a while.
import type { BridgeStats, CaptureStats, ReplayStats } from '../../native/programs.ts';

/** Whoever has started one asks twice a second; when he was killed nobody asks. */
export const LEASE_MS = 10_000;
const LOOK_MS = 1000;

export type ProgramKind = 'capture' | 'replay' | 'bridge';

/** What a lease holds: a capture, a replayer or a bridge. */
export interface Leasable {
  readonly stats: CaptureStats | ReplayStats | BridgeStats;
  stop(): void;
}

export interface ProgramState {
  readonly id: number;
  readonly kind: ProgramKind;
  readonly ports: readonly string[];
  /** Nothing comes of it any more. */
  readonly ended: boolean;
  readonly stats: CaptureStats | ReplayStats | BridgeStats;
}

interface Lease {
  readonly kind: ProgramKind;
  readonly ports: readonly string[];
  readonly program: Leasable;
  readonly end: () => void;
  stopped: boolean;
  askedAt: number;
}

export class Leases {
  readonly #leases = new Map<number, Lease>();
  readonly #now: () => number;
  #last = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @param end ends the program. @returns its number. */
  add(kind: ProgramKind, ports: readonly string[], program: Leasable, end: () => void): number {
    const id = ++this.#last;
    this.#leases.set(id, { kind, ports, program, end, stopped: false, askedAt: this.#now() });
    this.#timer ??= setInterval(() => this.expire(), LOOK_MS).unref();
    return id;
  }

  /** All of them; nobody's lease is longer for it. */
  get states(): ProgramState[] {
    return [...this.#leases].map(([id, lease]) => stateOf(id, lease));
  }

  /** Those that have not been stopped. */
  get running(): { id: number; kind: ProgramKind; ports: readonly string[] }[] {
    return [...this.#leases].flatMap(([id, { kind, ports, stopped }]) =>
      stopped ? [] : [{ id, kind, ports }],
    );
  }

  /** undefined: there is none, or none any more. */
  ask(id: number): ProgramState | undefined {
    const lease = this.#leases.get(id);
    if (!lease) return undefined;
    lease.askedAt = this.#now();
    return stateOf(id, lease);
  }

  /** Ends it; it can be asked about until its lease is over. */
  stop(id: number): ProgramState | undefined {
    const lease = this.#leases.get(id);
    if (lease) this.#stop(lease);
    return this.ask(id);
  }

  /** Ends those that nobody has asked about, and forgets them. */
  expire(): void {
    for (const [id, lease] of this.#leases) {
      if (this.#now() - lease.askedAt < LEASE_MS) continue;
      this.#stop(lease);
      this.#leases.delete(id);
    }
    if (this.#leases.size === 0) this.close();
  }

  /** Nobody's lease counts any more; what runs is ended by whoever has it. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#leases.clear();
  }

  #stop(lease: Lease): void {
    if (lease.stopped) return;
    lease.stopped = true;
    lease.end();
  }
}

function stateOf(id: number, { kind, ports, program, stopped }: Lease): ProgramState {
  const { stats } = program;
  // A bridge never ends by itself; a capture has its last packets written after it was stopped.
  const ended = 'ended' in stats ? stats.ended : stopped;
  return { id, kind, ports, ended, stats };
}
