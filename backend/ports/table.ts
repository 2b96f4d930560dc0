// The regions, switches and ports of a host, by the names of its configuration.
import type { Engine } from '../../native/engine.ts';
import { type HostInterface, type InterfaceMember, InterfacePort } from '../../native/interfaces.ts';
import { Region } from '../../native/memory.ts';
import { NullPort, type Port, ValeSwitch } from '../../native/ports.ts';
import type { StatsArea } from '../../native/stats.ts';
import type { HostConfig, LookupConfig, SourceConfig } from '../config/host-config.ts';
import { parsePortName } from '../config/port-name.ts';
import { ConfigurationError } from '../errors.ts';
import { kindOf } from './kinds/index.ts';
import { toSource } from './kinds/null.ts';
import { setLookup } from './lookup.ts';
import { ringsOf } from './needs.ts';
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

export class PortTable {
  readonly #engine: Engine;
  readonly #stats: StatsArea;
  readonly #regions = new Map<string, Region>();
  readonly #switches = new Map<string, ValeSwitch>();
  readonly #ports = new Map<string, Port>();
  readonly #members: PlacedMember[] = [];
  readonly #interfaces: PlacedInterface[] = [];

  constructor(engine: Engine, stats: StatsArea) {
    this.#engine = engine;
    this.#stats = stats;
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

  region(vmName: string, region: string | undefined): Region {
    return this.#regions.get(regionKey(vmName, region))!;
  }

  port(name: string): Port {
    const port = this.#ports.get(name);
    if (!port)
      throw new ConfigurationError(`'${name}': no such port here: ${[...this.#ports.keys()].join(', ')} are`);
    return port;
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
    const vale = this.#switches.get(name);
    if (!vale)
      throw new ConfigurationError(
        `'${name}': no such switch here: ${[...this.#switches.keys()].join(', ') || 'one with a port'} would be right`,
      );
    setLookup(vale, lookup);
  }

  /** Nothing is left of one that fails. @throws ConfigurationError naming the port or region, with the numbers it needs. */
  build(config: HostConfig): void {
    try {
      for (const [key, shape] of planRegions(config)) this.#regions.set(key, new Region(shape));
      const regions = new Map<string, Region>();
      for (const [vmName, vm] of config.vms)
        for (const { port } of vm.devices) regions.set(port, this.region(vmName, vm.region));
      const order = creationOrder(regions.keys(), (text) => {
        const name = parsePortName(text);
        return kindOf(name).dependsOn(name);
      });
      for (const name of order) this.#create(config, name, regions.get(name)!);
      for (const [vale, { members }] of config.switches)
        for (const name of members) this.#join(config, vale, name);
    } catch (error) {
      this.close();
      if (error instanceof ConfigurationError) throw error;
      throw new ConfigurationError((error as Error).message, { cause: error });
    }
  }

  #create(config: HostConfig, text: string, region: Region): void {
    const name = parsePortName(text);
    const port = config.ports.get(text)!;
    const created = kindOf(name).create(name, {
      config,
      port,
      shape: { name: text, ...ringsOf(port), mtu: port.mtu ?? 0 },
      earlier: (earlier) => this.port(earlier),
      valeSwitch: (vale) => this.#switch(config, vale),
      engine: this.#engine,
      region,
      stats: this.#stats,
    });
    this.#ports.set(text, created);
    if (port.limits) created.limit(port.limits);
    if (created instanceof InterfacePort)
      this.#interfaces.push({ name: text, interface: created.interface, netns: port.netns ?? '' });
  }

  #join(config: HostConfig, vale: string, text: string): void {
    const name = parsePortName(text);
    const port = config.ports.get(text)!;
    const member = kindOf(name).join!(name, {
      port,
      vale: this.#switch(config, vale),
      engine: this.#engine,
      stats: this.#stats,
    });
    if (port.limits) member.limit(port.limits);
    this.#members.push({ name: text, switch: vale, member });
    this.#interfaces.push({ name: text, interface: member.interface, switch: vale, netns: port.netns ?? '' });
  }

  /** Gives the interfaces of the host back; nobody drives the ports any more. */
  close(): void {
    for (const { member } of this.#members.splice(0)) member.stop();
    for (const { interface: opened } of this.#interfaces.splice(0)) opened.close();
    // A plug-in is told that it has ended.
    for (const vale of this.#switches.values()) vale.setLookup({ kind: 'learning' });
  }

  #switch(config: HostConfig, name: string): ValeSwitch {
    let vale = this.#switches.get(name);
    if (!vale) {
      vale = new ValeSwitch(this.#engine, name, config.switches.get(name));
      // Before its first port: no packet passes by another function.
      const lookup = config.switches.get(name)?.lookup;
      if (lookup) setLookup(vale, lookup);
      this.#switches.set(name, vale);
    }
    return vale;
  }
}

/** The names in such an order that each comes behind those it depends on. @throws ConfigurationError */
export function creationOrder(
  names: Iterable<string>,
  dependsOn: (name: string) => readonly string[],
): string[] {
  const known = new Set(names);
  const order = new Set<string>();
  const visit = (name: string, dependents: readonly string[]): void => {
    if (order.has(name)) return;
    if (dependents.includes(name))
      throw new ConfigurationError(
        `'${name}': depends on itself, by ${dependents.join(', ')}: a port that is made first would be right`,
      );
    for (const earlier of dependsOn(name)) {
      if (!known.has(earlier))
        throw new ConfigurationError(
          `'${name}': there is no port '${earlier}': a device with it would be right`,
        );
      visit(earlier, [...dependents, name]);
    }
    order.add(name);
  };
  for (const name of known) visit(name, []);
  return [...order];
}
