// Looks once a second at the counters, and says in the log what guests have done wrong since, and that the host stood still.

import type { Engine } from '../native/engine.ts';
import type { Port } from '../native/ports.ts';
import type { RingCounters } from '../native/stats.ts';
import { QEMU_PATIENCE_MS } from './hypervisor/qemu.ts';
import type { Logger } from './log.ts';

const INTERVAL_MS = 1000;
/** A look that comes so much later than it should is no busy machine any more: the process was stopped, or its CPU taken. */
const STILL_MS = 2000;
/** A fault that goes on is said again after twice as many looks each time, up to so many. */
const LOOKS_MAX = 64;
/** After so many looks without it a fault is new. */
const FORGET_LOOKS = 128;

/** What a guest should never cause; drops for want of room are traffic, not faults. */
const FAULTS = {
  badIndex: 'head or cur outside what the guest owns: the ring waits for the next kick',
  irqSlow:
    "raising an interrupt takes long, by the doing of whoever holds its eventfd: the device's interrupts have a thread of their own now, and come later",
  'bad-buf': 'buf_idx outside the region',
  'bad-len': 'len beyond the buffer, or shorter than an Ethernet header',
  'bad-flags': 'NS_INDIRECT is not served',
  'bad-frags': 'more than 64 slots in a packet',
  'bad-vnet': 'a virtio-net header that does not fit its packet',
} as const;
type Fault = keyof typeof FAULTS;

export interface Watched {
  /** `vm1/net0`. */
  readonly device: string;
  readonly port: Port;
  /** Looks at what no counter shows. */
  check(): void;
}

/** A fault of a ring that has been in the log. */
interface Said {
  count: number;
  /** The look at which it may be said again. */
  next: number;
  wait: number;
}

export class FaultWatch {
  readonly #log: Logger;
  readonly #watched: readonly Watched[];
  readonly #connected: () => readonly string[];
  readonly #now: () => number;
  readonly #said = new Map<string, Said>();
  readonly #timer: NodeJS.Timeout;
  #saidWithoutAio = false;
  #looks = 0;
  #lastMs: number;

  /**
   * @param connected the VMs that are attached.
   * @param now milliseconds of a clock that goes on while the process is stopped, and is never set.
   */
  constructor(
    engine: Pick<Engine, 'tick' | 'takeWatchErrors'>,
    watched: readonly Watched[],
    log: Logger,
    connected: () => readonly string[],
    now: () => number = () => performance.now(),
  ) {
    this.#watched = watched;
    this.#log = log;
    this.#connected = connected;
    this.#now = now;
    this.#lastMs = now();
    this.#timer = setInterval(() => {
      this.#lookAtClock();
      this.#tick(engine);
      this.look();
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  #tick(engine: Pick<Engine, 'tick' | 'takeWatchErrors'>): void {
    for (const line of engine.takeWatchErrors()) this.#log.warn({}, line);
    if (engine.tick() === 0 || this.#saidWithoutAio) return;
    this.#saidWithoutAio = true;
    this.#log.warn(
      {},
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
    this.#log.warn(
      { lateMs, vms },
      `host: stood still for ${(lateMs / 1000).toFixed(1)} s (stopped, frozen, or without a CPU): ${who}${vms.length === 0 || lateMs < QEMU_PATIENCE_MS ? '' : `; ${patience}`}`,
    );
  }

  /** One look; a line for each ring and fault that has grown, unless it has been said lately and `all` is false. */
  look(all = false): void {
    this.#looks++;
    for (const { device, port, check } of this.#watched) {
      check();
      for (let ring = 0; ring < port.rings; ring++) this.#lookAt(device, port, ring, all);
    }
  }

  #lookAt(device: string, port: Port, ring: number, all: boolean): void {
    const counters = port.counters(ring);
    const name = ring < port.info.txRings ? `tx ${ring}` : `rx ${ring - port.info.txRings}`;
    for (const fault of Object.keys(FAULTS) as Fault[]) {
      const count = countOf(counters, fault);
      const key = `${device} ${ring} ${fault}`;
      const said = this.#said.get(key);
      const before = said?.count ?? 0;
      if (count === before || (said && !all && this.#looks < said.next)) continue;
      const wait = said && this.#looks - said.next < FORGET_LOOKS ? Math.min(2 * said.wait, LOOKS_MAX) : 1;
      this.#said.set(key, { count, wait, next: this.#looks + wait });
      const fields = { device, port: port.info.name, ring: name, fault, count };
      this.#log.warn(
        fields,
        `${device}: ${name} ring: ${FAULTS[fault]} (${count - before} more, ${count} in all)`,
      );
    }
  }

  /** Says what has not been said yet. */
  close(): void {
    this.look(true);
    clearInterval(this.#timer);
  }
}

function countOf(counters: RingCounters, fault: Fault): number {
  return fault === 'badIndex' || fault === 'irqSlow' ? counters[fault] : counters.drops[fault];
}
