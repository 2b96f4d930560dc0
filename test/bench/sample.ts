// What one measurement gives.

export interface Percentiles {
  /** How many were measured. */
  readonly count: number;
  /** ns */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export interface Sample {
  /** Packets, slots or bytes per second, a share of a CPU, bytes of a port, cycles of a packet, bits per second, µs, ns or system calls. */
  readonly value: number;
  /** Network drivers: for a thousand packets. */
  readonly signals?: { readonly kicks: number; readonly interrupts: number };
  /** Paths: packets that left the sender per second. */
  readonly sent?: number;
  /** Paths: doorbells per second. */
  readonly kicks?: number;
  /** Paths: processors in use meanwhile. */
  readonly cpus?: { readonly host: number; readonly guests: number };
  /** System calls: those that only give a CPU away. */
  readonly yields?: number;
  /** Latencies. */
  readonly percentiles?: Percentiles;
}

/** By label, one sample a round; none when it was not measured or failed. */
export type SamplesOf = (label: string) => readonly Sample[];
