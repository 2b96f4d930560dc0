/** A host that lies to its guest: real devices on real sockets, whose registers, region and CSB say what a test wants. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../backend/log.ts';
import { type ExportedDevice, type VfioUserHooks, VfioUserServer } from '../../backend/vfio-user/server.ts';
import type { Session } from '../../backend/vfio-user/session.ts';
import { signalPeerFd } from '../../native/os.ts';
import { createMemdev, createPtnet, type PciDevice } from '../../pci/index.ts';
import type { CsbAddresses } from '../../pci/ptnet/backend.ts';

export const SLOTS = 128;
export const BUF_SIZE = 2048;
export const BUF_COUNT = 1024;
export const MEMID = 77;
const BAR_SIZE = 4 << 20;
/** Where things lie in the region: one netmap_if with a tx and an rx ring, no host rings. */
export const NIFP = 0;
export const TX_RING = 4096;
export const RX_RING = 8192;
const BUFS = 65536;
const RING_HEADER = 256;
const CSB_ENTRY = 64;

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Answers reads of BAR 0 with `lies`, by offset, where there is one. */
function lying(device: PciDevice, lies: Map<number, number>): PciDevice {
  return Object.create(device, {
    readBar: {
      value: (bar: number, offset: number, into: Uint8Array) => {
        const lie = bar === 0 && into.length === 4 ? lies.get(offset) : undefined;
        if (lie === undefined) device.readBar(bar, offset, into);
        else new DataView(into.buffer, into.byteOffset).setUint32(0, lie, true);
      },
    },
  }) as PciDevice;
}

export class HostileHost {
  readonly sockets: readonly string[];
  /** What registers say instead of the truth, by offset. */
  readonly memLies = new Map<number, number>();
  readonly netLies = new Map<number, number>();
  /** The errno that CREATE is answered with. */
  createResult = 0;
  /** Called with CREATE, before it is answered, when it is answered with 0. */
  onCreate: () => void = () => {};
  /** CREATEs since the start. */
  creates = 0;
  readonly #folder: string;
  readonly #fd: number;
  readonly #kick = VfioUserServer.createKick();
  readonly #exported: readonly ExportedDevice[];
  #session: Session | undefined;
  #csb: CsbAddresses | undefined;

  constructor() {
    // A filesystem in memory: QEMU maps the file as it does a host's region.
    this.#folder = mkdtempSync('/dev/shm/ptnet-hostile-');
    this.#fd = openSync(join(this.#folder, 'region'), 'w+');
    ftruncateSync(this.#fd, BAR_SIZE);
    this.tellTheTruth();
    this.sockets = [join(this.#folder, 'mem.sock'), join(this.#folder, 'net.sock')];
    const server = new VfioUserServer(this.#kick, silent);
    const nothing = { onDmaUnmap() {}, onInterruptsChanged() {}, onAttach() {}, onDetach() {} };
    const region = { fd: this.#fd, offset: 0n, size: BigInt(BAR_SIZE) };
    const memory = server.export(this.sockets[0]!, lying(this.#memdev(), this.memLies), {
      ...nothing,
      regionFd: (bar: number) => (bar === 1 ? region : undefined),
    });
    const hooks: VfioUserHooks = {
      ...nothing,
      regionFd: () => undefined,
      onAttach: (session) => {
        this.#session = session;
      },
      onDetach: () => {
        this.#session = undefined;
      },
    };
    const network = server.export(this.sockets[1]!, lying(this.#ptnet(), this.netLies), hooks);
    this.#exported = [memory, network];
  }

  /** Registers and region as an honest host has them. */
  tellTheTruth(): void {
    this.memLies.clear();
    this.netLies.clear();
    this.createResult = 0;
    this.onCreate = () => {};
    this.poke(NIFP + 24, 1, 1, 0, 0, 0);
    this.#offset(NIFP + 56, TX_RING - NIFP);
    this.#offset(NIFP + 64, RX_RING - NIFP);
    for (const ring of [TX_RING, RX_RING]) {
      this.#offset(ring, BUFS - ring);
      this.poke(ring + 8, SLOTS, BUF_SIZE);
      const first = ring === TX_RING ? 2 : 2 + SLOTS;
      for (let i = 0; i < SLOTS; i++) this.poke(this.slot(ring, i), first + i, 0);
    }
  }

  /** Where slot i of a ring lies in the region. */
  slot(ring: number, i: number): number {
    return ring + RING_HEADER + 16 * i;
  }

  /** Writes 32-bit words into the region. */
  poke(offset: number, ...words: number[]): void {
    writeSync(this.#fd, new Uint8Array(Uint32Array.from(words).buffer), 0, 4 * words.length, offset);
  }

  /** Writes hwcur and hwtail of a ring: 0 is tx, 1 is rx. */
  publish(ring: number, hwcur: number, hwtail: number): void {
    this.csb('hostToGuest', ring, hwcur, hwtail);
  }

  /** Writes 32-bit words at the start of a ring's entry in one of the CSB's arrays. Nothing happens where there is none. */
  csb(array: keyof CsbAddresses, ring: number, ...words: number[]): void {
    if (this.#session === undefined || this.#csb === undefined) return;
    const address = this.#csb[array] + BigInt(CSB_ENTRY * ring);
    const place = this.#session.dma.resolve(address, 4 * words.length, 'rw');
    if ('errno' in place) return;
    const bytes = new Uint8Array(Uint32Array.from(words).buffer);
    writeSync(place.fd, bytes, 0, bytes.length, Number(place.offset));
  }

  interrupt(ring: number): void {
    const vector = this.#session?.irqs.msix[ring];
    if (vector !== undefined && vector.fd >= 0 && this.#csb !== undefined) signalPeerFd(vector.fd);
  }

  close(): void {
    for (const exported of this.#exported) exported.close();
    this.#kick.close();
    closeSync(this.#fd);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #offset(at: number, value: number): void {
    this.poke(at, value, 0);
  }

  #memdev(): PciDevice {
    return createMemdev('hostile/mem', {
      memsize: BigInt(BAR_SIZE),
      memid: MEMID,
      barSize: BigInt(BAR_SIZE),
      pools: {
        if: { offset: NIFP, count: 1, size: 1024 },
        ring: { offset: TX_RING, count: 2, size: 4096 },
        buf: { offset: BUFS, count: BUF_COUNT, size: BUF_SIZE },
      },
    });
  }

  #ptnet(): PciDevice {
    return createPtnet('hostile/net0', {
      info: {
        mac: Uint8Array.of(2, 0, 0, 0, 0, 7),
        nifpOfs: NIFP,
        numTxRings: 1,
        numRxRings: 1,
        numTxSlots: SLOTS,
        numRxSlots: SLOTS,
        hostMemId: MEMID,
        features: 1,
      },
      setFeatures: (wanted) => wanted,
      setVnetHdrLen: (wanted) => wanted,
      create: (csb) => this.#create(csb),
      delete: () => {
        this.#csb = undefined;
        return 0;
      },
      kick: () => {},
    });
  }

  #create(csb: CsbAddresses): number {
    this.creates++;
    if (this.createResult !== 0) return this.createResult;
    this.#csb = csb;
    this.publish(0, 0, SLOTS - 1);
    this.publish(1, 0, 0);
    this.onCreate();
    return 0;
  }
}
