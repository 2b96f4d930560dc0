// VFIO_USER_DMA_UNMAP: whole maps go, the host is told before, and parts of maps cannot go.
import { expect, test } from 'vitest';
import { type DmaUnmap, encodeDmaMap, encodeDmaUnmap } from '../../guest-driver/model/messages.ts';
import { openFds } from '../harness/descriptors.ts';
import { E, type Peer, type SendOptions, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const unmap = (peer: Peer, fields: DmaUnmap, options?: SendOptions) =>
  peer.send(VFIO_USER.DMA_UNMAP, encodeDmaUnmap(fields), options);
const ALL = 2;

/** Maps of 0x1000 at 0x1000, 0x2000 at 0x2000, 0x1000 at 0x8000; the second with a descriptor. */
function mapped(): Peer {
  const peer = fixture.attach();
  const memory = { fds: [fixture.memfd(0x2000)] };
  peer.send(VFIO_USER.DMA_MAP, encodeDmaMap({ address: 0x1000n, size: 0x1000n }));
  peer.send(VFIO_USER.DMA_MAP, encodeDmaMap({ address: 0x2000n, size: 0x2000n }), memory);
  peer.send(VFIO_USER.DMA_MAP, encodeDmaMap({ address: 0x8000n, size: 0x1000n }));
  peer.hooks.calls.length = 0;
  return peer;
}

const left = (peer: Peer): bigint[] => peer.session.dma.maps.map(({ address }) => address);

test('one map goes, and the reply repeats the request', () => {
  const peer = mapped();
  const request = encodeDmaUnmap({ address: 0x2000n, size: 0x2000n });
  const { payload } = peer.send(VFIO_USER.DMA_UNMAP, request);
  expect(payload).toEqual(request);
  expect(left(peer)).toEqual([0x1000n, 0x8000n]);
  expect(peer.session.dma.resolve(0x2000n, 64, 'r')).toEqual({ errno: E.EFAULT, miss: 'unmapped' });
});

test('its descriptor is closed', () => {
  const peer = mapped();
  const before = openFds().length;
  unmap(peer, { address: 0x2000n, size: 0x2000n });
  expect(openFds()).toHaveLength(before - 1);
});

test('the host is told while the map can still be used', () => {
  const peer = mapped();
  let found: object = {};
  peer.hooks.on = () => {
    found = peer.session.dma.resolve(0x2000n, 64, 'r');
  };
  unmap(peer, { address: 0x2000n, size: 0x2000n });
  expect(peer.hooks.calls).toEqual(['unmap 2000 2000']);
  expect(found).toHaveProperty('fd');
});

test('a range that covers several maps takes all of them', () => {
  const peer = mapped();
  unmap(peer, { address: 0n, size: 0x8000n });
  expect(left(peer)).toEqual([0x8000n]);
  expect(peer.hooks.calls).toEqual(['unmap 1000 1000', 'unmap 2000 2000']);
});

test('unmap all takes everything', () => {
  const peer = mapped();
  unmap(peer, { address: 0n, size: 0n, flags: ALL });
  expect(left(peer)).toEqual([]);
  expect(peer.hooks.calls).toHaveLength(3);
  unmap(peer, { address: 0n, size: 0n, flags: ALL });
});

test('what was unmapped can be mapped again, as firmware does with BARs', () => {
  const peer = mapped();
  for (let i = 0; i < 3; i += 1) {
    unmap(peer, { address: 0x8000n, size: 0x1000n });
    peer.send(VFIO_USER.DMA_MAP, encodeDmaMap({ address: 0x8000n, size: 0x1000n }));
  }
  expect(left(peer)).toEqual([0x1000n, 0x2000n, 0x8000n]);
});

test.each([
  ['the first half', 0x2000n, 0x1000n],
  ['the second half', 0x3000n, 0x1000n],
  ['one map and half of the next', 0x1000n, 0x2000n],
  ['half of a map and what is behind it', 0x3000n, 0x6000n],
])('cutting through a map (%s) is refused with EINVAL', (_, address, size) => {
  const peer = mapped();
  unmap(peer, { address, size }, { expect: E.EINVAL });
  expect(left(peer)).toEqual([0x1000n, 0x2000n, 0x8000n]);
  expect(peer.hooks.calls).toEqual([]);
});

test.each([
  ['between maps', 0x4000n, 0x4000n],
  ['before all maps', 0n, 0x1000n],
  ['behind all maps', 0x9000n, 0x1000n],
])('where nothing is mapped (%s) it is refused with ENOENT', (_, address, size) => {
  unmap(mapped(), { address, size }, { expect: E.ENOENT });
});

test.each([
  ['an empty range', { size: 0n }],
  ['a range within a page', { address: 0x1800n }],
  ['a range over the end of the address space', { address: 0x2000n, size: (1n << 64n) - 0x1000n }],
  ['unmap all with an address', { flags: ALL, size: 0n }],
  ['unmap all with a size', { flags: ALL, address: 0n }],
  ['an unknown flag', { flags: 4 }],
  ['an argsz that is too small', { argsz: 8 }],
])('%s is refused with EINVAL', (_, fields) => {
  const peer = mapped();
  unmap(peer, { address: 0x1000n, size: 0x1000n, ...fields }, { expect: E.EINVAL });
  expect(left(peer)).toHaveLength(3);
});

test('a dirty bitmap is refused with ENOTSUP, with and without room for it', () => {
  const peer = mapped();
  const request = encodeDmaUnmap({ address: 0x1000n, size: 0x1000n, flags: 1 });
  peer.send(VFIO_USER.DMA_UNMAP, request, { expect: E.ENOTSUP });
  const longer = new Uint8Array(40);
  longer.set(request);
  peer.send(VFIO_USER.DMA_UNMAP, longer, { expect: E.ENOTSUP });
  expect(left(peer)).toHaveLength(3);
});

test.each([0, 23, 25])('a payload of %i bytes is refused with EINVAL', (length) => {
  const payload = new Uint8Array(length);
  if (length > 0) payload[0] = 24;
  mapped().send(VFIO_USER.DMA_UNMAP, payload, { expect: E.EINVAL });
});

test('a descriptor may come with it, as from SPDK, and is dropped; two may not', () => {
  const peer = mapped();
  const [first, second] = [fixture.memfd(0x1000), fixture.memfd(0x1000)];
  const before = openFds().length;
  unmap(peer, { address: 0x1000n, size: 0x1000n }, { fds: [first] });
  unmap(peer, { address: 0x8000n, size: 0x1000n }, { expect: E.EINVAL, fds: [first, second] });
  expect(left(peer)).toEqual([0x2000n, 0x8000n]);
  expect(openFds()).toHaveLength(before);
});
