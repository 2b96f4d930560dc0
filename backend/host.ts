// The host: regions, ports and switches from a configuration, exported to VMs as PCI devices over vfio-user.
import { rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Kick } from '../native/kick.ts';
import type { Region } from '../native/memory.ts';
import { StatsArea } from '../native/stats.ts';
import {
  createMemdev,
  describeReject,
  type PciDevice,
  type RejectCause,
  type RejectDetail,
} from '../pci/index.ts';
import type { HostConfig, SourceConfig, VmConfig } from './config/host-config.ts';
import { macBytes } from './config/mac.ts';
import { Broker, type Policy } from './datapath/broker.ts';
import { WorkerPool } from './datapath/engine.ts';
import { ConfigurationError } from './errors.ts';
import { type HostStats, portStats } from './host-stats.ts';
import { HostedPtnet } from './hosted-ptnet.ts';
import { type Logger, silentLogger } from './log.ts';
import { PortTable } from './ports/table.ts';
import { claimSocket, socketPath } from './sockets.ts';
import { Complaints } from './vfio-user/complaints.ts';
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
  readonly #ptnets: { hosted: HostedPtnet; complaints: Complaints }[] = [];
  readonly #exported = new Map<string, ExportedDevice>();
  readonly #users = new Map<string, { vm: string; device: string }>();
  readonly #watch: FaultWatch;

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
    try {
      this.vms = [...config.vms].map(([name, vm]) => this.#exportVm(config, name, vm));
    } catch (error) {
      this.#kick.close();
      throw error;
    }
    const watched = this.#ptnets.map(({ hosted, complaints }) => {
      return { port: hosted.options.port, complaints, check: () => hosted.checkCsb() };
    });
    this.#watch = new FaultWatch(this.#pool.engine, watched, () => this.#server.look(), log);
  }

  #exportVm(config: HostConfig, name: string, vm: VmConfig): HostVm {
    const region = this.#ports.region(name, vm.region);
    const devices: HostDevice[] = [];
    const memPath = socketPath(config.runDir, name, 'mem');
    this.#exportMemdev(memPath, `${name}/mem`, region);
    devices.push({ kind: 'memdev', name: 'mem', socketPath: memPath });
    for (const device of vm.devices) {
      const path = socketPath(config.runDir, name, device.name);
      const { policy } = device;
      this.#exportPtnet(path, `${name}/${device.name}`, region, device, {
        policy,
        spinUs: config.engine.spinUs,
      });
      this.#users.set(device.port, { vm: name, device: device.name });
      devices.push({ kind: 'ptnet', name: device.name, socketPath: path, port: device.port });
    }
    return { name, memory: vm.memory, devices };
  }

  #exportMemdev(path: string, name: string, region: Region): void {
    const { info } = region;
    const complaints = new Complaints(this.#log, name);
    const device = createMemdev(
      name,
      {
        memsize: BigInt(info.memsize),
        memid: info.id,
        barSize: BigInt(info.barSize),
        pools: info.pools,
      },
      { memory: region, onReject: rejects(complaints, name) },
    );
    const memory = { fd: info.fd, offset: 0n, size: BigInt(info.barSize) };
    this.#export(
      path,
      device,
      {
        regionFd: (index) => (index === 1 ? memory : undefined),
        onDmaUnmap: () => {},
        onInterruptsChanged: () => {},
        onAttach: () => {},
        onDetach: () => {},
      },
      complaints,
    );
  }

  #exportPtnet(
    path: string,
    name: string,
    region: Region,
    device: VmConfig['devices'][number],
    policy: Policy,
  ): void {
    const complaints = new Complaints(this.#log, name);
    const hosted = new HostedPtnet(
      {
        name,
        port: this.#ports.port(device.port),
        memid: region.info.id,
        mac: macBytes(device.mac),
        policy,
        bar0: device.bar0,
      },
      this.#broker,
      complaints,
      rejects(complaints, name),
    );
    this.#ptnets.push({ hosted, complaints });
    this.#export(path, hosted.device, hosted, complaints);
  }

  #export(path: string, device: PciDevice, hooks: VfioUserHooks, complaints: Complaints): void {
    claimSocket(path);
    this.#exported.set(device.name, this.#server.export(path, device, hooks, { complaints }));
  }

  /** @param names of the ports that are wanted; all of them when not given. */
  stats(names: Iterable<string> = this.#ports.ports.keys()): HostStats {
    const ports = [...names].flatMap((name) => {
      const port = this.#ports.ports.get(name);
      return port ? [portStats(name, port, this.#users.get(name))] : [];
    });
    const devices = [...this.#exported].map(([name, { counters, sockets }]) => ({
      name,
      complaints: counters,
      ...sockets,
    }));
    return {
      time: new Date().toISOString(),
      ports,
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

  /** Changes policy, spin time or worker of a device that is being served; false when it is not. */
  setPolicy(vm: string, device: string, policy: Required<Policy> & { worker: number }): boolean {
    const binding = this.#broker.table.get(`${vm}/${device}`);
    if (!binding) return false;
    binding.attachment.setPolicy(policy);
    return true;
  }

  /** Ends all sessions, stops serving and removes the sockets. */
  async close(): Promise<void> {
    await this.#server.close();
    for (const { hosted } of this.#ptnets) hosted.device.stop();
    this.#watch.close();
    this.#kick.close();
    for (const vm of this.vms) {
      for (const device of vm.devices) rmSync(device.socketPath, { force: true });
      removeIfEmpty(dirname(vm.devices[0]!.socketPath));
    }
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Something of somebody else's is in it.
  }
}

function rejects(complaints: Complaints, name: string): (cause: RejectCause, detail: RejectDetail) => void {
  return (cause, detail) =>
    complaints.add(cause, describeReject(name, cause, detail).slice(`${name}: `.length));
}
