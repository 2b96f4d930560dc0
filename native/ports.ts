// Ports and switches: what the rings of a guest lead to.
import {
  addon,
  type Handle,
  type Lookup,
  type PayloadLevel,
  type PortInfo,
  type PortLimits,
  type PortShape,
  type Source,
  type Station,
  type StationsWanted,
} from './addon.ts';
import type { Engine } from './engine.ts';
import { handover, type PortPlaces } from './handover.ts';
import type { Region } from './memory.ts';
import type { RingCounters, StatsArea } from './stats.ts';

export {
  type Lookup,
  type OffsetsAsked,
  type OffsetsGiven,
  type PayloadLevel,
  type PortInfo,
  type PortLimits,
  type PortShape,
  type Source,
  type Station,
  type StationsWanted,
  UNLIMITED,
} from './addon.ts';

/** A netmap port in a region. */
export class Port {
  readonly handle: Handle<'port'>;
  readonly info: PortInfo;
  readonly region: Region;
  readonly #stats: StatsArea;
  #retired = false;

  constructor(handle: Handle<'port'>, region: Region, stats: StatsArea) {
    this.handle = handle;
    this.info = addon.portInfo(handle);
    this.region = region;
    this.#stats = stats;
  }

  get rings(): number {
    return this.info.txRings + this.info.rxRings;
  }
  /** Whose flows serve these rings: the port's own, but for a pipe the first end's serve both ends. */
  get servedAs(): Port {
    return this;
  }
  /** Counters of a ring; tx rings first. */
  counters(ring: number): RingCounters {
    return this.#stats.read(this.info.counterBlocks[ring]!);
  }
  /** From now on, instead of the limits that it has. @throws Error with `code` EINVAL for storms of a port that stands on no switch. */
  limit(engine: Engine, limits: PortLimits): void {
    addon.portLimit(engine.handle, this.handle, limits);
  }
  /**
   * For ever: out of its switch, and what it has of its region is free for others.
   * @throws Error with `code` EBUSY while a client is attached, or one at the other end of a pipe.
   */
  retire(): void {
    addon.portRetire(this.handle);
    this.#retired = true;
  }
  get retired(): boolean {
    return this.#retired;
  }
  /** Takes a VALE port out of its switch. @throws Error with `code` EBUSY while a client is attached. */
  leave(): void {
    addon.portLeave(this.handle);
  }
  /** For another process, while nobody serves it. */
  get places(): PortPlaces {
    return handover.portPlaces(this.handle);
  }
  /** How far its rings are by now, where they lie already, before anybody serves them. @throws Error with `code` EINVAL */
  advance(places: PortPlaces): void {
    handover.portAdvance(this.handle, places);
  }
  /** Nanoseconds until the bucket of each of its limits is full: tx, rx, broadcast, multicast, unknown unicast; 0 without a limit. */
  get limitsMissing(): number[] {
    return handover.portLimitsMissing(this.handle);
  }
  /** Limits that it has go on as another process's, before anybody serves it. */
  limitOn(missing: readonly number[]): void {
    handover.portLimitsGoOn(this.handle, missing);
  }
  /** Where each ring lies in its region, tx rings first. */
  get ringOffsets(): number[] {
    return addon.portRingOffsets(this.handle);
  }
  /**
   * For a client that reads ring headers and slots: what the one before wrote there is undone.
   * @throws Error with `code` EBUSY while a client is attached.
   */
  restoreRings(): void {
    addon.portRestoreRings(this.handle);
  }
  /** What one open file of an application sees of it. @throws Error with `code` ENOMEM when there is no netmap_if left. */
  register(rings: readonly boolean[], extraBufs: number, host?: HostRings): Register {
    return new Register(
      addon.registerCreate(this.handle, rings, extraBufs, host?.port.handle, host?.rings ?? []),
    );
  }
  /** Gives it up now, not when the garbage collector comes: nobody may use it any more. */
  drop(): void {
    addon.drop(this.handle);
  }
}

/** Rings of another port of the same region, which are shown as a port's host rings. */
export interface HostRings {
  readonly port: Port;
  readonly rings: readonly boolean[];
}

/** Rings of a port that are to have offsets. */
export interface OffsetPart {
  readonly port: Port;
  /** By ring of the port, tx rings first. */
  readonly rings: readonly boolean[];
  /** Those that somebody has already: what their slots say stays. */
  readonly shared: readonly boolean[];
}

/** A netmap_if of its own, with the rings that were asked for, and extra buffers. */
export class Register {
  /** Bytes from the start of the region. */
  readonly nifpOfs: number;
  /** As many as there were, up to what was asked for. */
  readonly extraBufs: number;
  readonly #handle: Handle<'register'>;

  constructor(handle: Handle<'register'>) {
    this.#handle = handle;
    ({ nifpOfs: this.nifpOfs, extraBufs: this.extraBufs } = addon.registerInfo(handle));
  }
  /** Gives both back to the region. */
  drop(): void {
    addon.drop(this.#handle);
  }
}

/** tx is counted (and checked, when asked), rx comes from a source. */
export class NullPort extends Port {
  readonly #engine: Engine;

  constructor(engine: Engine, region: Region, stats: StatsArea, shape: PortShape) {
    super(addon.nullPortCreate(region.handle, stats.handle, shape), region, stats);
    this.#engine = engine;
  }
  /** What the rx rings bring from now on, from sequence number 0. @throws Error with `code` EINVAL. */
  setSource(source: Source): void {
    addon.nullPortSetSource(this.#engine.handle, this.handle, source);
  }
  /** How many packets the source of each rx ring has sent since it was set. */
  get sent(): bigint[] {
    return handover.nullPortSent(this.handle);
  }
  /** After setSource(), before anybody serves it: each ring's source goes on behind so many. */
  goOn(sent: readonly bigint[]): void {
    for (const [ring, count] of sent.entries()) handover.nullPortGoOn(this.handle, ring, count);
  }
  /** How closely the sink looks; every stream starts at 0 again. */
  setVerify(level: PayloadLevel): void {
    addon.nullPortSetVerify(this.#engine.handle, this.handle, level);
  }
}

/** The first end of a netmap pipe; its rings are served by the flows that serve the other end's. */
export class PipeMaster extends Port {
  readonly slave: Port;

  constructor(ends: { master: Handle<'port'>; slave: Handle<'port'> }, region: Region, stats: StatsArea) {
    super(ends.master, region, stats);
    this.slave = new PipeSlave(ends.slave, this, stats);
  }
}

class PipeSlave extends Port {
  readonly #master: PipeMaster;

  constructor(handle: Handle<'port'>, master: PipeMaster, stats: StatsArea) {
    super(handle, master.region, stats);
    this.#master = master;
  }
  override get servedAs(): Port {
    return this.#master;
  }
}

/** A netmap pipe; `slaveName` is the other end's name, its shape the mirror image. */
export function createPipe(
  region: Region,
  stats: StatsArea,
  shape: PortShape,
  slaveName: string,
): PipeMaster {
  return new PipeMaster(addon.pipeCreate(region.handle, stats.handle, shape, slaveName), region, stats);
}

/** What is sent comes back, with its addresses exchanged. */
export function createEchoPort(region: Region, stats: StatsArea, shape: PortShape): Port {
  return new Port(addon.echoPortCreate(region.handle, stats.handle, shape), region, stats);
}

/** A VALE switch of up to 254 ports: a learning switch, unless its lookup function is another one. */
export class ValeSwitch {
  readonly name: string;
  readonly handle: Handle<'switch'>;

  /**
   * @param patienceUs how long a full destination that takes packets is waited for before packets are dropped.
   * @param macAge seconds until an address that sends nothing is forgotten; 0: never.
   */
  constructor(
    engine: Engine,
    name: string,
    { patienceUs = 50, macAge = 300 }: { patienceUs?: number; macAge?: number } = {},
  ) {
    this.name = name;
    this.handle = addon.switchCreate(engine.handle, name, patienceUs, macAge);
  }
  /**
   * Where packets go from now on, also in traffic; the function before is gone when it returns. Names are those of ports, which
   * may come later.
   * @throws Error with `code` when a plug-in cannot be loaded, or does not like its options: then nothing has changed.
   */
  setLookup(lookup: Lookup): void {
    addon.switchSetLookup(this.handle, lookup);
  }
  /** From now on; as for a new one. */
  configure({ patienceUs, macAge }: { patienceUs: number; macAge: number }): void {
    addon.switchConfigure(this.handle, patienceUs, macAge);
  }
  /** Where stations are that are known now. */
  get stations(): Station[] {
    return addon.switchStations(this.handle);
  }
  /**
   * A station that stays there, whatever is learned, until it is removed or its port leaves.
   * @throws Error with `code` ENOENT (no such port on it) or ENOSPC (another static one has its place in the table).
   */
  putStation(mac: Uint8Array, port: string): void {
    addon.switchPutStation(this.handle, mac, port);
  }
  /** As if its port had brought a packet from there so many seconds ago. @throws Error with `code` ENOENT */
  learnStation(mac: Uint8Array, port: string, idleS: number): void {
    handover.switchLearnStation(this.handle, mac, port, idleS);
  }
  /** Forgets stations; how many. */
  removeStations(which: StationsWanted): number {
    return addon.switchRemoveStations(this.handle, which);
  }
  /** @throws Error with `code` ENOSPC when 254 ports are there. */
  createPort(region: Region, stats: StatsArea, shape: PortShape): Port {
    return new Port(addon.valePortCreate(region.handle, stats.handle, shape, this.handle), region, stats);
  }
}
