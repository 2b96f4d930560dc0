// The network device's driver without its rings: probe, features, CSB addresses, MSI-X, CREATE and DELETE, doorbells.
import { PTCTL, PTNET } from '../../pci/ptnet/registers.ts';
import { Csb } from './csb.ts';
import { GuestError, PtctlError } from './errors.ts';
import type { GuestRam, RamPages } from './guest-ram.ts';
import { CSB } from './layout.ts';
import { Msix } from './msix.ts';
import type { PciFunction } from './pci.ts';

export interface PtnetOptions {
  /** Features to ask for (PTFEAT). */
  features?: number;
  /** 0, 10 or 12. */
  vnetHdrLen?: number;
  /** Put the CSB above 4G. */
  highCsb?: boolean;
  /** The driver is of a tree that has the ids 1b36:cccc and cccd. */
  otherIds?: boolean;
  /** Vectors to enable; default: one per ring; 0: none. */
  vectors?: number;
}

export class Ptnet {
  readonly pci: PciFunction;
  readonly msix: Msix;
  readonly csb: Csb;
  /** Where the guest-to-host array is, and the host-to-guest array: one page each. */
  readonly csbPages: { guestToHost: RamPages; hostToGuest: RamPages };
  /** Acknowledged ones. */
  features = 0;
  vnetHdrLen = 0;
  mac: Uint8Array = new Uint8Array(6);
  hostMemId = 0;
  nifpOfs = 0;
  numTxRings = 0;
  numRxRings = 0;
  numTxSlots = 0;
  numRxSlots = 0;
  /** Doorbells rung. */
  kicks = 0;
  created = false;
  readonly #ram: GuestRam;

  private constructor(pci: PciFunction, ram: GuestRam, options: PtnetOptions) {
    this.pci = pci;
    this.msix = new Msix(pci);
    this.#ram = ram;
    const high = { high: options.highCsb ?? false };
    this.csbPages = { guestToHost: ram.allocate(1, high), hostToGuest: ram.allocate(1, high) };
    const words = ({ bytes }: RamPages) =>
      new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    this.csb = new Csb(words(this.csbPages.guestToHost), words(this.csbPages.hostToGuest));
  }

  /** Attaches to a function that has been probed, placed and enabled. @throws GuestError when it is no ptnet device. */
  static async attach(pci: PciFunction, ram: GuestRam, options: PtnetOptions = {}): Promise<Ptnet> {
    pci.require('network device', PTNET, options.otherIds);
    const ptnet = new Ptnet(pci, ram, options);
    await ptnet.#negotiate(options);
    await ptnet.setCsb(ptnet.csbPages.guestToHost.address, ptnet.csbPages.hostToGuest.address);
    await ptnet.#readRegisters();
    const vectors = options.vectors ?? ptnet.numRings;
    if (vectors > 0) await ptnet.msix.enable(vectors);
    return ptnet;
  }

  get name(): string {
    return this.pci.name;
  }

  get numRings(): number {
    return this.numTxRings + this.numRxRings;
  }

  /** Doorbells in I/O space are answered, those in memory are posted. */
  get doorbellWaits(): boolean {
    return this.pci.bars[PTNET.IO_BAR]?.kind === 'io';
  }

  async readRegister(offset: number): Promise<number> {
    return await this.pci.device.read32(PTNET.IO_BAR, offset);
  }

  async writeRegister(offset: number, value: number): Promise<void> {
    await this.pci.device.write32(PTNET.IO_BAR, offset, value);
  }

  /** Gives the device both CSB addresses; 0n unmaps. High halves first: the write of the low half takes effect. */
  async setCsb(guestToHost: bigint, hostToGuest: bigint): Promise<void> {
    const half = (value: bigint, shift: bigint) => Number((value >> shift) & 0xffffffffn);
    await this.writeRegister(PTNET.IO_CSB_GH_BAH, half(guestToHost, 32n));
    await this.writeRegister(PTNET.IO_CSB_GH_BAL, half(guestToHost, 0n));
    await this.writeRegister(PTNET.IO_CSB_HG_BAH, half(hostToGuest, 32n));
    await this.writeRegister(PTNET.IO_CSB_HG_BAL, half(hostToGuest, 0n));
    this.created = false;
  }

  /** Writes a PTCTL command and reads its result: 0 or an errno. */
  async control(command: number): Promise<number> {
    await this.writeRegister(PTNET.IO_PTCTL, command);
    return await this.readRegister(PTNET.IO_PTCTL);
  }

  /** CREATE, with the appl_need_kick that it starts with: TX rings 0, RX rings 1. */
  async create(): Promise<void> {
    for (let ring = 0; ring < this.numRings; ring++) {
      this.csb.atok(ring).applNeedKick = ring < this.numTxRings ? 0 : 1;
    }
    const errno = await this.control(PTCTL.CREATE);
    if (errno !== 0) throw new PtctlError(this.name, 'CREATE', errno);
    this.created = true;
  }

  async delete(): Promise<void> {
    const errno = await this.control(PTCTL.DELETE);
    if (errno !== 0) throw new PtctlError(this.name, 'DELETE', errno);
    this.created = false;
  }

  /** Rings the doorbell of a ring: answered in I/O space, posted in memory. */
  async kick(ring: number): Promise<void> {
    this.kicks += 1;
    const offset = PTNET.KICK_BASE + PTNET.KICK_STRIDE * ring;
    if (this.doorbellWaits) await this.pci.device.write32(PTNET.IO_BAR, offset, 0);
    else this.pci.device.postWrite32(PTNET.IO_BAR, offset, 0);
  }

  /** What a driver does when it is unloaded. */
  async detach(): Promise<void> {
    if (this.created) await this.delete();
    await this.setCsb(0n, 0n);
    await this.msix.disable();
    await this.pci.disable();
  }

  /** Hangs up, whatever the device is doing. */
  close(): void {
    this.created = false;
    this.msix.close();
    this.pci.close();
    this.#ram.free(this.csbPages.guestToHost);
    this.#ram.free(this.csbPages.hostToGuest);
  }

  async #negotiate(options: PtnetOptions): Promise<void> {
    await this.writeRegister(PTNET.IO_PTFEAT, options.features ?? 0);
    this.features = await this.readRegister(PTNET.IO_PTFEAT);
    if (options.vnetHdrLen === undefined) {
      this.vnetHdrLen = await this.readRegister(PTNET.IO_VNET_HDR_LEN);
      return;
    }
    await this.writeRegister(PTNET.IO_VNET_HDR_LEN, options.vnetHdrLen);
    this.vnetHdrLen = await this.readRegister(PTNET.IO_VNET_HDR_LEN);
  }

  async #readRegisters(): Promise<void> {
    this.hostMemId = await this.readRegister(PTNET.IO_HOSTMEMID);
    this.numTxRings = await this.readRegister(PTNET.IO_NUM_TX_RINGS);
    this.numRxRings = await this.readRegister(PTNET.IO_NUM_RX_RINGS);
    this.numTxSlots = await this.readRegister(PTNET.IO_NUM_TX_SLOTS);
    this.numRxSlots = await this.readRegister(PTNET.IO_NUM_RX_SLOTS);
    this.nifpOfs = await this.readRegister(PTNET.IO_NIFP_OFS);
    const high = await this.readRegister(PTNET.IO_MAC_HI);
    const low = await this.readRegister(PTNET.IO_MAC_LO);
    const octets = [high >>> 8, high, low >>> 24, low >>> 16, low >>> 8, low];
    this.mac = Uint8Array.from(octets, (octet) => octet & 0xff);
    if (this.numRings < 1 || this.numRings > CSB.MAX_RINGS) {
      throw new GuestError(
        `${this.name}: ${this.numRings} rings: want 1 to ${CSB.MAX_RINGS}, a CSB page's worth`,
      );
    }
  }
}
