// The regions, switches and ports of a host, by the names of its configuration.
import type { Engine } from '../../native/engine.ts';
import { Region } from '../../native/memory.ts';
import { createPipe, NullPort, type Port, type Source, UNLIMITED, ValeSwitch } from '../../native/ports.ts';
import type { StatsArea } from '../../native/stats.ts';
import type { HostConfig, SourceConfig } from '../config/host-config.ts';
import { macBytes } from '../config/mac.ts';
import { formatPortName, type PortName, parsePortName, peerOf } from '../config/port-name.ts';
import { ConfigurationError } from '../errors.ts';
import { mirror, planRegions, regionKey, ringsOf } from './plan.ts';

export class PortTable {
  readonly #engine: Engine;
  readonly #stats: StatsArea;
  readonly #regions = new Map<string, Region>();
  readonly #switches = new Map<string, ValeSwitch>();
  readonly #ports = new Map<string, Port>();

  constructor(engine: Engine, stats: StatsArea) {
    this.#engine = engine;
    this.#stats = stats;
  }

  get ports(): ReadonlyMap<string, Port> {
    return this.#ports;
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

  setSource(name: string, source: SourceConfig): void {
    const port = this.port(name);
    if (!(port instanceof NullPort))
      throw new ConfigurationError(`${name}: not a null port: only those have a source`);
    port.setSource(toSource(source));
  }

  /** @throws ConfigurationError naming the port or region, with the numbers it needs. */
  build(config: HostConfig): void {
    try {
      for (const [key, shape] of planRegions(config)) this.#regions.set(key, new Region(shape));
      for (const [vmName, vm] of config.vms) {
        for (const device of vm.devices) this.#create(config, device.port, this.region(vmName, vm.region));
      }
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      throw new ConfigurationError((error as Error).message, { cause: error });
    }
  }

  #create(config: HostConfig, text: string, region: Region): void {
    if (this.#ports.has(text)) return;
    const name = parsePortName(text);
    const port = config.ports.get(text)!;
    const shape = { name: text, ...ringsOf(port) };
    if (name.kind === 'pipe') {
      this.#createPipe(config, name, region);
    } else if (name.kind === 'vale') {
      this.#ports.set(
        text,
        this.#switch(config, `vale${name.switch}`).createPort(region, this.#stats, shape),
      );
    } else {
      const created = new NullPort(this.#engine, region, this.#stats, shape);
      if (port.source) created.setSource(toSource(port.source));
      if (port.sink.verify) created.setVerify(port.sink.payload ?? 'full');
      this.#ports.set(text, created);
    }
  }

  /** Both ends at once; the end that is not in the configuration mirrors the one that is. */
  #createPipe(config: HostConfig, name: PortName & { kind: 'pipe' }, region: Region): void {
    const peer = peerOf(name);
    const [master, slave] = (name.end === 'master' ? [name, peer] : [peer, name]).map(formatPortName);
    const port = config.ports.get(master!) ?? mirror(config.ports.get(slave!)!);
    const ends = createPipe(region, this.#stats, { name: master!, ...ringsOf(port) }, slave!);
    this.#ports.set(master!, ends.master);
    this.#ports.set(slave!, ends.slave);
  }

  #switch(config: HostConfig, name: string): ValeSwitch {
    let vale = this.#switches.get(name);
    if (!vale) {
      vale = new ValeSwitch(this.#engine, name, config.switches.get(name));
      this.#switches.set(name, vale);
    }
    return vale;
  }
}

function toSource(source: SourceConfig): Source {
  return {
    packets: source.packets === 'unlimited' ? UNLIMITED : BigInt(source.packets),
    size: source.size,
    payload: source.payload,
    rate: source.rate,
    stream: source.stream,
    dst: macBytes(source.dst),
    src: macBytes(source.src),
  };
}
