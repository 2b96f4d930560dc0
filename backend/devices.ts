// The devices of a host, each exported on a socket of its own: what VMs attach to. They come and go while the host runs.
import { createMemdev, type PciDevice } from '../pci/index.ts';
import { Complaints } from './complaints.ts';
import type { HostConfig, VmConfig } from './config/host-config.ts';
import { macBytes } from './config/mac.ts';
import type { Broker } from './datapath/broker.ts';
import { ConfigurationError } from './errors.ts';
import { HostedPtnet } from './hosted-ptnet.ts';
import type { Logger } from './log.ts';
import type { PortTable } from './ports/table.ts';
import { complainOfRejects } from './rejects.ts';
import type { RunDir } from './sockets.ts';
import type { ExportedDevice, VfioUserHooks, VfioUserServer } from './vfio-user/server.ts';
import type { FaultWatch, Watched } from './watch.ts';

/** The name of the memory device that every VM has. */
export const MEMDEV = 'mem';

export interface PlacedDevice {
  readonly vm: string;
  readonly name: string;
  readonly port?: string;
  readonly exported: ExportedDevice;
  /** Network devices only. */
  readonly hosted?: HostedPtnet;
  readonly watched?: Watched;
}

export interface DeviceSurroundings {
  readonly log: Logger;
  readonly server: VfioUserServer;
  readonly broker: Broker;
  readonly ports: PortTable;
  readonly runDir: RunDir;
  /** Who looks at the counters of what is served. */
  readonly watch: Pick<FaultWatch, 'add' | 'remove'>;
  /** By path: those of another process, which listen there already; each is taken once. */
  readonly sockets?: Map<string, number>;
}

const HOOKS: Omit<VfioUserHooks, 'regionFd'> = {
  onDmaUnmap() {},
  onInterruptsChanged() {},
  onAttach() {},
  onDetach() {},
};

export class DeviceTable {
  readonly #around: DeviceSurroundings;
  readonly #devices = new Map<string, PlacedDevice>();

  constructor(around: DeviceSurroundings) {
    this.#around = around;
  }

  get all(): Iterable<PlacedDevice> {
    return this.#devices.values();
  }

  get(vm: string, device: string): PlacedDevice | undefined {
    return this.#devices.get(`${vm}/${device}`);
  }

  /** The device that a port belongs to. */
  userOf(port: string): PlacedDevice | undefined {
    return [...this.#devices.values()].find((device) => device.port === port);
  }

  /** Nobody gets at its socket before open(). @throws ConfigurationError, and nothing is left of it. */
  add(config: HostConfig, vm: string, name: string): void {
    const vmConfig = config.vms.get(vm)!;
    const path = this.#around.runDir.claim(vm, name);
    try {
      const placed =
        name === MEMDEV ? this.#exportMemdev(path, vm, vmConfig) : this.#exportPtnet(path, config, vm, name);
      this.#devices.set(`${vm}/${name}`, placed);
      if (placed.watched) this.#around.watch.add(placed.watched);
    } catch (error) {
      this.#around.runDir.release(path);
      if (error instanceof ConfigurationError) throw error;
      throw new ConfigurationError((error as Error).message, { cause: error });
    }
  }

  /** Lets those in who may attach the VM. */
  open(vm: string): void {
    this.#around.runDir.open(vm);
  }

  /** Ends its session, if there is one. */
  remove(vm: string, name: string): void {
    const placed = this.get(vm, name);
    if (!placed) return;
    this.#devices.delete(`${vm}/${name}`);
    placed.exported.close();
    placed.hosted?.device.stop();
    if (placed.watched) this.#around.watch.remove(placed.watched);
    this.#around.runDir.release(placed.exported.path);
  }

  /** Serves nobody any more; what guests have published goes out first. */
  stop(): void {
    for (const { hosted } of this.#devices.values()) hosted?.device.stop();
  }

  #exportMemdev(path: string, vm: string, { region: regionName, pciIds }: VmConfig): PlacedDevice {
    const region = this.#around.ports.region(vm, regionName);
    const { info } = region;
    const name = `${vm}/${MEMDEV}`;
    const complaints = new Complaints(this.#around.log, name);
    const shape = {
      memsize: BigInt(info.memsize),
      memid: info.id,
      barSize: BigInt(info.barSize),
      pools: info.pools,
    };
    const options = { memory: region, ids: pciIds, onReject: complainOfRejects(complaints) };
    const device = createMemdev(name, shape, options);
    const memory = { fd: info.fd, offset: 0n, size: BigInt(info.barSize) };
    const hooks = { ...HOOKS, regionFd: (index: number) => (index === 1 ? memory : undefined) };
    return { vm, name: MEMDEV, exported: this.#export(path, device, complaints, hooks) };
  }

  #exportPtnet(path: string, config: HostConfig, vm: string, deviceName: string): PlacedDevice {
    const { ports, broker, log } = this.#around;
    const { devices, region, pciIds } = config.vms.get(vm)!;
    const device = devices.find((candidate) => candidate.name === deviceName)!;
    const name = `${vm}/${deviceName}`;
    const complaints = new Complaints(log, name);
    const port = ports.port(device.port);
    const hosted = new HostedPtnet(
      {
        name,
        port,
        memid: ports.region(vm, region).info.id,
        mac: macBytes(device.mac),
        bar0: device.bar0,
        complaints,
        ids: pciIds,
        policy: { policy: device.policy, spinUs: config.engine.spinUs },
        vnetHdr: config.ports.get(device.port)!.vnetHdr,
      },
      broker,
    );
    return {
      vm,
      name: deviceName,
      port: device.port,
      exported: this.#export(path, hosted.device, complaints, hosted),
      hosted,
      watched: { port, complaints, check: () => hosted.checkCsb() },
    };
  }

  #export(path: string, device: PciDevice, complaints: Complaints, hooks: VfioUserHooks): ExportedDevice {
    const socket = this.#around.sockets?.get(path);
    this.#around.sockets?.delete(path);
    const options = { mode: this.#around.runDir.socketMode, complaints, socket };
    return this.#around.server.export(path, device, hooks, options);
  }
}
