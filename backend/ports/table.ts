// The regions, switches and ports of a host, by the names of its configuration.
import type { Engine } from '../../native/engine.ts';
import type { PlacedShape, RegionState, TakenInterface } from '../../native/handover.ts';
import { type HostInterface, type InterfaceMember, InterfacePort } from '../../native/interfaces.ts';
import { Region, type RegionShape } from '../../native/memory.ts';
import { NullPort, PipeMaster, type Port, ValeSwitch } from '../../native/ports.ts';
import type { StatsArea } from '../../native/stats.ts';
import type {
  HostConfig,
  LookupConfig,
  PortConfig,
  PortLimits,
  SourceConfig,
  SwitchConfig,
} from '../config/host-config.ts';
import { parsePortName } from '../config/port-name.ts';
import { ConfigurationError } from '../errors.ts';
import { kindOf } from './kinds/index.ts';
import { toSource } from './kinds/null.ts';
import { setLookup } from './lookup.ts';
import { ringsOf } from './needs.ts';
import { portOrder, portRegions, switchesOf } from './order.ts';
import { planRegions, regionKey } from './plan.ts';

/** Who stands on a switch without a VM. */
export interface PlacedMember {
  /** `tap:lan` */
  readonly name: string;
  readonly switch: string;
  readonly member: InterfaceMember;
}

/** An interface of the host that is in use, and for which switch if it is a member. */
export interface PlacedInterface {
  readonly name: string;
  readonly interface: HostInterface;
  readonly switch?: string;
  readonly netns: string;
}

/** Of a switch: what it was told last. */
export type SwitchSettings = Pick<SwitchConfig, 'patienceUs' | 'macAge' | 'lookup'>;

/** By name; each is taken once. */
export interface TakenPorts {
  /** By key. */
  readonly regions: Map<string, RegionState>;
  readonly ports: Map<
    string,
    Pick<PlacedShape, 'places' | 'otherPlaces'> & { readonly sent?: readonly bigint[] }
  >;
  readonly switches: Map<string, SwitchSettings>;
  /** Of ports and of members. */
  readonly interfaces: Map<string, TakenInterface>;
}

const taken = <V>(from: Map<string, V> | undefined, name: string): V | undefined => {
  const value = from?.get(name);
  from?.delete(name);
  return value;
};

/** A switch that the file does not name. */
const UNNAMED: SwitchSettings = { patienceUs: 50, macAge: 300 };

export class PortTable {
  readonly #engine: Engine;
  readonly #stats: StatsArea;
  readonly #regions = new Map<string, Region>();
  readonly #shapes = new Map<string, RegionShape>();
  readonly #switches = new Map<string, ValeSwitch>();
  readonly #settings = new Map<string, SwitchSettings>();
  readonly #ports = new Map<string, Port>();
  readonly #regionOf = new Map<string, string>();
  readonly #madeWith = new Map<string, PortConfig>();
  readonly #members: PlacedMember[] = [];
  readonly #interfaces: PlacedInterface[] = [];

  readonly #taken: TakenPorts | undefined;

  /** @param taken what another process has had, and goes on here when it is made. */
  constructor(engine: Engine, stats: StatsArea, taken?: TakenPorts) {
    this.#engine = engine;
    this.#stats = stats;
    this.#taken = taken;
  }

  get ports(): ReadonlyMap<string, Port> {
    return this.#ports;
  }

  get members(): readonly PlacedMember[] {
    return this.#members;
  }

  get interfaces(): readonly PlacedInterface[] {
    return this.#interfaces;
  }

  get switches(): ReadonlyMap<string, ValeSwitch> {
    return this.#switches;
  }

  /** By the keys of regionKey(). */
  get regions(): ReadonlyMap<string, Region> {
    return this.#regions;
  }

  get shapes(): ReadonlyMap<string, RegionShape> {
    return this.#shapes;
  }

  /** What a switch was told last. */
  settingsOf(name: string): SwitchSettings {
    return this.#settings.get(name) ?? UNNAMED;
  }

  /** The key of the region that a port lies in. */
  regionOf(port: string): string | undefined {
    return this.#regionOf.get(port);
  }

  /** The settings that a port was made with; those of the file may be others by now. */
  madeWith(port: string): PortConfig | undefined {
    return this.#madeWith.get(port);
  }

  region(vmName: string, region: string | undefined): Region {
    return this.#regions.get(regionKey(vmName, region))!;
  }

  port(name: string): Port {
    const port = this.#ports.get(name);
    if (!port)
      throw new ConfigurationError(`'${name}': no such port here: ${[...this.#ports.keys()].join(', ')} are`);
    return port;
  }

  /** A port, or a member of a switch that is none. @throws ConfigurationError */
  watchable(name: string): Port | InterfaceMember {
    return this.#members.find((member) => member.name === name)?.member ?? this.port(name);
  }

  /** @throws ConfigurationError, as a file that says the same. */
  setSource(name: string, source: SourceConfig): void {
    const port = this.port(name);
    if (!(port instanceof NullPort))
      throw new ConfigurationError(`${name}: not a null port: only those have a source`);
    const { size } = port.region.info.pools.buf;
    if (source.size > size)
      throw new ConfigurationError(
        `${name}: source: ${source.size} bytes do not fit a buffer of its region: at most ${size} would be right`,
      );
    port.setSource(toSource(source));
  }

  /** @throws ConfigurationError; then the switch has the function that it had. */
  setLookup(name: string, lookup: LookupConfig): void {
    setLookup(this.valeSwitch(name), lookup);
    this.#settings.set(name, { ...this.#settings.get(name)!, lookup });
  }

  /** Makes a switch, which may have no port now, what a configuration says of it. @throws ConfigurationError; then its function is what it was. */
  settle(name: string, config: HostConfig): void {
    const vale = this.valeSwitch(name);
    const before = this.#settings.get(name)!;
    const { patienceUs, macAge, lookup = LEARNING } = config.switches.get(name) ?? UNNAMED;
    if (!same(lookup, before.lookup ?? LEARNING)) this.setLookup(name, lookup);
    if (patienceUs !== before.patienceUs || macAge !== before.macAge) vale.configure({ patienceUs, macAge });
    this.#settings.set(name, { patienceUs, macAge, lookup });
  }

  /** @throws ConfigurationError */
  valeSwitch(name: string): ValeSwitch {
    const vale = this.#switches.get(name);
    if (vale) return vale;
    throw new ConfigurationError(
      `'${name}': no such switch here: ${[...this.#switches.keys()].join(', ') || 'one with a port'} would be right`,
    );
  }

  /** Nothing is left of one that fails. @throws ConfigurationError naming the port or region, with the numbers it needs. */
  build(config: HostConfig): void {
    try {
      for (const [key, shape] of planRegions(config)) this.addRegion(key, shape);
      const regions = portRegions(config);
      const members = switchesOf(config);
      for (const [name, vale] of members) this.join(config, vale, name);
      for (const name of portOrder(regions.keys(), members.keys()))
        this.create(config, name, regions.get(name)!);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  // Each of these is whole when it returns; what it throws is a ConfigurationError, and nothing has changed.

  /** @param ofFile false: it comes and goes by itself, whatever a file says. */
  addRegion(key: string, shape: RegionShape, ofFile = true): void {
    this.#regions.set(
      key,
      explained(() => new Region(shape, taken(this.#taken?.regions, key))),
    );
    if (ofFile) this.#shapes.set(key, shape);
  }

  /** Its ports are gone; its memory goes when no client has it any more. */
  removeRegion(key: string): void {
    this.#regions.get(key)?.drop();
    this.#regions.delete(key);
    this.#shapes.delete(key);
  }

  /** @param region the key of the one that it is to lie in. */
  create(config: HostConfig, text: string, region: string): void {
    if (this.#ports.has(text))
      throw new ConfigurationError(`'${text}': there is such a port already: another name would be right`);
    explained(() => this.#create(config, text, this.#regions.get(region)!));
    this.#regionOf.set(text, region);
    this.#madeWith.set(text, config.ports.get(text)!);
  }

  /** Nobody drives it any more. */
  remove(name: string): void {
    const port = this.#ports.get(name);
    if (!port) return;
    explained(() => port.retire());
    this.#ports.delete(name);
    this.#regionOf.delete(name);
    this.#madeWith.delete(name);
    this.#forget(name)?.close();
    this.#giveBack(port);
  }

  /** Now, and not when the garbage collector comes. With the first end of a pipe its other one goes, if nobody has asked for that. */
  #giveBack(port: Port): void {
    if (!port.retired) port.retire();
    port.drop();
    if (port instanceof PipeMaster && !port.slave.retired && ![...this.#ports.values()].includes(port.slave))
      this.#giveBack(port.slave);
  }

  /** The interface of a port or a member that goes. */
  #forget(name: string): HostInterface | undefined {
    const index = this.#interfaces.findIndex((link) => link.name === name);
    return index < 0 ? undefined : this.#interfaces.splice(index, 1)[0]!.interface;
  }

  join(config: HostConfig, vale: string, text: string): PlacedMember {
    return explained(() => this.#join(config, vale, text));
  }

  leave(name: string): void {
    const index = this.#members.findIndex((member) => member.name === name);
    if (index < 0) return;
    this.#forget(name);
    this.#members.splice(index, 1)[0]!.member.close();
  }

  /** What a port or a member lets through from now on. */
  setLimits(name: string, limits: PortLimits): void {
    const member = this.#members.find((candidate) => candidate.name === name)?.member;
    explained(() => (member ? member.limit(limits) : this.port(name).limit(this.#engine, limits)));
  }

  #create(config: HostConfig, text: string, region: Region): void {
    const name = parsePortName(text);
    const port = config.ports.get(text)!;
    const { sent, ...places } = taken(this.#taken?.ports, text) ?? {};
    const created = kindOf(name).create(name, {
      config,
      port,
      taken: taken(this.#taken?.interfaces, text),
      shape: { name: text, ...ringsOf(port), mtu: port.mtu ?? 0, ...places },
      earlier: (earlier) => this.port(earlier),
      watched: (other) => this.watchable(other),
      valeSwitch: (vale) => this.#switch(config, vale),
      engine: this.#engine,
      region,
      stats: this.#stats,
    });
    try {
      if (sent && created instanceof NullPort) created.goOn(sent);
      if (port.limits) created.limit(this.#engine, port.limits);
    } catch (error) {
      if (created instanceof InterfacePort) created.interface.close();
      // The second end of a pipe is the first one's to give back.
      const others = [...this.#ports.values()];
      if (!others.some((other) => other instanceof PipeMaster && other.slave === created))
        this.#giveBack(created);
      throw error;
    }
    this.#ports.set(text, created);
    if (created instanceof InterfacePort)
      this.#interfaces.push({ name: text, interface: created.interface, netns: port.netns ?? '' });
  }

  #join(config: HostConfig, vale: string, text: string): PlacedMember {
    const name = parsePortName(text);
    const port = config.ports.get(text)!;
    const member = kindOf(name).join!(name, {
      port,
      taken: taken(this.#taken?.interfaces, text),
      vale: this.#switch(config, vale),
      engine: this.#engine,
      stats: this.#stats,
    });
    try {
      if (port.limits) member.limit(port.limits);
    } catch (error) {
      member.close();
      throw error;
    }
    const placed = { name: text, switch: vale, member };
    this.#members.push(placed);
    this.#interfaces.push({ name: text, interface: member.interface, switch: vale, netns: port.netns ?? '' });
    return placed;
  }

  /** Gives the interfaces of the host back; nobody drives the ports any more. */
  close(): void {
    for (const { member } of this.#members.splice(0)) member.close();
    for (const { interface: opened } of this.#interfaces.splice(0)) opened.close();
    // A plug-in is told that it has ended.
    for (const vale of this.#switches.values()) vale.setLookup({ kind: 'learning' });
  }

  #switch(config: HostConfig, name: string): ValeSwitch {
    let vale = this.#switches.get(name);
    if (!vale) {
      const settings = taken(this.#taken?.switches, name) ?? config.switches.get(name) ?? UNNAMED;
      vale = new ValeSwitch(this.#engine, name, settings);
      // Before its first port: no packet passes by another function.
      if (settings.lookup) setLookup(vale, settings.lookup);
      this.#switches.set(name, vale);
      this.#settings.set(name, settings);
    }
    return vale;
  }
}

const LEARNING: LookupConfig = { kind: 'learning' };

/** Maps are compared by what is in them. */
export function same(a: unknown, b: unknown): boolean {
  const text = (value: unknown) => JSON.stringify(value, (_, v) => (v instanceof Map ? [...v] : v));
  return text(a) === text(b);
}

/** Whatever says no speaks of the configuration. */
function explained<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw new ConfigurationError((error as Error).message, { cause: error });
  }
}
