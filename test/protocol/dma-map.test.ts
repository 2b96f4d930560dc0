// VFIO_USER_DMA_MAP: memory with and without a descriptor, and every way to get it wrong.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DmaMap, encodeDmaMap } from '../../guest-driver/model/messages.ts';
import { dup, socketPair } from '../../native/os.ts';
import { openFds } from '../harness/descriptors.ts';
import { E, type Peer, type SendOptions, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const map = (peer: Peer, fields: DmaMap, options?: SendOptions) =>
  peer.send(VFIO_USER.DMA_MAP, encodeDmaMap(fields), options);
const PAGE = 0x1000n;

test('memory with a descriptor can be resolved, with its place in the file', () => {
  const peer = fixture.attach();
  map(peer, { address: 0x10_0000n, size: 0x4000n, offset: 0x2000n }, { fds: [fixture.memfd(0x6000)] });
  const found = peer.session.dma.resolve(0x10_1000n, 0x3000, 'rw');
  expect(found).toEqual({ fd: expect.any(Number), offset: 0x3000n });
});

test('memory without a descriptor is remembered, but cannot be reached', () => {
  const peer = fixture.attach();
  map(peer, { address: 0xf000_0000n, size: PAGE });
  expect(peer.session.dma.resolve(0xf000_0000n, 64, 'r')).toEqual({ errno: E.EOPNOTSUPP, miss: 'private' });
  expect(peer.session.dma.maps).toMatchObject([{ address: 0xf000_0000n, size: PAGE, fd: -1 }]);
});

test('the last page of the address space can be mapped', () => {
  const peer = fixture.attach();
  map(peer, { address: (1n << 64n) - PAGE, size: PAGE });
  expect(peer.session.dma.resolve((1n << 64n) - 64n, 64, 'r')).toEqual({
    errno: E.EOPNOTSUPP,
    miss: 'private',
  });
});

test('read-only memory resolves for reading only', () => {
  const peer = fixture.attach();
  map(peer, { address: 0n, size: PAGE, flags: 1 }, { fds: [fixture.memfd(0x1000)] });
  expect(peer.session.dma.resolve(0n, 64, 'r')).toHaveProperty('fd');
  expect(peer.session.dma.resolve(0n, 64, 'rw')).toEqual({ errno: E.EACCES, miss: 'access' });
});

test('memory that is to be mapped, as newer clients say, is as that of older ones', () => {
  const peer = fixture.attach();
  map(peer, { address: 0n, size: PAGE, flags: 7 }, { fds: [fixture.memfd(0x1000)] });
  expect(peer.session.dma.maps).toMatchObject([{ flags: 3 }]);
  expect(peer.session.dma.resolve(0n, 64, 'rw')).toHaveProperty('fd');
});

test('memory that is to be reached by file I/O is remembered, and its descriptor is not kept', () => {
  const peer = fixture.attach();
  map(peer, { address: 0n, size: PAGE, flags: 11 }, { fds: [fixture.memfd(0x1000)] });
  expect(peer.session.dma.maps).toMatchObject([{ flags: 3, fd: -1 }]);
  expect(peer.session.dma.resolve(0n, 64, 'r')).toEqual({ errno: E.EINVAL, miss: 'foreign' });
});

test.each([7, 11])('flags %i without a descriptor are refused with EINVAL', (flags) => {
  map(fixture.attach(), { address: 0n, size: PAGE, flags }, { expect: E.EINVAL });
});

test.each([
  ['empty', { size: 0n }],
  ['over the end of the address space', { address: (1n << 64n) - PAGE, size: 2n * PAGE }],
  ['as large as can be said', { address: PAGE, size: (1n << 64n) - 1n }],
  ['at an address within a page', { address: 0x1800n }],
  ['of half a page', { size: 0x800n }],
  ['without any access', { flags: 0 }],
  ['with no access but a way to reach it', { flags: 4 }],
  ['to be reached in two ways', { flags: 15 }],
  ['with an unknown flag', { flags: 19 }],
  ['with an argsz that is too small', { argsz: 31 }],
])('a map %s is refused with EINVAL', (_, fields) => {
  const peer = fixture.attach();
  map(peer, { address: PAGE, size: PAGE, ...fields }, { expect: E.EINVAL, fds: [fixture.memfd(0x4000)] });
  expect(peer.session.dma.maps).toEqual([]);
});

test.each([
  ['the same', 0x2000n, 0x2000n],
  ['its first page', 0x2000n, PAGE],
  ['its last page', 0x3000n, PAGE],
  ['over its start', 0x1000n, 0x2000n],
  ['over its end', 0x3000n, 0x2000n],
  ['around it', 0x1000n, 0x8000n],
])('a map overlapping an existing range (%s) is refused with EEXIST', (_, address, size) => {
  const peer = fixture.attach();
  map(peer, { address: 0x2000n, size: 0x2000n });
  map(peer, { address, size }, { expect: E.EEXIST });
  expect(peer.session.dma.maps).toHaveLength(1);
});

test('neighbours may touch, in any order', () => {
  const peer = fixture.attach();
  for (const page of [3n, 1n, 2n, 5n]) map(peer, { address: page * PAGE, size: PAGE });
  expect(peer.session.dma.maps.map(({ address }) => address / PAGE)).toEqual([1n, 2n, 3n, 5n]);
});

test('there is a limit on maps', () => {
  const peer = fixture.attach();
  for (let i = 0; i < 4096; i += 1) {
    peer.send(VFIO_USER.DMA_MAP, encodeDmaMap({ address: BigInt(2 * i) * PAGE, size: PAGE }), {
      noReply: true,
    });
  }
  map(peer, { address: PAGE, size: PAGE }, { expect: E.ENOSPC });
});

test.each([
  ['smaller than the range', 0x1000, {}],
  ['smaller than offset and range', 0x2000, { offset: PAGE }],
  ['shorter than the offset', 0x2000, { offset: 1n << 40n }],
  ['with an offset that wraps', 0x2000, { offset: (1n << 64n) - PAGE }],
  ['with an offset within a page', 0x8000, { offset: 0x800n }],
])('a descriptor %s is refused with EINVAL', (_, length, fields) => {
  const peer = fixture.attach();
  const options = { expect: E.EINVAL, fds: [fixture.memfd(length)] };
  map(peer, { address: 0n, size: 0x2000n, ...fields }, options);
  expect(peer.session.dma.maps).toEqual([]);
});

test('an eventfd and a socket are not memory', () => {
  const peer = fixture.attach();
  const [first, second] = socketPair();
  for (const fd of [first, second]) fixture.own(fd);
  for (const fd of [fixture.eventfd(), first]) {
    map(peer, { address: 0n, size: PAGE }, { expect: E.EBADF, fds: [fd] });
  }
  expect(peer.counters).toEqual({ 'VFIO_USER_DMA_MAP EBADF': 2 });
});

test('a descriptor that does not allow what the flags say is refused with EACCES', () => {
  const peer = fixture.attach();
  const path = `/proc/self/fd/${fixture.memfd(0x1000)}`;
  const readOnly = fixture.own(openSync(path, 'r'));
  const writeOnly = fixture.own(openSync(path, 'a'));
  map(peer, { address: 0n, size: PAGE }, { expect: E.EACCES, fds: [readOnly] });
  map(peer, { address: 0n, size: PAGE }, { expect: E.EACCES, fds: [writeOnly] });
  map(peer, { address: 0n, size: PAGE, flags: 1 }, { fds: [readOnly] });
});

test('memory that is sealed against writing is refused with EACCES, unless it is only to be read', async () => {
  const peer = fixture.attach();
  // memfd_create(MFD_ALLOW_SEALING), F_ADD_SEALS, F_SEAL_WRITE.
  const owner = spawn('perl', [
    '-e',
    '$| = 1; $n = "m"; $f = syscall(319, $n, 2); open(F, "+<&=", $f); truncate(F, 4096); fcntl(F, 1033, 8) or die; print $f; <STDIN>',
  ]);
  const [number] = await once(owner.stdout, 'data');
  const fd = fixture.own(openSync(`/proc/${owner.pid}/fd/${number}`, 'r+'));
  owner.stdin.end();
  await once(owner, 'close');
  map(peer, { address: 0n, size: PAGE }, { expect: E.EACCES, fds: [fd] });
  map(peer, { address: 0n, size: PAGE, flags: 1 }, { fds: [fd] });
});

test('a descriptor opened as a path only is refused with EACCES', () => {
  const peer = fixture.attach();
  const O_PATH = 0o10000000;
  const path = fixture.own(openSync(`/proc/self/fd/${fixture.memfd(0x1000)}`, O_PATH));
  map(peer, { address: 0n, size: PAGE, flags: 1 }, { expect: E.EACCES, fds: [path] });
});

test('a file that is not in memory is let in and never touched', () => {
  const peer = fixture.attach();
  const path = join(tmpdir(), `ptnet-dma-map-${process.pid}`);
  writeFileSync(path, new Uint8Array(0x1000));
  const before = openFds().length;
  for (const [i, name] of [path, '/dev/zero', '/proc/self/comm'].entries()) {
    // Larger than it is, and a device has no size: nobody has looked.
    const fd = openSync(name, 'r+');
    map(peer, { address: BigInt(2 * i) * PAGE, size: PAGE, flags: 1 }, { fds: [fd] });
    closeSync(fd);
    const found = peer.session.dma.resolve(BigInt(2 * i) * PAGE, 64, 'r');
    expect(found).toEqual({ errno: E.EINVAL, miss: 'foreign' });
  }
  expect(openFds()).toHaveLength(before);
});

test('a file larger than a number can say exactly is refused with EINVAL', () => {
  const peer = fixture.attach();
  const fd = fixture.memfd(0x1000);
  execFileSync('truncate', ['-s', String(2 ** 53), `/proc/${process.pid}/fd/${fd}`]);
  map(peer, { address: 0n, size: PAGE }, { expect: E.EINVAL, fds: [fd] });
});

test('a file that was memory for one range can be memory for another', () => {
  const peer = fixture.attach();
  const fd = fixture.memfd(0x2000);
  map(peer, { address: 0n, size: PAGE }, { fds: [fd] });
  map(peer, { address: 0x10_0000n, size: 2n * PAGE }, { fds: [fd] });
  expect(peer.session.dma.maps).toHaveLength(2);
});

test('more than one descriptor is refused with EINVAL', () => {
  const peer = fixture.attach();
  const fds = [fixture.memfd(0x1000), fixture.memfd(0x1000)];
  map(peer, { address: 0n, size: PAGE }, { expect: E.EINVAL, fds });
});

test.each([0, 31, 33])('a payload of %i bytes is refused with EINVAL', (length) => {
  const peer = fixture.attach();
  peer.send(VFIO_USER.DMA_MAP, new Uint8Array(length).fill(32), { expect: E.EINVAL });
});

test('the table keeps working when the client closes its descriptor', () => {
  const peer = fixture.attach();
  const fd = dup(fixture.memfd(0x1000));
  map(peer, { address: 0n, size: PAGE }, { fds: [fd] });
  closeSync(fd);
  const found = peer.session.dma.resolve(0n, 0x1000, 'rw');
  expect(found).toHaveProperty('fd');
  expect(found).not.toHaveProperty('fd', fd);
});
