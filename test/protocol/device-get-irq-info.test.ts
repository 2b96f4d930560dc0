// VFIO_USER_DEVICE_GET_IRQ_INFO: how many interrupts of each kind there are.
import { expect, test } from 'vitest';
import { decodeIrqInfo, encodeIrqInfo } from '../../guest-driver/model/messages.ts';
import { memdev } from './memdev.ts';
import { E, type Peer, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const EVENTFD = 1;
const NORESIZE = 8;

function ask(peer: Peer, index: number) {
  return decodeIrqInfo(peer.send(VFIO_USER.GET_IRQ_INFO, encodeIrqInfo(index)).payload);
}

test('a ptnet device has one MSI-X vector a ring, and no INTx or MSI', () => {
  const peer = fixture.attach();
  expect([0, 1, 2, 3, 4].map((index) => ask(peer, index))).toEqual([
    { index: 0, flags: 0, count: 0 },
    { index: 1, flags: 0, count: 0 },
    { index: 2, flags: EVENTFD | NORESIZE, count: 5 },
    // QEMU warns when there is no error interrupt, and asks for a request interrupt if there is one.
    { index: 3, flags: EVENTFD, count: 1 },
    { index: 4, flags: EVENTFD, count: 1 },
  ]);
});

test('the memory device has no vectors', () => {
  expect(ask(fixture.attach({ device: memdev() }), 2)).toEqual({ index: 2, flags: 0, count: 0 });
});

test.each([5, 0xffff_ffff])('index %i is refused with EINVAL', (index) => {
  fixture.attach().send(VFIO_USER.GET_IRQ_INFO, encodeIrqInfo(index), { expect: E.EINVAL });
});

test('an argsz that is too small is refused with EINVAL', () => {
  fixture.attach().send(VFIO_USER.GET_IRQ_INFO, encodeIrqInfo(2, 15), { expect: E.EINVAL });
});

test.each([0, 15])('a payload of %i bytes is refused with EINVAL', (length) => {
  const payload = new Uint8Array(length);
  if (length > 0) payload[0] = 64;
  fixture.attach().send(VFIO_USER.GET_IRQ_INFO, payload, { expect: E.EINVAL });
});

test('descriptors do not belong here', () => {
  const options = { expect: E.EINVAL, fds: [fixture.eventfd()] };
  fixture.attach().send(VFIO_USER.GET_IRQ_INFO, encodeIrqInfo(2), options);
});

test('room for capabilities may be in the message too, as SPDK leaves it', () => {
  const payload = new Uint8Array(16 + 64);
  new DataView(payload.buffer).setUint32(0, payload.length, true);
  const short = payload.slice(0, 16);
  const ask = (bytes: Uint8Array) => fixture.attach().send(VFIO_USER.GET_IRQ_INFO, bytes).payload;
  expect(ask(payload)).toEqual(ask(short));
});
