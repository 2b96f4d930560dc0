// A port that applications have open: while somebody has a ring of it, it is attached to a CSB of the host's own, which all of
// them share, as they share the port's rings.
import { constants } from 'node:os';
import type { Door, Part } from '../../native/door.ts';
import { closeFd, eventfd, memfdCreate } from '../../native/os.ts';
import type { OffsetPart, Port, Register } from '../../native/ports.ts';
import type { Broker, Policy } from '../datapath/broker.ts';
import { ProtocolError } from '../errors.ts';
import { HOST_TO_GUEST, RINGS_MAX } from './protocol.ts';
import { runAll } from './run-all.ts';
import type { BoundRing } from './wire.ts';

const { EBUSY } = constants.errno;

export interface Use {
  /** By ring of the port, tx rings first. */
  readonly rings: readonly boolean[];
  readonly exclusive: boolean;
  readonly extraBufs: number;
  /** The port whose rings are the host rings of this one, and which of them. */
  readonly host?: { readonly open: OpenPort; readonly rings: readonly boolean[] };
  /** Gives these rings offsets, before their application sees them. What it throws refuses all of it. */
  readonly offsets?: (parts: readonly OffsetPart[]) => void;
}

export interface OpenPortOptions {
  readonly name: string;
  readonly port: Port;
  readonly part: Part;
  /** As the host's is now. */
  readonly policy: () => Policy;
  readonly broker: Broker;
  readonly door: Door;
}

interface Holder {
  readonly rings: readonly boolean[];
  readonly exclusive: boolean;
}

/** What the rings are driven by while somebody has one. */
interface Service {
  readonly csb: number;
  /** One for each ring: the data path signals it, the application's thread waits for it. */
  readonly eventfds: readonly number[];
}

export class OpenPort {
  readonly name: string;
  readonly port: Port;
  readonly #options: OpenPortOptions;
  /** By connection. */
  readonly #holders = new Map<number, Holder>();
  #service: Service | undefined;
  #vnetHdrLen = 0;

  constructor(options: OpenPortOptions) {
    this.name = options.name;
    this.port = options.port;
    this.#options = options;
  }

  get inUse(): boolean {
    return this.#holders.size > 0;
  }

  get vnetHdrLen(): number {
    return this.#vnetHdrLen;
  }

  /** To be given to the application; it stays the port's. undefined: nobody has a ring. */
  get csb(): number | undefined {
    return this.#service?.csb;
  }

  /** @throws ProtocolError EBUSY, or what making the register or serving the rings failed with, which leaves nothing. */
  open(connection: number, { rings, exclusive, extraBufs, host, offsets }: Use): Register {
    this.#prepare({ rings, exclusive });
    if (host) host.open.#prepare({ rings: host.rings, exclusive });
    const register = this.port.register(
      rings,
      extraBufs,
      host && { port: host.open.port, rings: host.rings },
    );
    // Who shares them is asked before this one does.
    const parts = [this.#offsetPart(rings), ...(host ? [host.open.#offsetPart(host.rings)] : [])];
    try {
      this.#hold(connection, { rings, exclusive });
      if (host) host.open.#hold(connection, { rings: host.rings, exclusive });
      // Last: rings that somebody else keeps in use would stay as this has made them.
      offsets?.(parts);
    } catch (error) {
      runAll([() => host?.open.close(connection), () => this.close(connection), () => register.drop()]);
      throw error;
    }
    return register;
  }

  #prepare(use: Holder): void {
    this.#checkShared(use);
    if (!this.#service) this.port.restoreRings();
  }

  #offsetPart(rings: readonly boolean[]): OffsetPart {
    const holders = [...this.#holders.values()];
    return {
      port: this.port,
      rings,
      shared: rings.map((_, ring) => holders.some((holder) => holder.rings[ring])),
    };
  }

  #hold(connection: number, use: Holder): void {
    this.#holders.set(connection, use);
    if (!use.rings.includes(true)) return;
    this.#service ??= this.#start();
    this.#serveAll(connection);
  }

  /**
   * What it has published goes out; when it was the last one, nobody serves the rings any more.
   * @throws what serving one of the others failed with, once it is done.
   */
  close(connection: number): void {
    if (!this.#holders.delete(connection)) return;
    const { door, part } = this.#options;
    door.unserve(connection, part);
    if (![...this.#holders.values()].some(({ rings }) => rings.includes(true))) this.#stop();
    else this.#serveAll();
  }

  /** From the next packet on; what lies in rx rings with another header is gone. @throws Error with errno */
  setVnetHdrLen(length: number): void {
    if (length === this.#vnetHdrLen) return;
    const before = this.#vnetHdrLen;
    this.#vnetHdrLen = length;
    if (!this.#service) return;
    this.#unbind();
    try {
      this.#bind(this.#service);
    } catch (error) {
      this.#vnetHdrLen = before;
      this.#bind(this.#service);
      throw error;
    } finally {
      this.#serveAll();
    }
  }

  /** The rings that a connection has, as its program finds them. */
  ringsOf(connection: number, csb: number): BoundRing[] {
    const { info, ringOffsets } = this.port;
    const wanted = this.#holders.get(connection)?.rings ?? [];
    const doorbells = this.#options.part * RINGS_MAX;
    return ringOffsets.flatMap((offset, index): BoundRing[] => {
      if (!wanted[index]) return [];
      const place = { index, csb, doorbell: doorbells + index, offset };
      return index < info.txRings
        ? [{ ...place, dir: 'tx', slots: info.txSlots }]
        : [{ ...place, dir: 'rx', slots: info.rxSlots }];
    });
  }

  /** No VM's device has such a name. */
  get #device(): string {
    return `applications:${this.name}`;
  }

  #checkShared({ rings, exclusive }: Holder): void {
    for (const other of this.#holders.values()) {
      const shared = rings.findIndex((wanted, ring) => wanted && other.rings[ring]);
      if (shared >= 0 && (exclusive || other.exclusive))
        throw new ProtocolError(
          EBUSY,
          `${this.name}: ring ${shared} is held by another application: one of them, or none exclusively, would be right`,
        );
    }
  }

  #start(): Service {
    const { port } = this;
    const fds: number[] = [];
    try {
      const csb = memfdCreate(`ptnetmap-csb-${this.name}`, 2 * HOST_TO_GUEST, { seal: true });
      fds.push(csb);
      for (let ring = 0; ring < port.rings; ring++) fds.push(eventfd());
      const service = { csb, eventfds: fds.slice(1) };
      this.#bind(service);
      return service;
    } catch (error) {
      for (const fd of fds) closeFd(fd);
      throw error;
    }
  }

  #bind({ csb, eventfds }: Service): void {
    const { broker, policy } = this.#options;
    broker.bind({
      device: this.#device,
      port: this.port,
      csb: {
        guestToHost: { fd: csb, offset: 0n },
        hostToGuest: { fd: csb, offset: BigInt(HOST_TO_GUEST) },
      },
      vectors: eventfds.map((fd) => ({ fd, masked: false })),
      doorbells: [],
      policy: policy(),
      vnetHdrLen: this.#vnetHdrLen,
      plain: false,
    });
  }

  /** And what it has mapped goes now: programs come and go faster than the garbage collector. */
  #unbind(): void {
    const { broker } = this.#options;
    const attachment = broker.table.get(this.#device)?.attachment;
    broker.unbind(this.#device);
    attachment?.drop();
  }

  /**
   * A ring that one application has wakes it directly, one that several have each of them by its thread; one that nobody has
   * wakes nobody.
   * @param opener who is there for the first time
   * @throws what it failed with for one of them, once it is done for all.
   */
  #serveAll(opener?: number): void {
    const service = this.#service;
    if (!service) return;
    const { attachment } = this.#options.broker.table.get(this.#device)!;
    const holders = [...this.#holders].filter(([, { rings }]) => rings.includes(true));
    const counts = service.eventfds.map((_, ring) => holders.filter(([, { rings }]) => rings[ring]).length);
    const others = service.eventfds.flatMap((fd, ring) =>
      counts[ring] === 1 ? [] : [() => attachment.setInterrupts(ring, [counts[ring] === 0 ? -1 : fd])],
    );
    const each = holders.map(([connection, { rings }]) => () => {
      const own = rings.map((has, ring) => has && counts[ring] === 1);
      this.#serve(connection, rings, own, connection !== opener);
    });
    runAll([...others, ...each]);
  }

  /** @param byThread whether it is woken by its thread instead, where it cannot be woken directly. */
  #serve(connection: number, rings: readonly boolean[], own: readonly boolean[], byThread: boolean): void {
    const { eventfds } = this.#service!;
    const { broker, door, part } = this.#options;
    const { attachment } = broker.table.get(this.#device)!;
    const serve = (direct: readonly boolean[]) => {
      const interrupts = eventfds.filter((_, ring) => rings[ring] && !direct[ring]);
      attachment.lendTarget((target) =>
        door.serve(connection, part, { target, doorbells: rings, interrupts }),
      );
    };
    serve(own);
    if (!own.includes(true)) return;
    try {
      door.wake(connection, attachment, own);
    } catch (error) {
      if (!byThread) throw error;
      own.forEach((has, ring) => {
        if (has) attachment.setInterrupts(ring, [eventfds[ring]!]);
      });
      serve([]);
    }
  }

  #stop(): void {
    const service = this.#service;
    if (!service) return;
    this.#service = undefined;
    this.#unbind();
    for (const fd of [service.csb, ...service.eventfds]) closeFd(fd);
  }
}
