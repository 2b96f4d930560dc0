// Looks at the counters once a second and says in the log, with the VM's name, what guests have done wrong since.
import type { Engine } from '../native/engine.ts';
import type { Port } from '../native/ports.ts';
import type { RingCounters } from '../native/stats.ts';
import type { Logger } from './log.ts';

const INTERVAL_MS = 1000;

/** What a guest should never cause; drops for want of room are traffic, not faults. */
const FAULTS = {
  badIndex: 'head or cur outside what the guest owns: the ring waits for the next kick',
  irqSlow:
    "raising an interrupt takes long, by the doing of whoever holds its eventfd: the device's interrupts have a thread of their own now, and come later",
  'bad-buf': 'buf_idx outside the region',
  'bad-len': 'len beyond the buffer, or shorter than an Ethernet header',
  'bad-flags': 'NS_INDIRECT is not served',
  'bad-frags': 'more than 64 slots in a packet',
} as const;
type Fault = keyof typeof FAULTS;

export interface Watched {
  /** `vm1/net0`. */
  readonly device: string;
  readonly port: Port;
  /** Looks at what no counter shows. */
  check(): void;
}

export class FaultWatch {
  readonly #log: Logger;
  readonly #watched: readonly Watched[];
  readonly #seen = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #saidWithoutAio = false;

  constructor(engine: Engine, watched: readonly Watched[], log: Logger) {
    this.#watched = watched;
    this.#log = log;
    this.#timer = setInterval(() => {
      this.#tick(engine);
      this.look();
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  #tick(engine: Engine): void {
    if (engine.tick() === 0 || this.#saidWithoutAio) return;
    this.#saidWithoutAio = true;
    this.#log.warn(
      {},
      'interrupts: the kernel gives no asynchronous operations (io_setup), so threads of their own raise them, and they come later: a greater fs.aio-max-nr would be right',
    );
  }

  /** One look; a line for each ring and fault that has grown. */
  look(): void {
    for (const { device, port, check } of this.#watched) {
      check();
      for (let ring = 0; ring < port.rings; ring++) this.#lookAt(device, port, ring);
    }
  }

  #lookAt(device: string, port: Port, ring: number): void {
    const counters = port.counters(ring);
    const name = ring < port.info.txRings ? `tx ${ring}` : `rx ${ring - port.info.txRings}`;
    for (const fault of Object.keys(FAULTS) as Fault[]) {
      const count = countOf(counters, fault);
      const key = `${device} ${ring} ${fault}`;
      const before = this.#seen.get(key) ?? 0;
      if (count === before) continue;
      this.#seen.set(key, count);
      const fields = { device, port: port.info.name, ring: name, fault, count };
      this.#log.warn(
        fields,
        `${device}: ${name} ring: ${FAULTS[fault]} (${count - before} more, ${count} in all)`,
      );
    }
  }

  close(): void {
    this.look();
    clearInterval(this.#timer);
  }
}

function countOf(counters: RingCounters, fault: Fault): number {
  return fault === 'badIndex' || fault === 'irqSlow' ? counters[fault] : counters.drops[fault];
}
