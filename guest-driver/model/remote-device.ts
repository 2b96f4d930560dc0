// The vfio-user commands as methods: what QEMU's client asks of a device, in its order and with its limits.
import { closeFd } from '../../native/os.ts';
import { dropFds, type RequestOptions, type VfioUserClient } from './client.ts';
import { GuestError } from './errors.ts';
import * as wire from './messages.ts';
import { REGION_INFO_SIZE, SET_IRQS_FLAG, VFIO_USER } from './messages.ts';

/** What QEMU announces. */
export const CLIENT_CAPABILITIES = {
  max_msg_fds: 8,
  max_data_xfer_size: 1024 * 1024,
  pgsizes: 4096,
  max_dma_maps: 65535,
  write_multiple: true,
};

/** Defaults of the protocol for what the other side does not announce. */
const DEFAULT_MAX_MSG_FDS = 1;
const DEFAULT_MAX_DATA_XFER_SIZE = 1024 * 1024;

export interface RegionWithFd extends wire.RegionInfo {
  /** The caller's, when the server sent one. */
  fd?: number;
}

export class RemoteDevice {
  readonly client: VfioUserClient;
  version: wire.Version = { major: 0, minor: 0, capabilities: {} };
  maxMsgFds = DEFAULT_MAX_MSG_FDS;
  maxDataXferSize = DEFAULT_MAX_DATA_XFER_SIZE;

  constructor(client: VfioUserClient) {
    this.client = client;
  }

  get name(): string {
    return this.client.name;
  }

  /** VERSION, first of all. @throws GuestError for a major version that is not ours. */
  async negotiate(capabilities: object = CLIENT_CAPABILITIES, minor = 0): Promise<wire.Version> {
    const reply = await this.#ask(VFIO_USER.VERSION, wire.encodeVersion({ major: 0, minor, capabilities }));
    this.version = wire.decodeVersion(reply);
    if (this.version.major !== 0) {
      throw new GuestError(`${this.name}: vfio-user version ${this.version.major}: want 0`);
    }
    const number = (name: string, otherwise: number) => {
      const value = this.version.capabilities[name];
      return typeof value === 'number' && value > 0 ? value : otherwise;
    };
    this.maxMsgFds = Math.min(number('max_msg_fds', DEFAULT_MAX_MSG_FDS), CLIENT_CAPABILITIES.max_msg_fds);
    this.maxDataXferSize = Math.min(
      number('max_data_xfer_size', DEFAULT_MAX_DATA_XFER_SIZE),
      CLIENT_CAPABILITIES.max_data_xfer_size,
    );
    return this.version;
  }

  async deviceInfo(): Promise<wire.DeviceInfo> {
    return wire.decodeDeviceInfo(await this.#ask(VFIO_USER.DEVICE_GET_INFO, wire.encodeDeviceInfo()));
  }

  /** Asks again with more room when the capabilities did not fit, as QEMU does. */
  async regionInfo(index: number): Promise<RegionWithFd> {
    let argsz = REGION_INFO_SIZE;
    for (;;) {
      const request = wire.encodeRegionInfo(index, argsz);
      const reply = await this.client.request(VFIO_USER.GET_REGION_INFO, request);
      const fd = reply.fds.shift();
      dropFds(reply);
      const info = wire.decodeRegionInfo(reply.payload);
      if (info.argsz <= argsz) return fd === undefined ? info : { ...info, fd };
      if (fd !== undefined) closeFd(fd);
      argsz = info.argsz;
    }
  }

  /** GET_REGION_IO_FDS: doorbells as descriptors, which are the caller's. QEMU does not ask for them. */
  async regionIoFds(
    index: number,
    options: RequestOptions = {},
  ): Promise<{ ioFds: wire.IoFd[]; fds: number[] }> {
    let argsz = 16;
    for (;;) {
      const request = wire.encodeRegionIoFds(index, argsz);
      const reply = await this.client.request(VFIO_USER.GET_REGION_IO_FDS, request, options);
      if (reply.errno !== 0) return { ioFds: [], fds: [] };
      const answer = wire.decodeRegionIoFds(reply.payload);
      if (answer.argsz <= argsz) return { ioFds: answer.ioFds, fds: reply.fds.splice(0) };
      dropFds(reply);
      argsz = answer.argsz;
    }
  }

  async irqInfo(index: number): Promise<wire.IrqInfo> {
    return wire.decodeIrqInfo(await this.#ask(VFIO_USER.GET_IRQ_INFO, wire.encodeIrqInfo(index)));
  }

  async setIrqs(irqs: wire.SetIrqs, options: RequestOptions = {}): Promise<void> {
    await this.#ask(VFIO_USER.SET_IRQS, wire.encodeSetIrqs(irqs), options);
  }

  /** Attaches eventfds to interrupts from `start`, at most maxMsgFds a message. */
  async attachIrqs(index: number, fds: readonly number[], start = 0): Promise<void> {
    for (let done = 0; done < fds.length; done += this.maxMsgFds) {
      const part = fds.slice(done, done + this.maxMsgFds);
      const flags = SET_IRQS_FLAG.DATA_EVENTFD | SET_IRQS_FLAG.ACTION_TRIGGER;
      await this.setIrqs({ index, flags, start: start + done, count: part.length }, { fds: part });
    }
  }

  /** Takes all interrupts of an index down: DATA_NONE with count 0. */
  async disableIrqs(index: number): Promise<void> {
    const flags = SET_IRQS_FLAG.DATA_NONE | SET_IRQS_FLAG.ACTION_TRIGGER;
    await this.setIrqs({ index, flags, start: 0, count: 0 });
  }

  async read(
    region: number,
    offset: number | bigint,
    count: number,
    options: RequestOptions = {},
  ): Promise<Uint8Array> {
    const request = wire.encodeRegionAccess({ offset: BigInt(offset), region, count });
    const reply = await this.#ask(VFIO_USER.REGION_READ, request, options);
    if ((options.expectErrno ?? 0) !== 0) return new Uint8Array();
    const { data } = wire.decodeRegionAccess(reply);
    if (data.length !== count) {
      throw new GuestError(`${this.name}: REGION_READ of ${count} bytes: got ${data.length}`);
    }
    return data;
  }

  async write(
    region: number,
    offset: number | bigint,
    data: Uint8Array,
    options: RequestOptions = {},
  ): Promise<void> {
    const request = wire.encodeRegionAccess({ offset: BigInt(offset), region, count: data.length }, data);
    await this.#ask(VFIO_USER.REGION_WRITE, request, options);
  }

  /** A write without a reply, as QEMU does for a memory BAR. */
  postWrite(region: number, offset: number | bigint, data: Uint8Array): void {
    const request = wire.encodeRegionAccess({ offset: BigInt(offset), region, count: data.length }, data);
    this.client.post(VFIO_USER.REGION_WRITE, request);
  }

  async read32(region: number, offset: number): Promise<number> {
    const data = await this.read(region, offset, 4);
    return new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  }

  async write32(region: number, offset: number, value: number): Promise<void> {
    await this.write(region, offset, le32(value));
  }

  postWrite32(region: number, offset: number, value: number): void {
    this.postWrite(region, offset, le32(value));
  }

  async writeMulti(
    writes: readonly { offset: bigint; region: number; data: Uint8Array }[],
    options: RequestOptions = {},
  ): Promise<void> {
    await this.#ask(VFIO_USER.REGION_WRITE_MULTI, wire.encodeRegionWriteMulti(writes), options);
  }

  async dmaMap(map: wire.DmaMap, fd?: number, options: RequestOptions = {}): Promise<void> {
    const fds = fd === undefined ? [] : [fd];
    await this.#ask(VFIO_USER.DMA_MAP, wire.encodeDmaMap(map), { fds, ...options });
  }

  async dmaUnmap(unmap: wire.DmaUnmap, options: RequestOptions = {}): Promise<void> {
    await this.#ask(VFIO_USER.DMA_UNMAP, wire.encodeDmaUnmap(unmap), options);
  }

  async reset(): Promise<void> {
    await this.#ask(VFIO_USER.DEVICE_RESET);
  }

  /** A request whose reply brings no descriptor; resolves to its payload. */
  async #ask(command: number, payload?: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    const reply = await this.client.request(command, payload, options);
    dropFds(reply);
    return reply.payload;
  }
}

function le32(value: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value, true);
  return data;
}
