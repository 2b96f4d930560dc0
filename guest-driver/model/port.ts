// One network port of the guest: a ptnet device with its rings, from CREATE to DELETE, and packets in and out.
import { GuestError } from './errors.ts';
import { type Interrupt, waitForAny } from './interrupt.ts';
import {
  type PortEchoOptions,
  type PortLoop,
  type PortLoopOptions,
  type PortPingOptions,
  startPortDuo,
  startPortLoop,
} from './loops.ts';
import type { Memdev } from './memdev.ts';
import type { Ptnet } from './ptnet.ts';
import { type PutOptions, type Ring, type RingParts, RxRing, TxRing } from './ring.ts';
import { type NetmapIf, readNetmapIf, SharedRing } from './shared-ring.ts';

/** How long send() and receive() wait when they are not told. */
const PATIENCE_MS = 10_000;

export interface SendOptions extends PutOptions {
  ring?: number;
  timeoutMs?: number;
}

export interface ReceiveOptions {
  /** Default: all RX rings, looked at in turn. */
  ring?: number;
  timeoutMs?: number;
}

export class GuestPort {
  readonly ptnet: Ptnet;
  readonly memdev: Memdev;
  readonly netmapIf: NetmapIf;
  readonly tx: readonly TxRing[];
  readonly rx: readonly RxRing[];
  #nextRx = 0;
  #loop: PortLoop | undefined;

  /** Opens the rings that the device's netmap_if leads to. @throws GuestError when they are not what the registers say. */
  constructor(ptnet: Ptnet, memdev: Memdev) {
    this.ptnet = ptnet;
    this.memdev = memdev;
    if (ptnet.hostMemId !== memdev.memid) {
      throw new GuestError(
        `${ptnet.name}: HOSTMEMID ${ptnet.hostMemId}: the memory device has ${memdev.memid}`,
      );
    }
    this.netmapIf = readNetmapIf(memdev, ptnet.nifpOfs);
    const { tx, rx } = this.netmapIf;
    if (tx.length !== ptnet.numTxRings || rx.length !== ptnet.numRxRings) {
      throw new GuestError(
        `${ptnet.name}: netmap_if has ${tx.length} TX and ${rx.length} RX rings, the registers ${ptnet.numTxRings} and ${ptnet.numRxRings}`,
      );
    }
    this.tx = tx.map((offset, i) => new TxRing(this.#parts('tx', i, i, offset, ptnet.numTxSlots)));
    this.rx = rx.map(
      (offset, i) => new RxRing(this.#parts('rx', i, tx.length + i, offset, ptnet.numRxSlots)),
    );
  }

  get name(): string {
    return this.ptnet.name;
  }

  get mac(): Uint8Array {
    return this.ptnet.mac;
  }

  /** TX rings first, as the CSB has them. */
  get rings(): readonly Ring[] {
    return [...this.tx, ...this.rx];
  }

  /** CREATE, then every ring's state from the CSB. */
  async create(): Promise<void> {
    await this.ptnet.create();
    this.reload();
  }

  async delete(): Promise<void> {
    await this.ptnet.delete();
  }

  /** Takes every ring's state from the CSB again. */
  reload(): void {
    for (const ring of this.rings) ring.loadFromCsb();
  }

  /** Sends one packet, waiting for room when the ring is full. Resolves to false when there was none in time. */
  async send(packet: Uint8Array, options: SendOptions = {}): Promise<boolean> {
    const ring = this.#ring(this.tx, options.ring ?? 0, 'TX');
    const deadline = Date.now() + (options.timeoutMs ?? PATIENCE_MS);
    while (!ring.put(packet, options)) {
      const before = ring.tail;
      ring.wantRoom();
      await ring.txsync();
      if (ring.tail !== before) continue;
      const left = deadline - Date.now();
      if (left <= 0) return false;
      await this.#rest(ring.interrupt ? [ring.interrupt] : [], left);
    }
    await ring.txsync();
    return true;
  }

  /** The next packet, waiting for one when there is none. Resolves to undefined when none came in time. */
  async receive(options: ReceiveOptions = {}): Promise<Uint8Array | undefined> {
    const rings = options.ring === undefined ? this.rx : [this.#ring(this.rx, options.ring, 'RX')];
    const deadline = Date.now() + (options.timeoutMs ?? PATIENCE_MS);
    for (;;) {
      const packet = this.#takeNext(rings);
      if (packet) return packet;
      for (const ring of rings) await ring.rxsync();
      const synced = this.#takeNext(rings);
      if (synced) return synced;
      const left = deadline - Date.now();
      if (left <= 0) return undefined;
      await this.#rest(
        rings.flatMap(({ interrupt }) => interrupt ?? []),
        left,
      );
    }
  }

  /** Waits for a ring's interrupt (TX rings first); resolves to how many came, 0 after `timeoutMs`. */
  async waitForInterrupt(ring: number, timeoutMs: number): Promise<number> {
    return await this.#ring(this.rings, ring, '').waitForInterrupt(timeoutMs);
  }

  /** Starts a native loop over this port's rings; nothing else may use the port until it is done. */
  async startLoop(options: PortLoopOptions): Promise<PortLoop> {
    this.#expectNoLoop();
    const loop = await startPortLoop(this, options);
    this.#keep(loop);
    return loop;
  }

  /**
   * Starts a ping on this port and an echo on another one, of this or another guest, that take turns in one thread.
   * The echo ends with the ping.
   */
  async startDuo(
    ping: PortPingOptions,
    other: GuestPort,
    echo: PortEchoOptions,
  ): Promise<[ping: PortLoop, echo: PortLoop]> {
    if (other === this) throw new GuestError(`${this.name}: pings and echoes: a duo takes two ports`);
    this.#expectNoLoop();
    other.#expectNoLoop();
    const loops = await startPortDuo({
      ping: { port: this, options: ping },
      echo: { port: other, options: echo },
    });
    this.#keep(loops[0]);
    other.#keep(loops[1]);
    return loops;
  }

  /** Ends a loop that is running. */
  async stopLoop(): Promise<void> {
    this.#loop?.stop();
    await this.#loop?.done;
  }

  #expectNoLoop(): void {
    if (this.#loop) throw new GuestError(`${this.name}: a loop is running already: wait for its end`);
  }

  #keep(loop: PortLoop): void {
    this.#loop = loop;
    const forget = () => {
      this.#loop = undefined;
    };
    loop.done.then(forget, forget);
  }

  #takeNext(rings: readonly RxRing[]): Uint8Array | undefined {
    for (let i = 0; i < rings.length; i++) {
      const at = (this.#nextRx + i) % rings.length;
      const packet = rings[at]!.take();
      if (!packet) continue;
      this.#nextRx = at + 1;
      return packet;
    }
    return undefined;
  }

  /** Waits for one of the interrupts; without any, gives the host a moment. */
  async #rest(interrupts: readonly Interrupt[], timeoutMs: number): Promise<void> {
    if (interrupts.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(1, timeoutMs)));
      return;
    }
    await waitForAny(interrupts, timeoutMs);
    for (const interrupt of interrupts) interrupt.drain();
  }

  #ring<R extends Ring>(rings: readonly R[], index: number, kind: string): R {
    const ring = rings[index];
    if (!ring) throw new RangeError(`${this.name}: ${kind} ring ${index}: want 0 to ${rings.length - 1}`);
    return ring;
  }

  #parts(kind: string, number: number, index: number, offset: number, slots: number): RingParts {
    const { ptnet } = this;
    const shared = new SharedRing(this.memdev, offset);
    if (shared.numSlots !== slots) {
      throw new GuestError(
        `${this.name}: ${kind} ring ${number} has ${shared.numSlots} slots, the registers say ${slots}`,
      );
    }
    return {
      name: `${this.name}: ${kind} ring ${number}`,
      shared,
      csb: ptnet.csb,
      index,
      kick: async (ring) => await ptnet.kick(ring),
      interrupt: ptnet.msix.interrupts[index],
    };
  }
}
