// What device tests share: accesses as a guest makes them, and a backend that records what the device asks of it.

import type { MemoryAccess, PciDevice, PtnetBackend, PtnetInfo } from '../../../pci/index.ts';

export function bytesOf(value: number | bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

export function numberOf(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}

export function readBar(device: PciDevice, bar: number, offset: number, length = 4): number {
  const bytes = new Uint8Array(length).fill(0xa5);
  device.readBar(bar, offset, bytes);
  return numberOf(bytes);
}

export function writeBar(device: PciDevice, bar: number, offset: number, value: number, length = 4): void {
  device.writeBar(bar, offset, bytesOf(value, length));
}

export const read = (device: PciDevice, offset: number): number => readBar(device, 0, offset);
export const write = (device: PciDevice, offset: number, value: number): void =>
  writeBar(device, 0, offset, value);

export function readConfig(device: Pick<PciDevice, 'config'>, offset: number, length = 4): number {
  const bytes = new Uint8Array(length).fill(0xa5);
  device.config.read(offset, bytes);
  return numberOf(bytes);
}

export function writeConfig(
  device: Pick<PciDevice, 'config'>,
  offset: number,
  value: number,
  length = 4,
): void {
  device.config.write(offset, bytesOf(value, length));
}

/** The counters that are not zero. */
export function rejects(device: Pick<PciDevice, 'counters'>): Record<string, number> {
  return Object.fromEntries(Object.entries(device.counters).filter(([, count]) => count > 0));
}

export interface FakeBackend extends PtnetBackend {
  /** What was asked, in order: `create 1000 2000`, `delete`, `kick 3`, `features 1`, `header 12`. */
  readonly calls: string[];
  createResult: number;
  deleteResult: number;
  /** The only header length there is, when set. */
  fixedHeader: number | undefined;
}

export function fakeBackend(info: Partial<PtnetInfo> = {}): FakeBackend {
  const calls: string[] = [];
  return {
    info: {
      mac: Uint8Array.of(0x02, 0x11, 0xf2, 0x33, 0x44, 0x55),
      nifpOfs: 0x1c00,
      numTxRings: 2,
      numRxRings: 3,
      numTxSlots: 1024,
      numRxSlots: 512,
      hostMemId: 7,
      features: 1,
      ...info,
    },
    calls,
    createResult: 0,
    deleteResult: 0,
    fixedHeader: undefined,
    setFeatures(wanted) {
      calls.push(`features ${wanted}`);
      return wanted;
    },
    setVnetHdrLen(wanted) {
      calls.push(`header ${wanted}`);
      return this.fixedHeader ?? wanted;
    },
    create({ guestToHost, hostToGuest }) {
      calls.push(`create ${guestToHost.toString(16)} ${hostToGuest.toString(16)}`);
      return this.createResult;
    },
    delete() {
      calls.push('delete');
      return this.deleteResult;
    },
    kick(ring) {
      calls.push(`kick ${ring}`);
    },
  };
}

/** A region in an array, which may be shorter than the device says. */
export function accessTo(memory: Uint8Array): MemoryAccess {
  return {
    read: (offset, into) => into.set(memory.subarray(offset, offset + into.length)),
    write: (offset, from) =>
      memory.set(from.subarray(0, Math.max(0, memory.length - offset)), Math.min(offset, memory.length)),
  };
}
