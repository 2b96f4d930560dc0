// PCI config space of a type 0 function: 256 bytes, of which a guest may change exactly those in a bit mask.
import assert from 'node:assert/strict';
import { BAR_COUNT, type Bar, encodeBar } from './bars.ts';
import type { Rejects } from './rejects.ts';

export const CONFIG_SPACE_SIZE = 256;

/** Offsets in a type 0 header. */
export const CONFIG = {
  VENDOR_ID: 0x00,
  DEVICE_ID: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION: 0x08,
  CLASS: 0x09,
  HEADER_TYPE: 0x0e,
  BAR0: 0x10,
  SUBSYSTEM_VENDOR_ID: 0x2c,
  SUBSYSTEM_ID: 0x2e,
  ROM: 0x30,
  CAPABILITIES: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
  FIRST_CAPABILITY: 0x40,
} as const;

export const COMMAND = { IO: 0x1, MEMORY: 0x2, BUS_MASTER: 0x4, INTX_DISABLE: 0x400 } as const;
export const STATUS_CAPABILITIES = 0x10;

export interface Identity {
  readonly vendorId: number;
  readonly deviceId: number;
  /** Base class, subclass and programming interface, 24 bits. */
  readonly classCode: number;
  readonly revision: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
}

/** A capability as it lies in config space; its second byte, the link, is filled in by the config space. */
export interface Capability {
  readonly bytes: Uint8Array;
  /** Bits that a guest may write, as long as `bytes`. */
  readonly writable: Uint8Array;
}

export interface ConfigSpaceOptions {
  identity: Identity;
  bars: readonly (Bar | undefined)[];
  capabilities?: readonly Capability[];
  rejects?: Rejects;
}

export class ConfigSpace {
  readonly #initial = new Uint8Array(CONFIG_SPACE_SIZE);
  readonly #writable = new Uint8Array(CONFIG_SPACE_SIZE);
  readonly #bytes = new Uint8Array(CONFIG_SPACE_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #rejects: Rejects | undefined;

  constructor({ identity, bars, capabilities = [], rejects }: ConfigSpaceOptions) {
    this.#rejects = rejects;
    const view = new DataView(this.#initial.buffer);
    view.setUint16(CONFIG.VENDOR_ID, identity.vendorId, true);
    view.setUint16(CONFIG.DEVICE_ID, identity.deviceId, true);
    view.setUint32(CONFIG.REVISION, ((identity.classCode << 8) | identity.revision) >>> 0, true);
    view.setUint16(CONFIG.SUBSYSTEM_VENDOR_ID, identity.subsystemVendorId, true);
    view.setUint16(CONFIG.SUBSYSTEM_ID, identity.subsystemId, true);
    const command = COMMAND.IO | COMMAND.MEMORY | COMMAND.BUS_MASTER | COMMAND.INTX_DISABLE;
    new DataView(this.#writable.buffer).setUint16(CONFIG.COMMAND, command, true);
    this.#placeBars(bars);
    this.#placeCapabilities(capabilities);
    this.reset();
  }

  /** Fills `into` from `offset`; an access that does not lie inside reads 0 and is counted. */
  read(offset: number, into: Uint8Array): void {
    if (this.#checkInside(offset, into.length)) into.set(this.#bytes.subarray(offset, offset + into.length));
    else into.fill(0);
  }

  /** Changes the writable bits; all others keep their value. */
  write(offset: number, from: Uint8Array): void {
    if (!this.#checkInside(offset, from.length)) return;
    for (let i = 0; i < from.length; i += 1) {
      const mask = this.#writable[offset + i]!;
      this.#bytes[offset + i] = (this.#bytes[offset + i]! & ~mask) | (from[i]! & mask);
    }
  }

  reset(): void {
    this.#bytes.set(this.#initial);
  }

  /** What another one is to go on with. */
  get bytes(): Uint8Array {
    return this.#bytes.slice();
  }

  /** As another one was: what a guest may write, and nothing else. */
  restore(bytes: Uint8Array): void {
    this.write(0, bytes.subarray(0, CONFIG_SPACE_SIZE));
  }

  get command(): number {
    return this.#view.getUint16(CONFIG.COMMAND, true);
  }

  #checkInside(offset: number, length: number): boolean {
    const inside = offset >= 0 && offset + length <= CONFIG_SPACE_SIZE;
    if (!inside) this.#rejects?.add('beyond-region', { offset, length });
    return inside;
  }

  #placeBars(bars: readonly (Bar | undefined)[]): void {
    assert(bars.length <= BAR_COUNT, `${bars.length} BARs: a function has ${BAR_COUNT}`);
    bars.forEach((bar, index) => {
      if (bar === undefined) return;
      const { length, bits, writable } = encodeBar(bar);
      if (length === 8) {
        assert(index + 1 < BAR_COUNT, `BAR ${index}: a 64-bit BAR needs the next slot, there is none`);
        assert(
          bars[index + 1] === undefined,
          `BAR ${index + 1}: taken by the upper half of 64-bit BAR ${index}`,
        );
      }
      for (let i = 0; i < length; i += 1) {
        const at = CONFIG.BAR0 + index * 4 + i;
        this.#initial[at] = Number((bits >> BigInt(8 * i)) & 0xffn);
        this.#writable[at] = Number((writable >> BigInt(8 * i)) & 0xffn);
      }
    });
  }

  #placeCapabilities(capabilities: readonly Capability[]): void {
    let link: number = CONFIG.CAPABILITIES;
    let free: number = CONFIG.FIRST_CAPABILITY;
    for (const { bytes, writable } of capabilities) {
      assert(bytes.length === writable.length, `capability ${bytes[0]}: bytes and mask differ in length`);
      assert(free + bytes.length <= CONFIG_SPACE_SIZE, `capability ${bytes[0]}: does not fit config space`);
      this.#initial.set(bytes, free);
      this.#writable.set(writable, free);
      this.#initial[free + 1] = 0;
      this.#writable[free + 1] = 0;
      this.#initial[link] = free;
      link = free + 1;
      // Capabilities start at multiples of four.
      free = (free + bytes.length + 3) & ~3;
    }
    if (capabilities.length > 0) this.#initial[CONFIG.STATUS] = STATUS_CAPABILITIES;
  }
}
