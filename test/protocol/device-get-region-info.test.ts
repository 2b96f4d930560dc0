// VFIO_USER_DEVICE_GET_REGION_INFO: sizes of all regions, and the descriptor of one that can be mapped.
import { expect, test } from 'vitest';
import { decodeRegionInfo, encodeRegionInfo, type RegionInfo } from '../../guest-driver/model/messages.ts';
import { inspectFd } from '../../native/os.ts';
import { BAR1_SIZE, memdev, memoryHooks } from './memdev.ts';
import { E, type Peer, useFixture, VFIO_USER } from './peer.ts';
import { RecordingHooks } from './recording.ts';

const fixture = useFixture();
const READ_WRITE = 3;
const MMAP = 4;
const CAPS = 8;

function ask(
  peer: Peer,
  index: number,
  argsz?: number,
): { info: RegionInfo; length: number; fds: readonly number[] } {
  const { payload, fds } = peer.send(VFIO_USER.GET_REGION_INFO, encodeRegionInfo(index, argsz));
  return { info: decodeRegionInfo(payload), length: payload.length, fds };
}

test('the regions of a ptnet device', () => {
  const peer = fixture.attach();
  const all = Array.from({ length: 9 }, (_, index) => ask(peer, index));
  expect(all.map(({ info }) => Number(info.size))).toEqual([256, 0, 4096, 0, 0, 0, 0, 256, 0]);
  expect(all.map(({ info }) => info.flags)).toEqual([3, 0, 3, 0, 0, 0, 0, 3, 0]);
  expect(all.map(({ info }) => info.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(all.flatMap(({ fds }) => fds)).toEqual([]);
});

test('a region that can be mapped comes with its descriptor', () => {
  const fd = fixture.memfd(BAR1_SIZE);
  const peer = fixture.attach({ device: memdev(), hooks: memoryHooks(fd) });
  const { info, fds, length } = ask(peer, 1);
  expect(info).toEqual({
    argsz: 32,
    flags: READ_WRITE | MMAP,
    index: 1,
    size: BigInt(BAR1_SIZE),
    offset: 0n,
  });
  expect(length).toBe(32);
  expect(fds.map((each) => inspectFd(each).inode)).toEqual([inspectFd(fd).inode]);
});

test('the offset says where the region starts in its descriptor', () => {
  const hooks = memoryHooks(fixture.memfd(2 * BAR1_SIZE), BAR1_SIZE, BigInt(BAR1_SIZE));
  expect(ask(fixture.attach({ device: memdev(), hooks }), 1).info.offset).toBe(BigInt(BAR1_SIZE));
});

test('when only a part can be mapped, the sparse capability names it', () => {
  const hooks = memoryHooks(fixture.memfd(BAR1_SIZE), 0x3800);
  const { info, fds, length } = ask(fixture.attach({ device: memdev(), hooks }), 1, 64);
  expect(info).toMatchObject({ argsz: 64, flags: READ_WRITE | MMAP | CAPS, size: BigInt(BAR1_SIZE) });
  // Whole pages only.
  expect(info.mappable).toEqual([{ offset: 0n, size: 0x3000n }]);
  expect(length).toBe(64);
  expect(fds).toHaveLength(1);
});

test('a client without room for the capability learns how much it needs, and gets the descriptor later', () => {
  const hooks = memoryHooks(fixture.memfd(BAR1_SIZE), 0x3000);
  const peer = fixture.attach({ device: memdev(), hooks });
  const first = ask(peer, 1, 63);
  expect(first).toMatchObject({ length: 32, fds: [], info: { argsz: 64 } });
  const second = ask(peer, 1, first.info.argsz);
  expect(second.info.mappable).toHaveLength(1);
  expect(second.fds).toHaveLength(1);
});

test('less than a page cannot be mapped', () => {
  const hooks = memoryHooks(fixture.memfd(BAR1_SIZE), 0xfff);
  expect(ask(fixture.attach({ device: memdev(), hooks }), 1)).toMatchObject({
    info: { flags: READ_WRITE },
    fds: [],
  });
});

test('a client that takes no descriptors is not told that it can map', () => {
  const hooks = memoryHooks(fixture.memfd(BAR1_SIZE));
  const peer = fixture.attach({ device: memdev(), hooks, capabilities: { max_msg_fds: 0 } });
  expect(ask(peer, 1)).toMatchObject({ info: { flags: READ_WRITE, size: BigInt(BAR1_SIZE) }, fds: [] });
});

test('a host without memory for it has the region reached by messages', () => {
  const peer = fixture.attach({ device: memdev(), hooks: new RecordingHooks() });
  expect(ask(peer, 1)).toMatchObject({ info: { flags: READ_WRITE, size: BigInt(BAR1_SIZE) }, fds: [] });
});

test.each([9, 100, 0xffff_ffff])('region %i is refused with EINVAL', (index) => {
  const payload = encodeRegionInfo(index);
  fixture.attach().send(VFIO_USER.GET_REGION_INFO, payload, { expect: E.EINVAL });
});

test('an argsz that is too small is refused with EINVAL', () => {
  const payload = encodeRegionInfo(0, 31);
  fixture.attach().send(VFIO_USER.GET_REGION_INFO, payload, { expect: E.EINVAL });
});

test.each([0, 31])('a payload of %i bytes is refused with EINVAL', (length) => {
  const payload = new Uint8Array(length).fill(64);
  fixture.attach().send(VFIO_USER.GET_REGION_INFO, payload, { expect: E.EINVAL });
});

test('descriptors do not belong here', () => {
  const options = { expect: E.EINVAL, fds: [fixture.eventfd()] };
  fixture.attach().send(VFIO_USER.GET_REGION_INFO, encodeRegionInfo(0), options);
});

test('room for capabilities may be in the message too, as SPDK leaves it', () => {
  const payload = new Uint8Array(32 + 64);
  new DataView(payload.buffer).setUint32(0, payload.length, true);
  const short = payload.slice(0, 32);
  const ask = (bytes: Uint8Array) => fixture.attach().send(VFIO_USER.GET_REGION_INFO, bytes).payload;
  expect(ask(payload)).toEqual(ask(short));
});
