// VFIO_USER_DEVICE_GET_INFO: what kind of device it is.
import { expect, test } from 'vitest';
import { decodeDeviceInfo, encodeDeviceInfo } from '../../guest-driver/model/messages.ts';
import { E, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();

test('a PCI device that can be reset, with nine regions and five interrupt indices', () => {
  const { payload } = fixture.attach().send(VFIO_USER.DEVICE_GET_INFO, encodeDeviceInfo());
  expect(decodeDeviceInfo(payload)).toEqual({ flags: 3, numRegions: 9, numIrqs: 5 });
  expect(payload).toHaveLength(16);
  expect(payload[0]).toBe(16);
});

test('a client with more room gets the same', () => {
  const { payload } = fixture.attach().send(VFIO_USER.DEVICE_GET_INFO, encodeDeviceInfo(64));
  expect(payload).toHaveLength(16);
});

test('an argsz that is too small is refused with EINVAL', () => {
  fixture.attach().send(VFIO_USER.DEVICE_GET_INFO, encodeDeviceInfo(15), { expect: E.EINVAL });
});

test.each([0, 15])('a payload of %i bytes is refused with EINVAL', (length) => {
  fixture.attach().send(VFIO_USER.DEVICE_GET_INFO, new Uint8Array(length).fill(32), { expect: E.EINVAL });
});

test('descriptors do not belong here', () => {
  const options = { expect: E.EINVAL, fds: [fixture.eventfd()] };
  fixture.attach().send(VFIO_USER.DEVICE_GET_INFO, encodeDeviceInfo(), options);
});

test('room for capabilities may be in the message too, as SPDK leaves it', () => {
  const payload = new Uint8Array(16 + 64);
  new DataView(payload.buffer).setUint32(0, payload.length, true);
  const short = payload.slice(0, 16);
  const ask = (bytes: Uint8Array) => fixture.attach().send(VFIO_USER.DEVICE_GET_INFO, bytes).payload;
  expect(ask(payload)).toEqual(ask(short));
});
