// A PCI device as its transport sees it, and the part of it that all our devices have in common.
import type { Bar } from './bars.ts';
import type { ConfigSpace } from './config-space.ts';
import type { Register } from './registers.ts';
import type { Rejects } from './rejects.ts';

export interface PciDevice {
  /** For logs: `vm1/net0`. */
  readonly name: string;
  readonly config: ConfigSpace;
  /** Six entries. */
  readonly bars: readonly (Bar | undefined)[];
  /** 0: the device has no MSI-X. */
  readonly msixVectors: number;
  /** Any width and offset inside the BAR; a part of a register reads as the right byte lanes. */
  readBar(bar: number, offset: number, into: Uint8Array): void;
  /** Any width and offset inside the BAR; a part of a register is not written but counted. */
  writeBar(bar: number, offset: number, from: Uint8Array): void;
  reset(): void;
  /** Rejected accesses by cause. */
  readonly counters: Readonly<Record<string, number>>;
}

/** A device that says what its BAR 0 holds, so that it can be dumped. */
export interface RegisterDevice extends PciDevice {
  readonly registers: readonly Register[];
}

/** What answers accesses to one BAR; they always lie inside it. */
export interface BarSpace {
  read(offset: number, into: Uint8Array): void;
  write(offset: number, from: Uint8Array): void;
}

export interface DeviceParts {
  name: string;
  config: ConfigSpace;
  bars: readonly (Bar | undefined)[];
  spaces: readonly (BarSpace | undefined)[];
  registers: readonly Register[];
  rejects: Rejects;
  msixVectors?: number;
  onReset?: () => void;
}

/** Puts a device together: accesses that fit no BAR are counted here, so no space ever sees them. */
export function assembleDevice(parts: DeviceParts): RegisterDevice {
  const { bars, spaces, rejects, config } = parts;
  const find = (bar: number, offset: number, length: number): BarSpace | undefined => {
    const shape = bars[bar];
    if (shape === undefined) {
      rejects.add('no-bar', { bar, offset, length });
      return undefined;
    }
    if (!(offset >= 0 && offset + length <= shape.size)) {
      rejects.add('beyond-region', { bar, offset, length });
      return undefined;
    }
    const space = spaces[bar];
    if (space === undefined) rejects.add('not-mapped', { bar, offset, length });
    return space;
  };
  return {
    name: parts.name,
    config,
    bars,
    msixVectors: parts.msixVectors ?? 0,
    registers: parts.registers,
    readBar(bar, offset, into) {
      const space = find(bar, offset, into.length);
      if (space === undefined) into.fill(0);
      else space.read(offset, into);
    },
    writeBar(bar, offset, from) {
      find(bar, offset, from.length)?.write(offset, from);
    },
    reset() {
      parts.onReset?.();
      config.reset();
    },
    counters: rejects.counters,
  };
}
