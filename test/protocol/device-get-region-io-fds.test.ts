// VFIO_USER_DEVICE_GET_REGION_IO_FDS: doorbells offered as eventfds.
import { expect, test } from 'vitest';
import { decodeRegionIoFds, encodeRegionIoFds } from '../../guest-driver/model/messages.ts';
import { eventfdDrain, eventfdSignal } from '../../native/os.ts';
import { createPtnet } from '../../pci/index.ts';
import { fakeBackend } from '../unit/pci/guest.ts';
import { E, type Peer, useFixture, VFIO_USER } from './peer.ts';
import { RecordingHooks } from './recording.ts';

const fixture = useFixture();
const ROOM = 4096;
const PIO = 2;

function offering(fds: readonly number[]): RecordingHooks {
  const doorbells = fds.map((fd, i) => ({ fd, offset: 128 + 4 * i, size: 4 }));
  return new RecordingHooks({ ioFds: (region) => (region === 0 ? doorbells : []) });
}

function ask(peer: Peer, index = 0, argsz = ROOM) {
  const { payload, fds } = peer.send(VFIO_USER.GET_REGION_IO_FDS, encodeRegionIoFds(index, argsz));
  return { ...decodeRegionIoFds(payload), length: payload.length, fds };
}

test('each doorbell comes with its eventfd', () => {
  const doorbells = [fixture.eventfd(), fixture.eventfd(), fixture.eventfd()];
  const { argsz, ioFds, fds, index } = ask(fixture.attach({ hooks: offering(doorbells) }));
  expect({ argsz, index }).toEqual({ argsz: 16 + 3 * 40, index: 0 });
  expect(ioFds).toEqual(
    [0, 1, 2].map((i) => ({
      offset: BigInt(128 + 4 * i),
      size: 4n,
      fdIndex: i,
      type: 0,
      flags: PIO,
      datamatch: 0n,
    })),
  );
  eventfdSignal(fds[1]!);
  expect(doorbells.map((fd) => eventfdDrain(fd))).toEqual([0n, 1n, 0n]);
});

test('a memory BAR has no port I/O flag', () => {
  const device = createPtnet('vm1/net0', fakeBackend(), { bar0: 'mem' });
  const { ioFds } = ask(fixture.attach({ device, hooks: offering([fixture.eventfd()]) }));
  expect(ioFds).toMatchObject([{ flags: 0 }]);
});

test('doorbells that share an eventfd share the descriptor', () => {
  const [one, two] = [fixture.eventfd(), fixture.eventfd()];
  const { ioFds, fds } = ask(fixture.attach({ hooks: offering([one, two, one]) }));
  expect(ioFds.map(({ fdIndex }) => fdIndex)).toEqual([0, 1, 0]);
  expect(fds).toHaveLength(2);
});

test('a client without room learns how much it needs', () => {
  const peer = fixture.attach({ hooks: offering([fixture.eventfd(), fixture.eventfd()]) });
  expect(ask(peer, 0, 16)).toMatchObject({ argsz: 96, ioFds: [], fds: [], length: 16 });
  expect(ask(peer, 0, 95)).toMatchObject({ argsz: 96, ioFds: [], fds: [], length: 16 });
  expect(ask(peer, 0, 96)).toMatchObject({ argsz: 96, length: 96 });
});

test('no more descriptors are sent than the client takes', () => {
  const hooks = offering([fixture.eventfd(), fixture.eventfd(), fixture.eventfd()]);
  const peer = fixture.attach({ hooks, capabilities: { max_msg_fds: 2 } });
  const { argsz, ioFds, fds, length } = ask(peer);
  expect(ioFds).toHaveLength(2);
  expect(fds).toHaveLength(2);
  expect(argsz).toBe(length);
});

test('a client that says nothing takes one', () => {
  const hooks = offering([fixture.eventfd(), fixture.eventfd()]);
  expect(ask(fixture.attach({ hooks, capabilities: {} })).fds).toHaveLength(1);
});

test('regions without doorbells have none', () => {
  const peer = fixture.attach({ hooks: offering([fixture.eventfd()]) });
  for (const index of [1, 2, 7, 8]) {
    expect(ask(peer, index)).toMatchObject({ argsz: 16, ioFds: [], fds: [], index });
  }
});

test.each([9, 0xffff_ffff])('region %i is refused with EINVAL', (index) => {
  const payload = encodeRegionIoFds(index, ROOM);
  fixture.attach().send(VFIO_USER.GET_REGION_IO_FDS, payload, { expect: E.EINVAL });
});

test.each([
  ['argsz that is too small', 0, 15],
  ['flags', 4, 1],
  ['a count', 12, 1],
])('%s is refused with EINVAL', (_, at, value) => {
  const payload = encodeRegionIoFds(0, ROOM);
  new DataView(payload.buffer).setUint32(at, value, true);
  fixture.attach().send(VFIO_USER.GET_REGION_IO_FDS, payload, { expect: E.EINVAL });
});

test.each([0, 15])('a payload of %i bytes is refused with EINVAL', (length) => {
  const payload = new Uint8Array(length);
  if (length > 0) payload[0] = 64;
  fixture.attach().send(VFIO_USER.GET_REGION_IO_FDS, payload, { expect: E.EINVAL });
});

test('descriptors do not belong here', () => {
  const options = { expect: E.EINVAL, fds: [fixture.eventfd()] };
  fixture.attach().send(VFIO_USER.GET_REGION_IO_FDS, encodeRegionIoFds(0, ROOM), options);
});

test('room for capabilities may be in the message too, as SPDK leaves it', () => {
  const payload = new Uint8Array(16 + 64);
  new DataView(payload.buffer).setUint32(0, payload.length, true);
  const short = payload.slice(0, 16);
  const ask = (bytes: Uint8Array) => fixture.attach().send(VFIO_USER.GET_REGION_IO_FDS, bytes).payload;
  expect(ask(payload)).toEqual(ask(short));
});
