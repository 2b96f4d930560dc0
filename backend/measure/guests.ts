// What a measurement asks of guests, whether they are driver models or real VMs.
import type { JobLoop, JobResult } from '../../guest-driver/model/job.ts';
import type { DrivenEnd } from './path.ts';

/** A loop on one device. */
export type Loop = Pick<
  JobLoop,
  'op' | 'count' | 'seconds' | 'idleMs' | 'size' | 'frags' | 'burst' | 'payload' | 'dst' | 'rate' | 'warmUp'
>;

export interface Part {
  readonly end: DrivenEnd;
  readonly loop: Loop;
}

/** What a loop did: packets, of those sent only what the host has taken. */
export interface LoopOutcome extends Pick<JobResult, 'seconds' | 'kicks' | 'interrupts' | 'latency'> {
  readonly sent: number;
  readonly received: number;
  /** Gaps in the numbers of what came. */
  readonly lost: number;
  readonly corrupt: number;
}

export interface RunningLoop {
  /** Rejects when the loop failed, with the end's name. */
  readonly done: Promise<LoopOutcome>;
  /** So far; some guests report only from time to time. */
  progress(): { sent: number; received: number };
  /** Ends it before its time, with the other loops of its process; VMs have no ear for it. */
  stop(): void;
}

export interface Guests {
  readonly kind: 'model' | 'vm';
  /**
   * Starts a loop on each end, in this order, each when the one before it is ready: so receivers go first.
   * @throws Error when an end cannot be had; then none runs.
   */
  start(parts: readonly Part[]): Promise<RunningLoop[]>;
  close(): Promise<void>;
}

/** An address that no guest has. */
export const NOBODY = '02:00:00:00:ff:ff';

/** How often progress is asked for; the agent in a VM has it once a second. */
export const PROGRESS_MS = 250;
