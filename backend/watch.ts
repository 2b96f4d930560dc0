// Looks once a second at the counters, and says in the log what guests have done wrong since, and that the host stood still.

import type { Engine } from '../native/engine.ts';
import type { Port } from '../native/ports.ts';
import type { RingCounters } from '../native/stats.ts';
import type { Complaints } from './complaints.ts';
import { QEMU_PATIENCE_MS } from './hypervisor/qemu.ts';

const INTERVAL_MS = 1000;
/** A look that comes so much later than it should is no busy machine any more: the process was stopped, or its CPU taken. */
const STILL_MS = 2000;

/** What a guest should never cause; drops for want of room are traffic, not faults. */
const FAULTS = {
  badIndex: 'head or cur outside what the guest owns: the ring waits for the next kick',
  irqSlow:
    "raising an interrupt takes long, by the doing of whoever holds its eventfd: the device's interrupts have a thread of their own now, and come later",
  memSlow:
    'whoever touches its memory is kept waiting, as when the file of that is punched: left alone until it has paid a thousand times as long',
  'bad-buf': 'buf_idx outside the region',
  'bad-len': 'len beyond the buffer, or shorter than an Ethernet header',
  'bad-flags': 'NS_INDIRECT is not served',
  'bad-frags': 'more than 64 slots in a packet',
  'bad-vnet': 'a virtio-net header that does not fit its packet',
} as const;
type Fault = keyof typeof FAULTS;

/** A device. */
export interface Watched {
  readonly port: Port;
  readonly complaints: Complaints;
  /** Looks at what no counter shows. */
  check(): void;
}

export class FaultWatch {
  readonly #watched: Watched[] = [];
  readonly #host: Complaints;
  readonly #connected: () => readonly string[];
  readonly #now: () => number;
  /** The counts that have been complained of. */
  readonly #seen = new Map<Watched, Record<Fault, number>[]>();
  readonly #timer: NodeJS.Timeout;
  #saidWithoutAio = false;
  #lastMs: number;

  /**
   * @param host for what is no device's.
   * @param connected the VMs that are attached.
   * @param now milliseconds of a clock that goes on while the process is stopped, and is never set.
   */
  constructor(
    engine: Pick<Engine, 'tick' | 'takeWatchErrors'>,
    watched: readonly Watched[],
    host: Complaints,
    connected: () => readonly string[],
    now: () => number = () => performance.now(),
  ) {
    this.#host = host;
    this.#connected = connected;
    this.#now = now;
    this.#lastMs = now();
    for (const each of watched) this.add(each);
    this.#timer = setInterval(() => {
      this.#lookAtClock();
      this.#tick(engine);
      this.look();
      this.#host.sumUp();
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  add(watched: Watched): void {
    this.#watched.push(watched);
    this.#seen.set(
      watched,
      // What another process has counted was said there.
      Array.from({ length: watched.port.rings }, (_, ring) => faultsOf(watched.port.counters(ring))),
    );
  }

  /** Says what has only been counted. */
  remove(watched: Watched): void {
    const index = this.#watched.indexOf(watched);
    if (index < 0) return;
    this.#lookAt(watched);
    this.#watched.splice(index, 1);
    this.#seen.delete(watched);
    watched.complaints.sumUp({ all: true });
  }

  #tick(engine: Pick<Engine, 'tick' | 'takeWatchErrors'>): void {
    for (const line of engine.takeWatchErrors()) this.#host.add(line, line);
    if (engine.tick() === 0 || this.#saidWithoutAio) return;
    this.#saidWithoutAio = true;
    this.#host.add(
      'no AIO',
      'interrupts: the kernel gives no asynchronous operations (io_setup), so threads of their own raise them, and they come later: a greater fs.aio-max-nr would be right',
    );
  }

  /** Nobody answered a VM in the meantime, and QEMU does not wait for ever. */
  #lookAtClock(): void {
    const now = this.#now();
    const lateMs = now - this.#lastMs - INTERVAL_MS;
    this.#lastMs = now;
    if (lateMs < STILL_MS) return;
    const vms = this.#connected();
    const who = vms.length === 0 ? 'no VM was attached' : `attached: ${vms.join(', ')}`;
    const patience = `QEMU's own patience is ${QEMU_PATIENCE_MS / 1000} s unless x-msg-timeout says otherwise, and a VM beyond it has lost its devices until it is started again`;
    this.#host.add(
      'stood still',
      `stood still for ${(lateMs / 1000).toFixed(1)} s (stopped, frozen, or without a CPU): ${who}${vms.length === 0 || lateMs < QEMU_PATIENCE_MS ? '' : `; ${patience}`}`,
      { details: { lateMs, vms } },
    );
  }

  /** Complains of what rings have counted; no device changes by it. */
  count(): void {
    for (const watched of this.#watched) this.#lookAt(watched);
  }

  /** One look: a complaint for each ring and fault that has grown. */
  look(): void {
    for (const watched of this.#watched) {
      watched.check();
      this.#lookAt(watched);
    }
  }

  #lookAt(watched: Watched): void {
    const seen = this.#seen.get(watched)!;
    for (let ring = 0; ring < seen.length; ring++) seen[ring] = lookAt(watched, ring, seen[ring]!);
  }

  /** Looks once more, and says what has only been counted. */
  close(): void {
    clearInterval(this.#timer);
    this.look();
    for (const { complaints } of this.#watched) complaints.sumUp({ all: true });
    this.#host.sumUp({ all: true });
  }
}

function lookAt({ port, complaints }: Watched, ring: number, before: Record<Fault, number>) {
  const now = faultsOf(port.counters(ring));
  for (const fault of Object.keys(FAULTS) as Fault[]) {
    const times = now[fault] - before[fault];
    if (times === 0) continue;
    const { txRings, name } = port.info;
    const which = ring < txRings ? `tx ${ring}` : `rx ${ring - txRings}`;
    const event = `ring-${fault.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const details = { event, port: name, ring: which };
    complaints.add(`${which} ${fault}`, `${which} ring: ${FAULTS[fault]}`, { times, details });
  }
  return now;
}

/** All 0 when there are no counters yet. */
function faultsOf(counters?: RingCounters): Record<Fault, number> {
  const count = (fault: Fault): number => {
    if (counters === undefined) return 0;
    return fault === 'badIndex' || fault === 'irqSlow' || fault === 'memSlow'
      ? counters[fault]
      : counters.drops[fault];
  };
  const faults = Object.keys(FAULTS) as Fault[];
  return Object.fromEntries(faults.map((fault) => [fault, count(fault)])) as Record<Fault, number>;
}
