// VFIO_USER_REGION_WRITE: registers, doorbells and config space, answered or posted.
import { expect, test } from 'vitest';
import { decodeRegionAccess, encodeRegionAccess } from '../../guest-driver/model/messages.ts';
import { PTCTL, PTNET } from '../../pci/index.ts';
import { readConfig, read as readRegister } from '../unit/pci/guest.ts';
import { E, type Peer, type SendOptions, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const CONFIG = 7;

function write(peer: Peer, region: number, offset: number, data: readonly number[], options?: SendOptions) {
  const request = { offset: BigInt(offset), region, count: data.length };
  const payload = encodeRegionAccess(request, Uint8Array.from(data));
  const answer = peer.send(VFIO_USER.REGION_WRITE, payload, options);
  if (options?.expect || options?.noReply) return;
  expect(decodeRegionAccess(answer.payload)).toEqual({ ...request, data: new Uint8Array() });
}

test('a register', () => {
  const peer = fixture.attach();
  write(peer, 0, PTNET.IO_VNET_HDR_LEN, [12, 0, 0, 0]);
  expect(readRegister(peer.device, PTNET.IO_VNET_HDR_LEN)).toBe(12);
});

test('a posted write is done and not answered', () => {
  const peer = fixture.attach();
  write(peer, 0, PTNET.IO_VNET_HDR_LEN, [10, 0, 0, 0], { noReply: true });
  expect(readRegister(peer.device, PTNET.IO_VNET_HDR_LEN)).toBe(10);
});

test('a posted write that is refused is counted and not answered', () => {
  const peer = fixture.attach();
  write(peer, 0, 256, [1], { noReply: true });
  expect(peer.counters).toEqual({ 'VFIO_USER_REGION_WRITE EINVAL': 1 });
});

test('a doorbell reaches the host', () => {
  const peer = fixture.attach();
  write(peer, 0, PTNET.IO_CSB_GH_BAL, [0, 0x10, 0, 0]);
  write(peer, 0, PTNET.IO_CSB_HG_BAL, [0, 0x20, 0, 0]);
  write(peer, 0, PTNET.IO_PTCTL, [PTCTL.CREATE, 0, 0, 0]);
  write(peer, 0, PTNET.KICK_BASE + 4 * 3, [0, 0, 0, 0]);
  expect(peer.backend.calls.slice(-2)).toEqual(['create 1000 2000', 'kick 3']);
});

test('config space in any width', () => {
  const peer = fixture.attach();
  // BAR 0 sized with all ones, as a client without its own PCI emulation does.
  write(peer, CONFIG, 0x10, [0xff, 0xff, 0xff, 0xff]);
  expect(readConfig(peer.device, 0x10)).toBe(0xffff_ff01);
  write(peer, CONFIG, 4, [5]);
  expect(readConfig(peer.device, 4, 1)).toBe(5);
  write(peer, CONFIG, 4, [7, 4]);
  expect(readConfig(peer.device, 4, 2)).toBe(0x0407);
});

test('a part of a register is counted by the device, not refused', () => {
  const peer = fixture.attach();
  write(peer, 0, PTNET.IO_VNET_HDR_LEN, [12, 0]);
  expect(peer.device.counters).toMatchObject({ 'partial-write': 1 });
});

test.each([
  ['nothing', 0, 0, 0],
  ['past the end of a BAR', 0, 253, 4],
  ['past the end of config space', CONFIG, 255, 2],
  ['a BAR that there is not', 3, 0, 4],
  ['the ROM', 6, 0, 4],
  ['a region that there is not', 9, 0, 4],
])('writing %s is refused with EINVAL', (_, region, offset, length) => {
  write(fixture.attach(), region, offset, new Array(length).fill(0), { expect: E.EINVAL });
});

test.each([
  ['more than the message carries', 5],
  ['less than the message carries', 3],
  ['more than there can be', 0xffff_ffff],
])('a count of %s is refused with EINVAL', (_, count) => {
  const peer = fixture.attach();
  const payload = encodeRegionAccess({ offset: 44n, region: 0, count }, Uint8Array.of(12, 0, 0, 0));
  peer.send(VFIO_USER.REGION_WRITE, payload, { expect: E.EINVAL });
  expect(peer.backend.calls).toEqual([]);
});

test('a payload too short for an access is refused with EINVAL', () => {
  fixture.attach().send(VFIO_USER.REGION_WRITE, new Uint8Array(15), { expect: E.EINVAL });
});

test('descriptors do not belong here', () => {
  write(fixture.attach(), 0, 0, [0, 0, 0, 0], { expect: E.EINVAL, fds: [fixture.memfd(4096)] });
});

test('a device that fails answers EIO, says so in the log, and lives on', () => {
  const peer = fixture.attach();
  peer.backend.setVnetHdrLen = () => {
    throw new Error('out of headers');
  };
  write(peer, 0, PTNET.IO_VNET_HDR_LEN, [12, 0, 0, 0], { expect: E.EIO });
  expect(peer.log).toMatchObject([
    { level: 'error', text: 'vm1/net0: VFIO_USER_REGION_WRITE: out of headers' },
  ]);
  expect(peer.closed).toBe(false);
});
