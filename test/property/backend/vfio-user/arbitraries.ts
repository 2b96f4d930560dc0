// What a vfio-user peer may send, for fast-check: valid messages of every command, nearly valid ones, and noise.
import fc from 'fast-check';
import * as wire from '../../../../guest-driver/model/messages.ts';
import { PTNET } from '../../../../pci/index.ts';
import { FD_KINDS, type FdKind } from './descriptors.ts';

const { VFIO_USER, MESSAGE_FLAG } = wire;
const PAGE = 0x1000n;

/** A message as it will be sent: what is in the header, what follows it, and which descriptors come along. */
export interface Sent {
  readonly command: number;
  readonly flags: number;
  readonly errno: number;
  /** Added to the true size in the header. */
  readonly sizeError: number;
  readonly payload: Uint8Array;
  readonly fds: readonly FdKind[];
}

function sent(command: number, payload: Uint8Array = new Uint8Array(), fds: readonly FdKind[] = []): Sent {
  return { command, flags: 0, errno: 0, sizeError: 0, payload, fds };
}

const pages = (max: number): fc.Arbitrary<bigint> => fc.nat(max).map((count) => BigInt(count) * PAGE);
const few = fc.integer({ min: 1, max: 3 }).map((count) => BigInt(count) * PAGE);

const dmaMap = fc
  .record({
    address: pages(12),
    size: few,
    offset: pages(2),
    flags: fc.constantFrom(3, 3, 3, 1, 2),
    fd: fc.constantFrom<FdKind | undefined>('memory', 'memory', 'memory', 'read-only', undefined),
  })
  .map(({ fd, ...map }) => sent(VFIO_USER.DMA_MAP, wire.encodeDmaMap(map), fd === undefined ? [] : [fd]));

const dmaUnmap = fc
  .oneof(
    { weight: 5, arbitrary: fc.record({ address: pages(12), size: few }) },
    { weight: 1, arbitrary: fc.constant({ address: 0n, size: 16n * PAGE }) },
    { weight: 1, arbitrary: fc.constant({ address: 0n, size: 0n, flags: 2 }) },
  )
  .map((unmap) => sent(VFIO_USER.DMA_UNMAP, wire.encodeDmaUnmap(unmap)));

const setIrqs = fc
  .record({
    index: fc.constantFrom(2, 2, 2, 2, 0, 3, 4),
    data: fc.constantFrom(1, 2, 4, 4),
    action: fc.constantFrom(8, 16, 32, 32),
    end: fc.integer({ min: 1, max: 5 }),
    length: fc.nat(5),
    bools: fc.uint8Array({ minLength: 5, maxLength: 5, max: 1 }),
    without: fc.constantFrom(false, false, true),
  })
  .map(({ index, data, action, end, length, bools, without }) => {
    const start = Math.max(0, end - length);
    const count = end - start;
    const fds: FdKind[] = data === 4 && !without ? Array(count).fill('eventfd') : [];
    const extra = data === 2 ? bools.subarray(0, count) : new Uint8Array();
    const payload = wire.encodeSetIrqs({ index, flags: data | action, start, count, data: extra });
    return sent(VFIO_USER.SET_IRQS, payload, fds);
  });

const asks = fc.constantFrom<(index: number, argsz: number) => Sent>(
  (_, argsz) => sent(VFIO_USER.DEVICE_GET_INFO, wire.encodeDeviceInfo(argsz)),
  (index, argsz) => sent(VFIO_USER.GET_REGION_INFO, wire.encodeRegionInfo(index, argsz)),
  (index, argsz) => sent(VFIO_USER.GET_REGION_IO_FDS, wire.encodeRegionIoFds(index, argsz)),
  (index, argsz) => sent(VFIO_USER.GET_IRQ_INFO, wire.encodeIrqInfo(index % 5, argsz)),
);
const questions = fc
  .tuple(asks, fc.nat(8), fc.constantFrom(32, 64, 96, 4096))
  .map(([ask, index, argsz]) => ask(index, argsz));

const place = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.constant(0),
      fc.nat(63).map((n) => 4 * n),
      fc.constant(4),
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant(7), fc.nat(252), fc.constantFrom(1, 2, 4)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(2), fc.nat(4000), fc.constantFrom(4, 8)) },
);
const regionRead = place.map(([region, offset, count]) =>
  sent(VFIO_USER.REGION_READ, wire.encodeRegionAccess({ region, offset: BigInt(offset), count })),
);
const regionWrite = fc
  .tuple(place, fc.uint8Array({ minLength: 8, maxLength: 8 }))
  .map(([[region, offset, count], data]) => {
    const access = { region, offset: BigInt(offset), count };
    return sent(VFIO_USER.REGION_WRITE, wire.encodeRegionAccess(access, data.subarray(0, count)));
  });

/** What a driver writes, so that CREATE succeeds now and then. */
const driver = fc
  .constantFrom<[number, number]>(
    [PTNET.IO_CSB_GH_BAL, 0x1000],
    [PTNET.IO_CSB_HG_BAL, 0x2000],
    [PTNET.IO_PTCTL, 1],
    [PTNET.IO_PTCTL, 2],
    [PTNET.IO_VNET_HDR_LEN, 12],
    [PTNET.KICK_BASE, 0],
  )
  .map(([offset, value]) => ({ region: 0, offset: BigInt(offset), data: le32(value) }));
const driverWrite = driver.map(({ data, ...at }) =>
  sent(VFIO_USER.REGION_WRITE, wire.encodeRegionAccess({ ...at, count: 4 }, data)),
);
const writeMulti = fc
  .array(driver, { maxLength: 6 })
  .map((writes) => sent(VFIO_USER.REGION_WRITE_MULTI, wire.encodeRegionWriteMulti(writes)));

const refused = fc
  .constantFrom(
    VFIO_USER.DMA_READ,
    VFIO_USER.DMA_WRITE,
    VFIO_USER.DEVICE_FEATURE,
    VFIO_USER.MIG_DATA_READ,
    14,
    99,
  )
  .map((command) => sent(command, new Uint8Array(16)));

export const valid: fc.Arbitrary<Sent> = fc.oneof(
  { weight: 6, arbitrary: dmaMap },
  { weight: 3, arbitrary: dmaUnmap },
  { weight: 4, arbitrary: setIrqs },
  { weight: 2, arbitrary: questions },
  { weight: 1, arbitrary: regionRead },
  { weight: 2, arbitrary: regionWrite },
  { weight: 3, arbitrary: driverWrite },
  { weight: 1, arbitrary: writeMulti },
  { weight: 1, arbitrary: fc.constant(sent(VFIO_USER.DEVICE_RESET)) },
  { weight: 1, arbitrary: refused },
);

const interesting = fc.oneof(
  fc.constantFrom(0, 1, 2, 7, 15, 16, 31, 33, 0x1000, 0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
const fdLists = fc.array(fc.constantFrom(...FD_KINDS), { maxLength: 18 });

type Mutation = (message: Sent) => Sent;

/** One thing that is wrong with a message. */
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.nat(9), interesting).map(([at, value]) => setField(4 * at, value)) },
  { weight: 2, arbitrary: fc.nat(40).map(truncate) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }).map(pad) },
  {
    weight: 2,
    arbitrary: fc.nat(20).map(
      (command): Mutation =>
        (message) => ({ ...message, command }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<number>(MESSAGE_FLAG.NO_REPLY, 1, 2, 0xf, MESSAGE_FLAG.ERROR, 0x21, 0x40, 0xffff_fff0)
      .map(
        (flags): Mutation =>
          (message) => ({ ...message, flags }),
      ),
  },
  {
    weight: 1,
    arbitrary: interesting.map(
      (errno): Mutation =>
        (message) => ({ ...message, errno }),
    ),
  },
  {
    weight: 4,
    arbitrary: fdLists.map(
      (fds): Mutation =>
        (message) => ({ ...message, fds }),
    ),
  },
);

/** Ends the session when it is met, so it comes rarely. */
const sizeError = fc.constantFrom(-16, -1, 1, 4096, -0x7fff_ffff).map(
  (error): Mutation =>
    (message) => ({ ...message, sizeError: error }),
);

function setField(at: number, value: number): Mutation {
  return (message) => {
    if (at + 4 > message.payload.length) return message;
    const payload = message.payload.slice();
    new DataView(payload.buffer).setUint32(at, value, true);
    return { ...message, payload };
  };
}

function truncate(by: number): Mutation {
  return (message) => ({
    ...message,
    payload: message.payload.slice(0, Math.max(0, message.payload.length - by)),
  });
}

function pad(more: Uint8Array): Mutation {
  return (message) => ({ ...message, payload: Uint8Array.from([...message.payload, ...more]) });
}

const nearlyValid = fc
  .tuple(valid, fc.array(mutation, { minLength: 1, maxLength: 2 }))
  .map(([message, mutations]) => mutations.reduce((changed, mutate) => mutate(changed), message));

const noise = fc.record({
  command: fc.nat(0xffff),
  flags: interesting,
  errno: interesting,
  sizeError: fc.constant(0),
  payload: fc.uint8Array({ maxLength: 64 }),
  fds: fdLists,
});

export const version = sent(
  VFIO_USER.VERSION,
  wire.encodeVersion({ major: 0, minor: 0, capabilities: { max_msg_fds: 16, write_multiple: true } }),
);

const badVersion = fc.constantFrom(
  sent(VFIO_USER.VERSION, wire.encodeVersion({ major: 1, minor: 0, capabilities: {} })),
  sent(VFIO_USER.VERSION, wire.encodeVersion({ major: 0, minor: 0, capabilities: '{"capabilities":7}\0' })),
);

export type Step = { readonly kind: 'send'; readonly message: Sent } | { readonly kind: 'hang-up' };

const send = (message: Sent): Step => ({ kind: 'send', message });

export const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 40, arbitrary: valid.map(send) },
    { weight: 30, arbitrary: nearlyValid.map(send) },
    { weight: 4, arbitrary: noise.map(send) },
    { weight: 1, arbitrary: fc.tuple(valid, sizeError).map(([message, mutate]) => send(mutate(message))) },
    { weight: 1, arbitrary: badVersion.map(send) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'hang-up' }) },
  ),
  { maxLength: 80, size: 'max' },
);

/** The bytes of a message. */
export function encode(message: Sent, msgId: number): Uint8Array {
  const { command, flags, errno, sizeError: wrong, payload } = message;
  const size = (wire.HEADER_SIZE + payload.length + wrong) >>> 0;
  return wire.encodeMessage({ msgId, command, flags, errno, size }, payload);
}

function le32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
