// What each vfio-user command does, as a table by command.
import { constants } from 'node:os';
import type { PciDevice } from '../../pci/index.ts';
import { ProtocolError } from '../errors.ts';
import type { DmaTable } from './dma.ts';
import type { VfioUserHooks } from './hooks.ts';
import type { Interrupts } from './irqs.ts';
import type { Message } from './message.ts';
import {
  DEVICE_FLAG,
  IO_FD_TYPE_IOEVENTFD,
  IOEVENTFD_FLAG_PIO,
  IRQ,
  MAX_RECEIVED_FDS,
  REGION,
  VFIO_USER,
} from './protocol.ts';
import { checkAccess, describeRegion, readRegion, regionSize, writeRegion } from './regions.ts';
import type { ClientLimits } from './version.ts';
import * as wire from './wire.ts';

const { EOPNOTSUPP } = constants.errno;

/** What handlers work on: one session's state and the device it talks to. */
export interface Subject {
  readonly device: PciDevice;
  readonly hooks: VfioUserHooks;
  readonly dma: DmaTable;
  readonly irqs: Interrupts;
  readonly limits: ClientLimits;
}

/** Descriptors stay whose they are: sending duplicates them. */
export interface Reply {
  readonly payload: Uint8Array;
  readonly fds: readonly number[];
}

export interface Handler {
  /** Descriptors that may come with it. */
  readonly maxFds: number;
  /**
   * What takes long is done in pieces, and yields between them.
   * @throws ProtocolError with the errno for the reply.
   */
  run(subject: Subject, message: Message): Reply | Generator<void, Reply>;
}

const EMPTY = new Uint8Array(0);

function reply(payload: Uint8Array = EMPTY, fds: readonly number[] = []): Reply {
  return { payload, fds };
}

const dmaMap: Handler = {
  maxFds: 1,
  run({ dma }, message) {
    dma.map(wire.decodeDmaMap(message.payload), message.fds[0]);
    // The table has it now.
    message.takeFds();
    return reply();
  },
};

const dmaUnmap: Handler = {
  // SPDK's client sends along what it has mapped; nobody takes it.
  maxFds: 1,
  run({ dma, hooks }, { payload }) {
    const request = wire.decodeDmaUnmap(payload);
    dma.unmap(request, (map) => hooks.onDmaUnmap(dma, map.address, map.size));
    return reply(wire.encodeDmaUnmap(request));
  },
};

const getInfo: Handler = {
  maxFds: 0,
  run(_, { payload }) {
    wire.decodeDeviceInfo(payload);
    const flags = DEVICE_FLAG.PCI | DEVICE_FLAG.RESET;
    return reply(wire.encodeDeviceInfo({ flags, regions: REGION.COUNT, irqs: IRQ.COUNT }));
  },
};

const getRegionInfo: Handler = {
  maxFds: 0,
  run({ device, hooks, limits }, message) {
    const { argsz, index } = wire.decodeRegionInfo(message.payload);
    // A client that takes no descriptors cannot map anything.
    const offered = limits.maxMsgFds > 0 ? hooks : { ...hooks, regionFd: () => undefined };
    const { info, fd } = describeRegion(device, offered, index);
    const { payload, complete } = wire.encodeRegionInfo(info, argsz);
    // The client asks again when it has room for all; the descriptor comes then, once.
    return reply(payload, fd !== undefined && complete ? [fd] : []);
  },
};

const getRegionIoFds: Handler = {
  maxFds: 0,
  run({ device, hooks, limits }, message) {
    const { argsz, index } = wire.decodeRegionIoFds(message.payload);
    regionSize(device, index);
    const all = hooks.ioFds?.(index) ?? [];
    const room = wire.ioFdsThatFit(argsz, all.length);
    const flags = device.bars[index]?.kind === 'io' ? IOEVENTFD_FLAG_PIO : 0;
    const fds: number[] = [];
    const entries: wire.IoFd[] = [];
    for (const { fd, offset, size } of all.slice(0, room)) {
      if (!fds.includes(fd)) {
        // What the client cannot take is not offered: those doorbells stay messages.
        if (fds.length === limits.maxMsgFds) break;
        fds.push(fd);
      }
      entries.push({ offset, size, fdIndex: fds.indexOf(fd), type: IO_FD_TYPE_IOEVENTFD, flags });
    }
    const offered = room < all.length ? all.length : entries.length;
    return reply(wire.encodeRegionIoFds(index, offered, entries), fds);
  },
};

const getIrqInfo: Handler = {
  maxFds: 0,
  run({ irqs }, { payload }) {
    return reply(wire.encodeIrqInfo(irqs.describe(wire.decodeIrqInfo(payload).index)));
  },
};

const setIrqs: Handler = {
  maxFds: MAX_RECEIVED_FDS,
  run({ irqs }, message) {
    irqs.set(wire.decodeSetIrqs(message.payload), message);
    return reply();
  },
};

const regionRead: Handler = {
  maxFds: 0,
  run({ device }, message) {
    const access = wire.decodeRegionRead(message.payload);
    checkAccess(device, access);
    const { payload, data } = wire.encodeRegionAccess(access, access.count);
    readRegion(device, access, data);
    return reply(payload);
  },
};

const regionWrite: Handler = {
  maxFds: 0,
  run({ device }, message) {
    const access = wire.decodeRegionWrite(message.payload);
    checkAccess(device, access);
    writeRegion(device, access, access.data);
    return reply(wire.encodeRegionAccess(access).payload);
  },
};

const regionWriteMulti: Handler = {
  maxFds: 0,
  *run({ device }, message) {
    const writes = wire.decodeWriteMulti(message.payload);
    // All or none: an errno has no room for how many were done.
    for (let i = 0; i < writes.count; i++) {
      checkAccess(device, writes.at(i));
      yield;
    }
    for (let i = 0; i < writes.count; i++) {
      const access = writes.at(i);
      writeRegion(device, access, access.data);
      yield;
    }
    return reply(wire.encodeWriteMulti(writes.count));
  },
};

const deviceReset: Handler = {
  maxFds: 0,
  run({ device }, { payload }) {
    wire.Fields.exactly(payload, 0);
    device.reset();
    return reply();
  },
};

/** Known, and not for us: migration, and what only a server may ask. */
function unsupported(why: string): Handler {
  return {
    maxFds: 0,
    run() {
      throw new ProtocolError(EOPNOTSUPP, why);
    },
  };
}

/** VFIO_USER_VERSION is the session's own affair. */
export const HANDLERS: ReadonlyMap<number, Handler> = new Map([
  [VFIO_USER.DMA_MAP, dmaMap],
  [VFIO_USER.DMA_UNMAP, dmaUnmap],
  [VFIO_USER.DEVICE_GET_INFO, getInfo],
  [VFIO_USER.DEVICE_GET_REGION_INFO, getRegionInfo],
  [VFIO_USER.DEVICE_GET_REGION_IO_FDS, getRegionIoFds],
  [VFIO_USER.DEVICE_GET_IRQ_INFO, getIrqInfo],
  [VFIO_USER.DEVICE_SET_IRQS, setIrqs],
  [VFIO_USER.REGION_READ, regionRead],
  [VFIO_USER.REGION_WRITE, regionWrite],
  [VFIO_USER.DMA_READ, unsupported('only a server sends it')],
  [VFIO_USER.DMA_WRITE, unsupported('only a server sends it')],
  [VFIO_USER.DEVICE_RESET, deviceReset],
  [VFIO_USER.REGION_WRITE_MULTI, regionWriteMulti],
  [VFIO_USER.DEVICE_FEATURE, unsupported('the device has no features such as migration')],
  [VFIO_USER.MIG_DATA_READ, unsupported('the device cannot migrate')],
  [VFIO_USER.MIG_DATA_WRITE, unsupported('the device cannot migrate')],
]);
