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
} from './addon.ts';
import type { Engine } from './engine.ts';
import type { Region } from './memory.ts';
import type { RingCounters, StatsArea } from './stats.ts';

export {
  type Lookup,
  type PayloadLevel,
  type PortInfo,
  type PortLimits,
  type PortShape,
  type Source,
  UNLIMITED,
} from './addon.ts';

/** A netmap port in a region. */
export class Port {
  readonly handle: Handle<'port'>;
  readonly info: PortInfo;
  readonly region: Region;
  readonly #stats: StatsArea;

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
  /** Once, before a client attaches. @throws Error with `code` EINVAL for storms of a port that stands on no switch. */
  limit(limits: PortLimits): void {
    addon.portLimit(this.handle, limits);
  }
  /** Takes a VALE port out of its switch. @throws Error with `code` EBUSY while a client is attached. */
  leave(): void {
    addon.portLeave(this.handle);
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
  /** @throws Error with `code` ENOSPC when 254 ports are there. */
  createPort(region: Region, stats: StatsArea, shape: PortShape): Port {
    return new Port(addon.valePortCreate(region.handle, stats.handle, shape, this.handle), region, stats);
  }
}
