// VFIO_USER_REGION_WRITE_MULTI: several small writes in one message, all or none.
import { expect, test } from 'vitest';
import { encodeRegionWriteMulti } from '../../guest-driver/model/messages.ts';
import { PTNET } from '../../pci/index.ts';
import { readConfig, read as readRegister } from '../unit/pci/guest.ts';
import { E, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const write = (region: number, offset: number, ...data: number[]) => ({
  region,
  offset: BigInt(offset),
  data: Uint8Array.from(data),
});
const done = (payload: Uint8Array): bigint => new DataView(payload.slice().buffer).getBigUint64(0, true);

test('all writes are done, in order, and counted in the reply', () => {
  const peer = fixture.attach();
  const request = encodeRegionWriteMulti([
    write(0, PTNET.IO_VNET_HDR_LEN, 10, 0, 0, 0),
    write(7, 4, 7, 0),
    write(0, PTNET.IO_VNET_HDR_LEN, 12, 0, 0, 0),
  ]);
  const { payload } = peer.send(VFIO_USER.REGION_WRITE_MULTI, request);
  expect(payload).toHaveLength(8);
  expect(done(payload)).toBe(3n);
  expect(peer.backend.calls).toEqual(['header 10', 'header 12']);
  expect(readConfig(peer.device, 4, 2)).toBe(7);
});

test('posted, as QEMU sends it', () => {
  const peer = fixture.attach();
  const request = encodeRegionWriteMulti([write(0, PTNET.IO_VNET_HDR_LEN, 10, 0, 0, 0)]);
  peer.send(VFIO_USER.REGION_WRITE_MULTI, request, { noReply: true });
  expect(readRegister(peer.device, PTNET.IO_VNET_HDR_LEN)).toBe(10);
});

test('room for more writes than there are is ignored', () => {
  const peer = fixture.attach();
  const request = new Uint8Array(8 + 200 * 24);
  request.set(encodeRegionWriteMulti([write(7, 4, 2)]));
  expect(done(peer.send(VFIO_USER.REGION_WRITE_MULTI, request).payload)).toBe(1n);
});

test('no writes at all are fine', () => {
  const { payload } = fixture.attach().send(VFIO_USER.REGION_WRITE_MULTI, encodeRegionWriteMulti([]));
  expect(done(payload)).toBe(0n);
});

test.each([
  ['outside of its region', write(0, 254, 1, 2, 3, 4)],
  ['of a region that there is not', write(9, 0, 1)],
  ['of nothing', write(0, 0)],
  ['of more than 8 bytes', write(7, 0, ...new Array(9).fill(0))],
])('one write %s: EINVAL, and none is done', (_, bad) => {
  const peer = fixture.attach();
  const good = write(0, PTNET.IO_VNET_HDR_LEN, 10, 0, 0, 0);
  const request = encodeRegionWriteMulti([good, bad, good]);
  peer.send(VFIO_USER.REGION_WRITE_MULTI, request, { expect: E.EINVAL });
  expect(peer.backend.calls).toEqual([]);
});

test.each([
  ['one more than the message carries', 3n],
  ['far more than the message carries', (1n << 64n) - 1n],
])('a count of %s is refused with EINVAL', (_, count) => {
  const request = encodeRegionWriteMulti([write(7, 4, 1), write(7, 4, 2)]);
  new DataView(request.buffer).setBigUint64(0, count, true);
  fixture.attach().send(VFIO_USER.REGION_WRITE_MULTI, request, { expect: E.EINVAL });
});

test.each([0, 7])('a payload of %i bytes is refused with EINVAL', (length) => {
  fixture.attach().send(VFIO_USER.REGION_WRITE_MULTI, new Uint8Array(length), { expect: E.EINVAL });
});

test('descriptors do not belong here', () => {
  const options = { expect: E.EINVAL, fds: [fixture.eventfd()] };
  fixture.attach().send(VFIO_USER.REGION_WRITE_MULTI, encodeRegionWriteMulti([]), options);
});
