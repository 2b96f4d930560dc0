// A device model from pci/ behind a FakeServer: enough of a host to bring a guest's driver up, and to spoil one answer.

import { PciFunction } from '../../../../guest-driver/model/pci.ts';
import { RemoteDevice } from '../../../../guest-driver/model/remote-device.ts';
import type { PciDevice } from '../../../../pci/index.ts';
import { type Answer, FakeServer, type Request } from './fake-server.ts';

const CONFIG_REGION = 7;

export interface FakeDeviceOptions {
  /** Descriptor of a region's memory, by index. */
  regionFds?: Record<number, number>;
  /** May change an answer before it goes out. */
  spoil?: (request: Request, answer: NonNullable<Answer>) => void;
}

export class FakeDevice {
  readonly server: FakeServer;
  readonly pci: PciFunction;
  readonly #device: PciDevice;
  readonly #options: FakeDeviceOptions;

  constructor(device: PciDevice, options: FakeDeviceOptions = {}) {
    this.#device = device;
    this.#options = options;
    this.server = new FakeServer((request) => {
      const answer = this.#answer(request);
      options.spoil?.(request, answer);
      return answer;
    });
    this.pci = new PciFunction(new RemoteDevice(this.server.client));
  }

  /** Offset and value of every 4-byte write to a region so far. */
  writes(region: number): [number, number][] {
    return this.server.requests
      .filter(
        ({ command, payload }) =>
          command === 10 && payload.readUInt32LE(8) === region && payload.length === 20,
      )
      .map(({ payload }) => [Number(payload.readBigUInt64LE(0)), payload.readUInt32LE(16)]);
  }

  #answer({ command, payload }: Request): NonNullable<Answer> {
    if (command === 4) return { payload: words(16, 3, 9, 5) };
    if (command === 5) return this.#regionInfo(payload.readUInt32LE(8));
    if (command === 7) return { payload: words(16, 9, payload.readUInt32LE(8), this.#device.msixVectors) };
    if (command === 9) return { payload: Buffer.concat([payload, this.#read(payload)]) };
    if (command === 10) this.#write(payload);
    return { payload: payload.subarray(0, 16) };
  }

  #regionInfo(index: number): NonNullable<Answer> {
    const size = index === CONFIG_REGION ? 256 : (this.#device.bars[index]?.size ?? 0);
    const fd = this.#options.regionFds?.[index];
    const payload = words(32, fd === undefined ? 3 : 7, index, 0, size, 0, 0, 0);
    return fd === undefined ? { payload } : { payload, fds: [fd] };
  }

  #read(payload: Buffer): Uint8Array {
    const into = new Uint8Array(payload.readUInt32LE(12));
    const offset = Number(payload.readBigUInt64LE(0));
    const region = payload.readUInt32LE(8);
    if (region === CONFIG_REGION) this.#device.config.read(offset, into);
    else this.#device.readBar(region, offset, into);
    return into;
  }

  #write(payload: Buffer): void {
    const offset = Number(payload.readBigUInt64LE(0));
    const region = payload.readUInt32LE(8);
    if (region === CONFIG_REGION) this.#device.config.write(offset, payload.subarray(16));
    else this.#device.writeBar(region, offset, payload.subarray(16));
  }
}

export function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
  return bytes;
}
