// Looks at the counters once a second and says in the log, with the VM's name, what guests have done wrong since.
import type { Engine } from '../native/engine.ts';
import type { Port } from '../native/ports.ts';
import type { RingCounters } from '../native/stats.ts';
import type { Logger } from './log.ts';
import type { Complaints } from './vfio-user/complaints.ts';

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
  readonly port: Port;
  readonly complaints: Complaints;
  /** Looks at what no counter shows. */
  check(): void;
}

export class FaultWatch {
  readonly #log: Logger;
  readonly #watched: readonly Watched[];
  readonly #seen = new Map<Watched, Map<string, number>>();
  readonly #timer: NodeJS.Timeout;
  #saidWithoutAio = false;

  /** `lookToo` looks at what is no port's. */
  constructor(engine: Engine, watched: readonly Watched[], lookToo: () => void, log: Logger) {
    this.#watched = watched;
    this.#log = log;
    this.#timer = setInterval(() => {
      this.#tick(engine);
      this.look();
      lookToo();
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

  /** One look, at each ring. */
  look(): void {
    for (const watched of this.#watched) {
      watched.check();
      for (let ring = 0; ring < watched.port.rings; ring++) this.#lookAt(watched, ring);
    }
  }

  #lookAt(watched: Watched, ring: number): void {
    const { port, complaints } = watched;
    const counters = port.counters(ring);
    const name = ring < port.info.txRings ? `tx ${ring}` : `rx ${ring - port.info.txRings}`;
    const seen = this.#seen.get(watched) ?? new Map<string, number>();
    this.#seen.set(watched, seen);
    for (const fault of Object.keys(FAULTS) as Fault[]) {
      const key = `${name} ${fault}`;
      const times = countOf(counters, fault) - (seen.get(key) ?? 0);
      if (times === 0) continue;
      seen.set(key, countOf(counters, fault));
      const details = { port: port.info.name, ring: name, fault };
      complaints.add(key, `${name} ring: ${FAULTS[fault]}`, { times, details });
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
