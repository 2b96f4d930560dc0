// The host: regions, ports and switches from a configuration, exported to VMs as PCI devices over vfio-user.
import type { Kick } from '../native/kick.ts';
import type { Region } from '../native/memory.ts';
import { StatsArea } from '../native/stats.ts';
import { createMemdev, type PciDevice, type PciIds } from '../pci/index.ts';
import { Complaints } from './complaints.ts';
import type { HostConfig, LookupConfig, SourceConfig, VmConfig } from './config/host-config.ts';
import { macBytes } from './config/mac.ts';
import { Broker, type Policy } from './datapath/broker.ts';
import { WorkerPool } from './datapath/engine.ts';
import { ConfigurationError } from './errors.ts';
import { type HostStats, memberStats, portStats } from './host-stats.ts';
import { HostedPtnet, type HostedPtnetOptions } from './hosted-ptnet.ts';
import { type Logger, silentLogger } from './log.ts';
import { InterfaceWatch } from './ports/interface-watch.ts';
import { PortTable } from './ports/table.ts';
import { complainOfRejects } from './rejects.ts';
import { RunDir } from './sockets.ts';
import { type ExportedDevice, type VfioUserHooks, VfioUserServer } from './vfio-user/server.ts';
import { FaultWatch } from './watch.ts';

/** Rings that can be counted; 254 ports a switch with a few rings each is far below it. */
const COUNTER_BLOCKS = 16_384;

export interface HostDevice {
  readonly kind: 'memdev' | 'ptnet';
  readonly name: string;
  readonly socketPath: string;
  readonly port?: string;
}

export interface HostVm {
  readonly name: string;
  readonly memory: string;
  readonly devices: readonly HostDevice[];
}

export class Host {
  readonly vms: readonly HostVm[];
  readonly #log: Logger;
  readonly #pool: WorkerPool;
  readonly #kick: Kick;
  readonly #server: VfioUserServer;
  readonly #broker: Broker;
  readonly #ports: PortTable;
  readonly #ptnets: HostedPtnet[] = [];
  readonly #users = new Map<string, { vm: string; device: string }>();
  readonly #runDir: RunDir;
  /** With the name of the VM. */
  readonly #exported: [string, ExportedDevice][] = [];
  readonly #watch: FaultWatch;
  readonly #interfaces: InterfaceWatch;

  /** Starts everything; the sockets are there when it resolves. @throws ConfigurationError */
  static async start(config: HostConfig, options: { log?: Logger } = {}): Promise<Host> {
    return new Host(config, options.log ?? silentLogger);
  }

  private constructor(config: HostConfig, log: Logger) {
    this.#log = log;
    this.#pool = new WorkerPool(config.engine.workers, config.engine.workerCpus);
    this.#ports = new PortTable(this.#pool.engine, new StatsArea(COUNTER_BLOCKS));
    this.#ports.build(config);
    this.#kick = VfioUserServer.createKick();
    this.#server = new VfioUserServer(this.#kick, log);
    this.#broker = new Broker(this.#pool, this.#kick);
    this.#runDir = new RunDir(config.runDir, config.sockets);
    try {
      this.vms = [...config.vms].map(([name, vm]) => this.#exportVm(config, name, vm));
      this.#startMembers(config);
      this.#interfaces = new InterfaceWatch(this.#ports.interfaces, this.#pool.engine, log);
    } catch (error) {
      // Nothing is left of a start that failed: no socket, no folder.
      for (const [, exported] of this.#exported) exported.close();
      this.#ports.close();
      this.#kick.close();
      this.#runDir.clear();
      throw error;
    }
    const watched = this.#ptnets.map((hosted) => {
      const { port, complaints } = hosted.options;
      return { port, complaints, check: () => hosted.checkCsb() };
    });
    this.#watch = new FaultWatch(this.#pool.engine, watched, new Complaints(log, 'host'), () =>
      this.#connected(),
    );
  }

  /** No kick comes for a member: where the host serves its devices inline, a worker serves these. */
  #startMembers({ engine }: HostConfig): void {
    const policy = engine.policy === 'inline' ? 'notify' : engine.policy;
    for (const { member } of this.#ports.members)
      member.start({ policy, spinUs: engine.spinUs, worker: this.#pool.place() });
  }

  #exportVm(config: HostConfig, name: string, vm: VmConfig): HostVm {
    const region = this.#ports.region(name, vm.region);
    const devices: HostDevice[] = [];
    const memPath = this.#exportMemdev(name, region, vm.pciIds);
    devices.push({ kind: 'memdev', name: 'mem', socketPath: memPath });
    for (const device of vm.devices) {
      const policy = { policy: device.policy, spinUs: config.engine.spinUs };
      const { vnetHdr } = config.ports.get(device.port)!;
      const path = this.#exportPtnet(name, region, device, { ids: vm.pciIds, policy, vnetHdr });
      this.#users.set(device.port, { vm: name, device: device.name });
      devices.push({ kind: 'ptnet', name: device.name, socketPath: path, port: device.port });
    }
    this.#runDir.open(name);
    return { name, memory: vm.memory, devices };
  }

  #exportMemdev(vm: string, region: Region, ids: PciIds): string {
    const { info } = region;
    const name = `${vm}/mem`;
    const complaints = new Complaints(this.#log, name);
    const device = createMemdev(
      name,
      {
        memsize: BigInt(info.memsize),
        memid: info.id,
        barSize: BigInt(info.barSize),
        pools: info.pools,
      },
      { memory: region, ids, onReject: complainOfRejects(complaints) },
    );
    const memory = { fd: info.fd, offset: 0n, size: BigInt(info.barSize) };
    return this.#export(vm, 'mem', device, complaints, {
      regionFd: (index) => (index === 1 ? memory : undefined),
      onDmaUnmap: () => {},
      onInterruptsChanged: () => {},
      onAttach: () => {},
      onDetach: () => {},
    });
  }

  #exportPtnet(
    vm: string,
    region: Region,
    device: VmConfig['devices'][number],
    options: Pick<HostedPtnetOptions, 'ids' | 'policy' | 'vnetHdr'>,
  ): string {
    const name = `${vm}/${device.name}`;
    const complaints = new Complaints(this.#log, name);
    const hosted = new HostedPtnet(
      {
        name,
        port: this.#ports.port(device.port),
        memid: region.info.id,
        mac: macBytes(device.mac),
        bar0: device.bar0,
        complaints,
        ...options,
      },
      this.#broker,
    );
    this.#ptnets.push(hosted);
    return this.#export(vm, device.name, hosted.device, complaints, hosted);
  }

  #export(vm: string, name: string, device: PciDevice, complaints: Complaints, hooks: VfioUserHooks): string {
    const path = this.#runDir.claim(vm, name);
    const options = { mode: this.#runDir.socketMode, complaints };
    this.#exported.push([vm, this.#server.export(path, device, hooks, options)]);
    return path;
  }

  /** The VMs that are attached now. */
  #connected(): string[] {
    const vms = this.#exported.filter(([, { session }]) => session !== undefined).map(([vm]) => vm);
    return [...new Set(vms)];
  }

  /** @param names of the ports that are wanted; all of them when not given. */
  stats(names: Iterable<string> = this.#ports.ports.keys()): HostStats {
    const ports = [...names].flatMap((name) => {
      const port = this.#ports.ports.get(name);
      return port ? [portStats(name, port, this.#users.get(name))] : [];
    });
    const devices = this.#exported.map(([, { device, counters, sockets }]) => ({
      name: device.name,
      complaints: counters,
      ...sockets,
    }));
    const members = this.#ports.members.map((member) => memberStats(member));
    const time = new Date().toISOString();
    return {
      time,
      ports,
      members,
      devices,
      sockets: this.#kick.counters,
      workers: this.#pool.engine.workers,
    };
  }

  /** What a null port's rx rings bring from now on, from sequence number 0. @throws ConfigurationError */
  setSource(port: string, source: SourceConfig): void {
    try {
      this.#ports.setSource(port, source);
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      throw new ConfigurationError((error as Error).message, { cause: error });
    }
  }

  /**
   * Where packets on a switch go from now on, also in traffic: none is lost, none sees a mixture of both. The function before is
   * gone when it returns. Names of ports may be of such as come later. @throws ConfigurationError; the function before stays.
   */
  setLookup(vale: string, lookup: LookupConfig): void {
    this.#ports.setLookup(vale, lookup);
  }

  /** Changes policy, spin time or worker of a device that is being served; false when it is not. */
  setPolicy(vm: string, device: string, policy: Policy & { worker: number }): boolean {
    return this.#broker.setPolicy(`${vm}/${device}`, policy);
  }

  /** Ends all sessions, stops serving and removes the sockets. */
  async close(): Promise<void> {
    await this.#server.close();
    for (const hosted of this.#ptnets) hosted.device.stop();
    this.#watch.close();
    this.#interfaces.close();
    this.#ports.close();
    this.#kick.close();
    this.#runDir.clear();
  }
}
