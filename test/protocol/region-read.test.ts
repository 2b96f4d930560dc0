// VFIO_USER_REGION_READ: registers and config space, in any width.

import { expect, test } from 'vitest';
import { decodeRegionAccess, encodeRegionAccess } from '../../guest-driver/model/messages.ts';
import { createMemdev } from '../../pci/index.ts';
import { accessTo } from '../unit/pci/guest.ts';
import { memdev } from './memdev.ts';
import { E, type Peer, type SendOptions, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const CONFIG = 7;

function read(peer: Peer, region: number, offset: bigint, count: number, options?: SendOptions): number[] {
  const request = { offset, region, count };
  const { payload } = peer.send(VFIO_USER.REGION_READ, encodeRegionAccess(request), options);
  if (options?.expect) return [];
  const reply = decodeRegionAccess(payload);
  expect(reply).toMatchObject({ offset, region, count });
  expect(reply.data).toHaveLength(count);
  return [...reply.data];
}

test('a register', () => {
  // PTNET_IO_NUM_TX_SLOTS.
  expect(read(fixture.attach(), 0, 36n, 4)).toEqual([0, 4, 0, 0]);
});

test('parts of registers, and several at once', () => {
  const peer = fixture.attach();
  expect(read(peer, 0, 37n, 1)).toEqual([4]);
  expect(read(peer, 0, 36n, 2)).toEqual([0, 4]);
  // Tx and rx slots.
  expect(read(peer, 0, 36n, 8)).toEqual([0, 4, 0, 0, 0, 2, 0, 0]);
});

test('config space in any width', () => {
  const peer = fixture.attach();
  expect(read(peer, CONFIG, 0n, 4)).toEqual([0x36, 0x1b, 0x0d, 0x00]);
  expect(read(peer, CONFIG, 2n, 2)).toEqual([0x0d, 0x00]);
  expect(read(peer, CONFIG, 1n, 1)).toEqual([0x1b]);
  const all = read(peer, CONFIG, 0n, 256);
  expect(all.slice(0, 4)).toEqual([0x36, 0x1b, 0x0d, 0x00]);
});

test('a mapped BAR by message', () => {
  const memory = Uint8Array.from({ length: 0x2000 }, (_, i) => i & 0xff);
  const pool = { offset: 0, count: 1, size: 64 };
  const pools = { if: pool, ring: { ...pool, offset: 64 }, buf: { ...pool, offset: 128 } };
  const info = { memsize: 0x2000n, memid: 1, barSize: 0x2000n, pools };
  const peer = fixture.attach({ device: createMemdev('vm1/mem', info, { memory: accessTo(memory) }) });
  expect(read(peer, 1, 0x1ffen, 2)).toEqual([0xfe, 0xff]);
  expect(read(peer, 1, 0x10n, 8)).toEqual([16, 17, 18, 19, 20, 21, 22, 23]);
});

test('as much as a message may carry', () => {
  const peer = fixture.attach({ device: memdev() });
  expect(read(peer, 1, 0n, 1 << 20)).toHaveLength(1 << 20);
});

test.each([
  ['nothing', 0, 0n, 0],
  ['past the end of a BAR', 0, 254n, 4],
  ['behind a BAR', 0, 256n, 1],
  ['past the end of config space', CONFIG, 253n, 4],
  ['at an offset that wraps', 0, (1n << 64n) - 2n, 4],
  ['a BAR that there is not', 1, 0n, 4],
  ['the ROM', 6, 0n, 4],
  ['VGA', 8, 0n, 4],
  ['a region that there is not', 9, 0n, 4],
  ['a region far away', 0xffff_ffff, 0n, 4],
  ['more than there can be', 0, 0n, 0xffff_ffff],
])('reading %s is refused with EINVAL', (_, region, offset, count) => {
  const peer = fixture.attach();
  read(peer, region, offset, count, { expect: E.EINVAL });
  expect(peer.closed).toBe(false);
});

test('more data than a message may carry is refused with EINVAL', () => {
  read(fixture.attach({ device: memdev() }), 1, 0n, (1 << 20) + 1, { expect: E.EINVAL });
});

test.each([0, 15, 17])('a payload of %i bytes is refused with EINVAL', (length) => {
  const payload = new Uint8Array(length);
  if (length > 12) payload[12] = 1;
  fixture.attach().send(VFIO_USER.REGION_READ, payload, { expect: E.EINVAL });
});

test('descriptors do not belong here', () => {
  read(fixture.attach(), 0, 0n, 4, { expect: E.EINVAL, fds: [fixture.eventfd()] });
});
