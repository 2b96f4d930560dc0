// MSI-X: the capability in config space, and the table and pending bits in a BAR as plain memory.
import assert from 'node:assert/strict';
import type { Capability } from './config-space.ts';

export const MSIX_CAPABILITY_ID = 0x11;
export const MSIX_ENTRY_BYTES = 16;

/** Bits of the capability's message control, the 16 bits at +2. */
export const MSIX_CONTROL = { ENABLE: 0x8000, FUNCTION_MASK: 0x4000, TABLE_SIZE: 0x07ff } as const;

/** Bit 0 of a table entry's last word: the vector is masked; so is every vector after a reset. */
const ENTRY_MASKED = 1;
const ENTRY_CONTROL = 12;
const CAPABILITY_BYTES = 12;
const CONTROL_HIGH_BYTE = 3;

export interface MsixLayout {
  readonly vectors: number;
  /** The BAR that holds both. */
  readonly bar: number;
  readonly tableOffset: number;
  readonly pbaOffset: number;
  /** Bytes of that BAR. */
  readonly size: number;
}

export function msixCapability({ vectors, bar, tableOffset, pbaOffset }: MsixLayout): Capability {
  assert(
    vectors >= 1 && vectors <= MSIX_CONTROL.TABLE_SIZE + 1,
    `MSI-X with ${vectors} vectors: 1 to 2048 are possible`,
  );
  assert(tableOffset % 8 === 0 && pbaOffset % 8 === 0, 'MSI-X table and PBA must start at multiples of 8');
  const bytes = new Uint8Array(CAPABILITY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, MSIX_CAPABILITY_ID);
  view.setUint16(2, vectors - 1, true);
  view.setUint32(4, tableOffset | bar, true);
  view.setUint32(8, pbaOffset | bar, true);
  const writable = new Uint8Array(CAPABILITY_BYTES);
  writable[CONTROL_HIGH_BYTE] = (MSIX_CONTROL.ENABLE | MSIX_CONTROL.FUNCTION_MASK) >> 8;
  return { bytes, writable };
}

/** The BAR with table and PBA: a client that emulates MSI-X itself overlays it and never comes here. */
export class MsixMemory {
  readonly #layout: MsixLayout;
  readonly #bytes: Uint8Array;

  constructor(layout: MsixLayout) {
    const tableEnd = layout.tableOffset + layout.vectors * MSIX_ENTRY_BYTES;
    const pbaEnd = layout.pbaOffset + Math.ceil(layout.vectors / 64) * 8;
    assert(tableEnd <= layout.pbaOffset, `MSI-X table of ${layout.vectors} vectors: runs into the PBA`);
    assert(pbaEnd <= layout.size, `MSI-X PBA: ends outside of the BAR of ${layout.size} bytes`);
    this.#layout = layout;
    this.#bytes = new Uint8Array(layout.size);
    this.reset();
  }

  read(offset: number, into: Uint8Array): void {
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, from: Uint8Array): void {
    this.#bytes.set(from, offset);
  }

  /** What another one is to go on with. */
  get bytes(): Uint8Array {
    return this.#bytes.slice();
  }

  /** @param bytes of one of the same layout */
  restore(bytes: Uint8Array): void {
    this.#bytes.set(bytes.subarray(0, this.#bytes.length));
  }

  reset(): void {
    this.#bytes.fill(0);
    const { vectors, tableOffset } = this.#layout;
    for (let i = 0; i < vectors; i += 1) {
      this.#bytes[tableOffset + i * MSIX_ENTRY_BYTES + ENTRY_CONTROL] = ENTRY_MASKED;
    }
  }
}
