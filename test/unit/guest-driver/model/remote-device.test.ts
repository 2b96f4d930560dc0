// Every vfio-user command as RemoteDevice sends it, against bytes written down from the protocol's tables.
import { constants } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { RemoteDevice } from '../../../../guest-driver/model/remote-device.ts';
import { closeFd, eventfd } from '../../../../native/os.ts';
import { type Answer, FakeServer, type Request } from './fake-server.ts';

const servers: FakeServer[] = [];
function serve(answer: (request: Request) => Answer = () => ({})): {
  server: FakeServer;
  device: RemoteDevice;
} {
  const server = new FakeServer(answer);
  servers.push(server);
  return { server, device: new RemoteDevice(server.client) };
}
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** `u16 1 u32 2 u64 3 text` style bytes: [width, value] pairs. */
function bytes(...fields: readonly (readonly [2 | 4 | 8, number | bigint])[]): Buffer {
  const out = Buffer.alloc(fields.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 8) out.writeBigUInt64LE(BigInt(value), at);
    else out.writeUIntLE(Number(value), at, width);
    at += width;
  }
  return out;
}

const versionReply = (capabilities: object, major = 0) =>
  Buffer.concat([bytes([2, major], [2, 0]), Buffer.from(`${JSON.stringify({ capabilities })}\0`)]);

describe('VERSION', () => {
  test('sends 0.0 and NUL-terminated JSON, takes the smaller limits', async () => {
    const { server, device } = serve(() => ({
      payload: versionReply({ max_msg_fds: 3, max_data_xfer_size: 1 << 30 }),
    }));
    await device.negotiate();
    const { payload } = server.requests[0]!;
    expect(payload.readUInt32LE(0)).toBe(0);
    expect(payload.at(-1)).toBe(0);
    expect(JSON.parse(payload.toString('utf8', 4, payload.length - 1))).toMatchObject({
      capabilities: { max_msg_fds: 8 },
    });
    expect(device).toMatchObject({ maxMsgFds: 3, maxDataXferSize: 1 << 20 });
  });

  test('a reply without JSON means the defaults', async () => {
    const { device } = serve(() => ({ payload: bytes([2, 0], [2, 1]) }));
    expect(await device.negotiate()).toEqual({ major: 0, minor: 1, capabilities: {} });
    expect(device.maxMsgFds).toBe(1);
  });

  test.each([
    ['another major version', versionReply({}, 1), 'vfio-user version 1: want 0'],
    ['text without NUL', versionReply({}).subarray(0, -1), 'no NUL'],
    ['half a version', bytes([2, 0]), '2 bytes, want 4 or more'],
  ])('%s is refused', async (_, payload, message) => {
    const { device } = serve(() => ({ payload }));
    await expect(device.negotiate()).rejects.toThrow(message);
  });
});

test('DEVICE_GET_INFO', async () => {
  const { server, device } = serve(() => ({ payload: bytes([4, 16], [4, 3], [4, 9], [4, 5]) }));
  expect(await device.deviceInfo()).toEqual({ flags: 3, numRegions: 9, numIrqs: 5 });
  expect(server.requests[0]).toMatchObject({ command: 4, payload: bytes([4, 16], [4, 0], [4, 0], [4, 0]) });
});

describe('GET_REGION_INFO', () => {
  const info = (argsz: number, flags: number, capOffset = 0) =>
    bytes([4, argsz], [4, flags], [4, 1], [4, capOffset], [8, 0x20000], [8, 0x1000]);

  test('a region without capabilities', async () => {
    const { server, device } = serve(() => ({ payload: info(32, 3) }));
    expect(await device.regionInfo(1)).toEqual({
      argsz: 32,
      flags: 3,
      index: 1,
      size: 0x20000n,
      offset: 0x1000n,
    });
    expect(server.requests[0]).toMatchObject({
      command: 5,
      payload: bytes([4, 32], [4, 0], [4, 1], [4, 0], [8, 0], [8, 0]),
    });
  });

  test('asks again with the room that the capabilities take, and closes the first descriptor', async () => {
    const fd = eventfd();
    const sparse = bytes(
      [2, 1],
      [2, 1],
      [4, 0],
      [4, 2],
      [4, 0],
      [8, 0],
      [8, 0x1000],
      [8, 0x2000],
      [8, 0x3000],
    );
    const { server, device } = serve(({ payload }) =>
      payload.readUInt32LE(0) < 80
        ? { payload: info(80, 0xf), fds: [fd] }
        : { payload: Buffer.concat([info(80, 0xf, 32), sparse]), fds: [fd] },
    );
    const region = await device.regionInfo(1);
    expect(region.mappable).toEqual([
      { offset: 0n, size: 0x1000n },
      { offset: 0x2000n, size: 0x3000n },
    ]);
    expect(server.requests.map(({ payload }) => payload.readUInt32LE(0))).toEqual([32, 80]);
    closeFd(region.fd!);
    closeFd(fd);
  });

  test('a chain of capabilities that goes in a circle ends', async () => {
    const loop = bytes([2, 9], [2, 1], [4, 32]);
    const { device } = serve(() => ({ payload: Buffer.concat([info(32, 0xf, 32), loop]) }));
    expect((await device.regionInfo(1)).mappable).toBeUndefined();
  });
});

test('GET_REGION_IO_FDS asks again with more room and gives the descriptors', async () => {
  const fd = eventfd();
  const entry = bytes([8, 128], [8, 4], [4, 0], [4, 0], [4, 0], [4, 0], [8, 0]);
  const { server, device } = serve(({ payload }) =>
    payload.readUInt32LE(0) < 56
      ? { payload: bytes([4, 56], [4, 0], [4, 0], [4, 1]) }
      : { payload: Buffer.concat([bytes([4, 56], [4, 0], [4, 0], [4, 1]), entry]), fds: [fd] },
  );
  const { ioFds, fds } = await device.regionIoFds(0);
  expect(ioFds).toEqual([{ offset: 128n, size: 4n, fdIndex: 0, type: 0, flags: 0, datamatch: 0n }]);
  expect(fds).toHaveLength(1);
  expect(server.requests).toHaveLength(2);
  for (const open of [...fds, fd]) closeFd(open);
});

test('DMA_MAP and DMA_UNMAP', async () => {
  const { server, device } = serve();
  const fd = eventfd();
  await device.dmaMap({ address: 0x1_0000_0000n, size: 0x2000n, offset: 0x1000n }, fd);
  await device.dmaMap({ address: 0xe000_0000n, size: 0x1000n, flags: 1 });
  await device.dmaUnmap({ address: 0xe000_0000n, size: 0x1000n });
  expect(server.requests.map(({ command, fds }) => [command, fds.length])).toEqual([
    [2, 1],
    [2, 0],
    [3, 0],
  ]);
  expect(server.requests[0]!.payload).toEqual(
    bytes([4, 32], [4, 3], [8, 0x1000], [8, 0x1_0000_0000n], [8, 0x2000]),
  );
  expect(server.requests[1]!.payload).toEqual(bytes([4, 32], [4, 1], [8, 0], [8, 0xe000_0000], [8, 0x1000]));
  expect(server.requests[2]!.payload).toEqual(bytes([4, 24], [4, 0], [8, 0xe000_0000], [8, 0x1000]));
  closeFd(fd);
});

test('GET_IRQ_INFO', async () => {
  const { server, device } = serve(() => ({ payload: bytes([4, 16], [4, 9], [4, 2], [4, 4]) }));
  expect(await device.irqInfo(2)).toEqual({ flags: 9, index: 2, count: 4 });
  expect(server.requests[0]!.payload).toEqual(bytes([4, 16], [4, 0], [4, 2], [4, 0]));
});

test('SET_IRQS attaches at most as many descriptors a message as the server takes', async () => {
  const { server, device } = serve();
  device.maxMsgFds = 2;
  const fds = [eventfd(), eventfd(), eventfd()];
  await device.attachIrqs(2, fds);
  await device.disableIrqs(2);
  const setIrqs = (flags: number, start: number, count: number) =>
    bytes([4, 20], [4, flags], [4, 2], [4, start], [4, count]);
  expect(server.requests.map(({ payload, fds: sent }) => [payload, sent.length])).toEqual([
    [setIrqs(36, 0, 2), 2],
    [setIrqs(36, 2, 1), 1],
    [setIrqs(33, 0, 0), 0],
  ]);
  for (const fd of fds) closeFd(fd);
});

test('REGION_READ and REGION_WRITE', async () => {
  const { server, device } = serve(({ command, payload }) => ({
    payload: command === 9 ? Buffer.concat([payload, bytes([4, 0xdeadbeef])]) : payload.subarray(0, 16),
  }));
  expect(await device.read32(0, 24)).toBe(0xdeadbeef);
  await device.write32(0, 128, 0x80000001);
  device.postWrite32(2, 4, 5);
  await server.received(3);
  expect(server.requests[0]!.payload).toEqual(bytes([8, 24], [4, 0], [4, 4]));
  expect(server.requests[1]!.payload).toEqual(bytes([8, 128], [4, 0], [4, 4], [4, 0x80000001]));
  expect(server.requests[2]).toMatchObject({ flags: 0x10, payload: bytes([8, 4], [4, 2], [4, 4], [4, 5]) });
});

test('a read that comes back shorter than asked is an error, a refused one that was expected is not', async () => {
  const { server, device } = serve(({ payload }) => ({ payload }));
  await expect(device.read(0, 0, 4)).rejects.toThrow('REGION_READ of 4 bytes: got 0');
  server.answer = () => ({ errno: constants.errno.EINVAL });
  expect(await device.read(0, 0, 4, { expectErrno: constants.errno.EINVAL })).toEqual(new Uint8Array());
});

test('REGION_WRITE_MULTI', async () => {
  const { server, device } = serve();
  await device.writeMulti([
    { offset: 128n, region: 0, data: Uint8Array.of(1, 2, 3, 4) },
    { offset: 132n, region: 0, data: Uint8Array.of(5) },
  ]);
  expect(server.requests[0]).toMatchObject({
    command: 15,
    payload: bytes([8, 2], [8, 128], [4, 0], [4, 4], [8, 0x04030201], [8, 132], [4, 0], [4, 1], [8, 5]),
  });
});

test('DEVICE_RESET', async () => {
  const { server, device } = serve();
  await device.reset();
  expect(server.requests[0]).toMatchObject({ command: 13, payload: Buffer.alloc(0) });
});
