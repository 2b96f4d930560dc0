// One PCI function behind a vfio-user socket as firmware and a kernel find it: ids, BARs, command register, capabilities.
import { closeFd } from '../../native/os.ts';
import { GuestError } from './errors.ts';
import { DEVICE_FLAG, REGION, REGION_FLAG } from './messages.ts';
import type { RegionWithFd, RemoteDevice } from './remote-device.ts';

export const PCI = {
  VENDOR_ID: 0x00,
  DEVICE_ID: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION_ID: 0x08,
  CLASS_CODE: 0x09,
  HEADER_TYPE: 0x0e,
  BAR0: 0x10,
  CAPABILITIES: 0x34,
  INTERRUPT_PIN: 0x3d,
} as const;
export const PCI_COMMAND = { IO: 1, MEMORY: 2, MASTER: 4, INTX_DISABLE: 0x400 } as const;
const STATUS_CAPABILITIES = 0x10;
const CAPABILITY_FIRST = 0x40;
export const CONFIG_SIZE = 256;
export const BAR_COUNT = 6;
const CAP_ID_MSIX = 0x11;

export interface ModelBar {
  index: number;
  kind: 'io' | 'mem32' | 'mem64';
  prefetchable: boolean;
  size: bigint;
  /** Where firmware put it. */
  address: bigint;
}

export interface MsixCapability {
  /** Of the capability in config space. */
  offset: number;
  vectors: number;
  table: { bar: number; offset: number };
  pba: { bar: number; offset: number };
}

/** What a driver is found by. */
interface DriverIds {
  VENDOR_ID: number;
  DEVICE_ID: number;
  OTHER_DEVICE_ID: number;
  CLASS_CODE: number;
}

/** Hands out bus addresses for BARs, as firmware does: I/O ports, 32-bit and 64-bit memory windows. */
export class BusAddresses {
  readonly #next = { io: 0xc000n, mem32: 0xe000_0000n, mem64: 0x80_0000_0000n };

  place(kind: ModelBar['kind'], size: bigint): bigint {
    const address = (this.#next[kind] + size - 1n) & ~(size - 1n);
    this.#next[kind] = address + size;
    return address;
  }
}

export class PciFunction {
  readonly device: RemoteDevice;
  vendorId = 0;
  deviceId = 0;
  classCode = 0;
  /** By index; a 64-bit BAR takes two, the second stays undefined. */
  bars: (ModelBar | undefined)[] = [];
  /** Id and offset, in the order of the list. */
  capabilities: { id: number; offset: number }[] = [];
  msix: MsixCapability | undefined;
  /** Of the BARs; a descriptor in there is ours to close. */
  regions: RegionWithFd[] = [];

  constructor(device: RemoteDevice) {
    this.device = device;
  }

  get name(): string {
    return this.device.name;
  }

  /** Reads everything a kernel reads at probe time. The BARs get their addresses from placeBars(). */
  async probe(): Promise<void> {
    const info = await this.device.deviceInfo();
    if ((info.flags & DEVICE_FLAG.PCI) === 0 || info.numRegions <= REGION.CONFIG) {
      throw new GuestError(`${this.name}: not a PCI device: flags ${info.flags}, ${info.numRegions} regions`);
    }
    for (let i = 0; i < BAR_COUNT; i++) this.regions.push(await this.device.regionInfo(i));
    const config = await this.#readConfig();
    this.vendorId = config.getUint16(PCI.VENDOR_ID, true);
    this.deviceId = config.getUint16(PCI.DEVICE_ID, true);
    this.classCode = config.getUint32(PCI.REVISION_ID, true) >>> 8;
    this.#walkCapabilities(config);
  }

  /** A driver knows one id, and which one differs from tree to tree. @throws GuestError when it is another device. */
  require(what: string, ids: DriverIds, otherIds = false): void {
    const id = otherIds ? ids.OTHER_DEVICE_ID : ids.DEVICE_ID;
    if (this.vendorId === ids.VENDOR_ID && this.deviceId === id && this.classCode === ids.CLASS_CODE) return;
    const name = (vendor: number, device: number, classCode: number): string => {
      const hex = (value: number): string => value.toString(16).padStart(4, '0');
      return `${hex(vendor)}:${hex(device)}, class ${hex(classCode)}`;
    };
    throw new GuestError(
      `${this.name}: ${name(this.vendorId, this.deviceId, this.classCode)}: want a ${what}, ${name(ids.VENDOR_ID, id, ids.CLASS_CODE)}`,
    );
  }

  async readConfig32(offset: number): Promise<number> {
    return await this.device.read32(REGION.CONFIG, offset);
  }

  async writeConfig32(offset: number, value: number): Promise<void> {
    await this.device.write32(REGION.CONFIG, offset, value);
  }

  async readConfig16(offset: number): Promise<number> {
    const data = await this.device.read(REGION.CONFIG, offset, 2);
    return data[0]! | (data[1]! << 8);
  }

  async writeConfig16(offset: number, value: number): Promise<void> {
    await this.device.write(REGION.CONFIG, offset, Uint8Array.of(value & 0xff, value >>> 8));
  }

  /** Sizes every BAR by writing all ones, places it, and checks it against the region that the server announced. */
  async placeBars(bus: BusAddresses): Promise<void> {
    this.bars = Array.from({ length: BAR_COUNT }, () => undefined);
    for (let i = 0; i < BAR_COUNT; i++) {
      const bar = await this.#sizeBar(i);
      const announced = this.regions[i]?.size ?? 0n;
      if ((bar?.size ?? 0n) !== announced) {
        throw new GuestError(
          `${this.name}: BAR ${i}: ${bar?.size ?? 0n} bytes in config space, ${announced} as a region`,
        );
      }
      if (!bar) continue;
      bar.address = bus.place(bar.kind, bar.size);
      this.bars[i] = bar;
      const at = PCI.BAR0 + 4 * i;
      await this.writeConfig32(at, Number(bar.address & 0xffffffffn));
      if (bar.kind !== 'mem64') continue;
      await this.writeConfig32(at + 4, Number(bar.address >> 32n));
      i += 1;
    }
  }

  /** Sets bits of the command register and clears others. */
  async command(set: number, clear = 0): Promise<void> {
    const value = await this.readConfig16(PCI.COMMAND);
    await this.writeConfig16(PCI.COMMAND, (value | set) & ~clear);
  }

  /** Lets the device decode its BARs and do DMA, without INTx. */
  async enable(): Promise<void> {
    const { IO, MEMORY, MASTER, INTX_DISABLE } = PCI_COMMAND;
    await this.command(IO | MEMORY | MASTER | INTX_DISABLE);
  }

  async disable(): Promise<void> {
    const { IO, MEMORY, MASTER } = PCI_COMMAND;
    await this.command(0, IO | MEMORY | MASTER);
  }

  /** The region's descriptor, which becomes the caller's. @throws GuestError when the region cannot be mapped. */
  takeRegionFd(index: number): { fd: number; offset: bigint; size: bigint } {
    const region = this.regions[index];
    if (!region || region.fd === undefined || (region.flags & REGION_FLAG.MMAP) === 0) {
      throw new GuestError(`${this.name}: region ${index} cannot be mapped: want flag MMAP and a descriptor`);
    }
    const { fd, offset, size } = region;
    delete region.fd;
    return { fd, offset, size };
  }

  close(): void {
    for (const region of this.regions) {
      if (region.fd === undefined) continue;
      closeFd(region.fd);
      delete region.fd;
    }
    this.device.client.close();
  }

  async #readConfig(): Promise<DataView> {
    const { size } = await this.device.regionInfo(REGION.CONFIG);
    if (size < CONFIG_SIZE)
      throw new GuestError(`${this.name}: config space of ${size} bytes: want ${CONFIG_SIZE}`);
    const bytes = await this.device.read(REGION.CONFIG, 0, CONFIG_SIZE);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async #sizeBar(index: number): Promise<ModelBar | undefined> {
    const at = PCI.BAR0 + 4 * index;
    const low = await this.#allOnes(at);
    if (low === 0) return undefined;
    if (low & 1) {
      // I/O BARs may leave the upper 16 bits 0: the size is in the lowest bit that sticks.
      return {
        index,
        kind: 'io',
        prefetchable: false,
        size: lowestBit(BigInt(low & ~3) & 0xffffffffn),
        address: 0n,
      };
    }
    const is64 = (low & 6) === 4;
    const mask = BigInt(low & ~0xf) & 0xffffffffn;
    const high = is64 ? BigInt(await this.#allOnes(at + 4)) : 0n;
    return {
      index,
      kind: is64 ? 'mem64' : 'mem32',
      prefetchable: (low & 8) !== 0,
      size: lowestBit((high << 32n) | mask),
      address: 0n,
    };
  }

  /** What sticks of all ones; the register gets its old value back. */
  async #allOnes(at: number): Promise<number> {
    const before = await this.readConfig32(at);
    await this.writeConfig32(at, 0xffffffff);
    const sticks = await this.readConfig32(at);
    await this.writeConfig32(at, before);
    return sticks;
  }

  #walkCapabilities(config: DataView): void {
    if ((config.getUint16(PCI.STATUS, true) & STATUS_CAPABILITIES) === 0) return;
    let at = config.getUint8(PCI.CAPABILITIES) & ~3;
    while (at !== 0) {
      const loop = this.capabilities.some(({ offset }) => offset === at);
      if (loop || at < CAPABILITY_FIRST) {
        throw new GuestError(
          `${this.name}: capability at ${at}: want each once, from ${CAPABILITY_FIRST} on`,
        );
      }
      const id = config.getUint8(at);
      this.capabilities.push({ id, offset: at });
      if (id === CAP_ID_MSIX) this.msix = readMsix(config, at);
      at = config.getUint8(at + 1) & ~3;
    }
  }
}

function lowestBit(mask: bigint): bigint {
  return mask & -mask;
}

function readMsix(config: DataView, offset: number): MsixCapability {
  const where = (at: number) => {
    const value = config.getUint32(at, true);
    return { bar: value & 7, offset: (value & ~7) >>> 0 };
  };
  return {
    offset,
    vectors: (config.getUint16(offset + 2, true) & 0x7ff) + 1,
    table: where(offset + 4),
    pba: where(offset + 8),
  };
}
