// A whole guest: RAM, one or more memory devices, network ports; brought up as QEMU, firmware and the driver would.
import { MEMDEV } from '../../pci/memdev/registers.ts';
import { VfioUserClient } from './client.ts';
import { GuestError } from './errors.ts';
import { GuestRam } from './guest-ram.ts';
import { Memdev } from './memdev.ts';
import { BusAddresses, PciFunction } from './pci.ts';
import { GuestPort, type ReceiveOptions, type SendOptions } from './port.ts';
import { Ptnet, type PtnetOptions } from './ptnet.ts';
import { RemoteDevice } from './remote-device.ts';

const DEFAULT_RAM = 16 * 1024 * 1024;

export interface GuestOptions extends PtnetOptions {
  /** Sockets. */
  memdev: string | readonly string[];
  ptnet: readonly string[];
  /** Bytes of RAM. */
  ram?: number;
  /** One stretch of RAM, or one below and one above 4G as a PC has (the default). */
  layout?: 'flat' | 'pc';
  /** Touch the memory region first: no page fault is in what is measured then (default false). */
  prefault?: boolean;
  /** Announce BARs with DMA_MAP, without descriptor, and take them back once, as QEMU does (default true). */
  announceBars?: boolean;
}

/** A connection on which VERSION is done and RAM is announced, before any device access. */
export async function connectDevice(path: string, ram?: GuestRam): Promise<RemoteDevice> {
  const client = VfioUserClient.connect(path);
  try {
    const device = new RemoteDevice(client);
    await device.negotiate();
    if (ram) {
      client.onCommand = (command, payload) => ram.onCommand(command, payload);
      for (const part of ram.parts) await device.dmaMap(part, ram.fd);
    }
    return device;
  } catch (error) {
    client.close();
    throw error;
  }
}

export class Guest {
  readonly ram: GuestRam;
  readonly memdevs: Memdev[] = [];
  readonly ports: GuestPort[] = [];
  /** Every function, memory devices first. */
  readonly functions: PciFunction[] = [];
  readonly #ptnets: Ptnet[] = [];
  readonly #bus = new BusAddresses();
  #closed = false;

  constructor(options: Pick<GuestOptions, 'ram' | 'layout'> = {}) {
    this.ram = new GuestRam(options.ram ?? DEFAULT_RAM, { split: options.layout !== 'flat' });
  }

  get memdev(): Memdev {
    return this.memdevs[0]!;
  }

  /** CREATE on every port. */
  async create(): Promise<void> {
    for (const port of this.ports) await port.create();
  }

  /** DELETE on every port. */
  async delete(): Promise<void> {
    for (const port of this.ports) await port.delete();
  }

  async send(packet: Uint8Array, options: SendOptions & { port?: number } = {}): Promise<boolean> {
    return await this.#port(options.port ?? 0).send(packet, options);
  }

  async receive(options: ReceiveOptions & { port?: number } = {}): Promise<Uint8Array | undefined> {
    return await this.#port(options.port ?? 0).receive(options);
  }

  async waitForInterrupt(ring: number, timeoutMs: number, port = 0): Promise<number> {
    return await this.#port(port).waitForInterrupt(ring, timeoutMs);
  }

  /** Connects to a device, announces RAM, probes it, places its BARs and enables it. */
  async plug(path: string): Promise<PciFunction> {
    const pci = new PciFunction(await connectDevice(path, this.ram));
    this.functions.push(pci);
    await pci.probe();
    await pci.placeBars(this.#bus);
    await pci.enable();
    return pci;
  }

  async addMemdev(path: string, options: { otherIds?: boolean; prefault?: boolean } = {}): Promise<Memdev> {
    const memdev = await Memdev.attach(await this.plug(path), options);
    if (options.prefault) memdev.prefault();
    this.memdevs.push(memdev);
    return memdev;
  }

  async addPort(path: string, options: PtnetOptions = {}): Promise<GuestPort> {
    const ptnet = await Ptnet.attach(await this.plug(path), this.ram, options);
    this.#ptnets.push(ptnet);
    const memdev = this.memdevs.find(({ memid }) => memid === ptnet.hostMemId);
    if (!memdev) throw new GuestError(`${ptnet.name}: HOSTMEMID ${ptnet.hostMemId}: no memory device has it`);
    const port = new GuestPort(ptnet, memdev);
    this.ports.push(port);
    return port;
  }

  /** Tells every device of every region BAR, twice, because firmware and OS place BARs one after the other. */
  async announceBars(): Promise<void> {
    for (const announce of ['map', 'unmap', 'map'] as const) {
      for (const { device } of this.functions) {
        for (const { pci } of this.memdevs) {
          const bar = pci.bars[MEMDEV.MEM_BAR]!;
          const range = { address: bar.address, size: bar.size };
          if (announce === 'map') await device.dmaMap(range);
          else await device.dmaUnmap(range);
        }
      }
    }
  }

  /** Unloads the drivers (DELETE, no CSB, no MSI-X), takes RAM back, hangs up. A device that fails it is hung up on. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await Promise.all(this.ports.map(async (port) => await port.stopLoop()));
    try {
      for (const ptnet of this.#ptnets) if (ptnet.pci.device.client.isOpen) await ptnet.detach();
      for (const { device } of this.functions) {
        if (!device.client.isOpen) continue;
        for (const { address, size } of this.ram.parts) await device.dmaUnmap({ address, size });
      }
    } finally {
      this.#hangUp();
    }
  }

  /** Hangs up without a word, as a VM that is killed. */
  async crash(): Promise<void> {
    if (this.#closed) return;
    await Promise.all(this.ports.map(async (port) => await port.stopLoop()));
    this.#hangUp();
  }

  #hangUp(): void {
    this.#closed = true;
    for (const ptnet of this.#ptnets) ptnet.close();
    for (const memdev of this.memdevs) memdev.close();
    for (const pci of this.functions) pci.close();
    this.ram.close();
  }

  #port(index: number): GuestPort {
    const port = this.ports[index];
    if (!port) throw new RangeError(`guest: port ${index}: want 0 to ${this.ports.length - 1}`);
    return port;
  }
}

/** Brings a guest up to the point where its ports can be created. On failure everything is hung up. */
export async function openGuest(options: GuestOptions): Promise<Guest> {
  const guest = new Guest(options);
  try {
    const memdevs = typeof options.memdev === 'string' ? [options.memdev] : options.memdev;
    for (const path of memdevs) await guest.addMemdev(path, options);
    for (const path of options.ptnet) await guest.addPort(path, options);
    if (options.announceBars ?? true) await guest.announceBars();
    return guest;
  } catch (error) {
    await guest.crash();
    throw error;
  }
}
