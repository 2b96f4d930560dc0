// A device with a driver model on it: sends frames until the host has taken them, and hands out what came.
import type { GuestPort } from '../../../guest-driver/model/index.ts';
import type { Placed } from '../../config/placed.ts';

/** Of a packet in netmap. */
const FRAGMENTS_MAX = 64;
const PATIENCE_MS = 10_000;

export interface Station {
  readonly place: Placed;
  /** Bytes of a frame that fit its rings, and slots that it may fill without making another one's ring full. */
  readonly longest: number;
  readonly slots: number;
  readonly bufSize: number;
  /** Resolves when the host has taken all; to how many it has not taken in time. */
  send(frames: readonly Uint8Array[], ring?: number): Promise<number>;
  /** What has come since, in each ring's order. */
  drain(): Promise<Uint8Array[]>;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class ModelStation implements Station {
  readonly place: Placed;
  readonly port: GuestPort;

  constructor(place: Placed, port: GuestPort) {
    this.place = place;
    this.port = port;
  }

  get bufSize(): number {
    return this.port.memdev.bufPool.size;
  }

  get slots(): number {
    const { txSlots, rxSlots } = this.place.port;
    return Math.max(1, Math.floor((Math.min(txSlots, rxSlots) - 1) / 2));
  }

  get longest(): number {
    const { txSlots, rxSlots } = this.place.port;
    return Math.min(FRAGMENTS_MAX, txSlots - 1, rxSlots - 1) * this.bufSize;
  }

  async send(frames: readonly Uint8Array[], ring = 0): Promise<number> {
    const tx = this.port.tx[ring % this.port.tx.length]!;
    const left = [...frames];
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      while (left[0] !== undefined && tx.put(left[0])) left.shift();
      await tx.txsync();
      if (left.length === 0 && tx.pending() === 0) return 0;
      if (Date.now() > deadline) return left.length + tx.pending();
      await pause(0);
    }
  }

  async drain(): Promise<Uint8Array[]> {
    const frames: Uint8Array[] = [];
    for (const ring of this.port.rx) {
      for (;;) {
        await ring.rxsync();
        const before = frames.length;
        for (let frame = ring.take(); frame !== undefined; frame = ring.take()) frames.push(frame);
        if (frames.length === before) break;
      }
      // Slots that were given back are published by the next sync.
      await ring.rxsync();
    }
    return frames;
  }
}
