// VFIO_USER_DEVICE_SET_IRQS: eventfds in whole sets, ranges and chunks; triggers, masks, and what is refused.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { encodeSetIrqs } from '../../guest-driver/model/messages.ts';
import { eventfdDrain, inspectFd, socketPair } from '../../native/os.ts';
import { createPtnet } from '../../pci/index.ts';
import { openFds } from '../harness/descriptors.ts';
import { fakeBackend } from '../unit/pci/guest.ts';
import { E, type Peer, type SendOptions, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const NONE = 1;
const BOOL = 2;
const EVENTFD = 4;
const MASK = 8;
const UNMASK = 16;
const TRIGGER = 32;
const MSIX = 2;
const VECTORS = 5;

interface Request {
  flags: number;
  index?: number;
  start?: number;
  count?: number;
  data?: Uint8Array;
  argsz?: number;
}

function set(peer: Peer, request: Request, options?: SendOptions): void {
  const payload = encodeSetIrqs({ index: MSIX, start: 0, count: 0, ...request });
  peer.send(VFIO_USER.SET_IRQS, payload, options);
}

const eventfds = (count: number): number[] => Array.from({ length: count }, () => fixture.eventfd());
const assigned = (peer: Peer): boolean[] => peer.session.irqs.msix.map(({ fd }) => fd >= 0);
const counts = (fds: readonly number[]): number[] => fds.map((fd) => Number(eventfdDrain(fd)));

/** A client with an eventfd on each vector. */
function armed(): { peer: Peer; fds: number[] } {
  const peer = fixture.attach();
  const fds = eventfds(VECTORS);
  set(peer, { flags: EVENTFD | TRIGGER, count: VECTORS }, { fds });
  peer.hooks.calls.length = 0;
  return { peer, fds };
}

test('eventfds for all vectors', () => {
  const peer = fixture.attach();
  const fds = eventfds(VECTORS);
  set(peer, { flags: EVENTFD | TRIGGER, count: VECTORS }, { fds });
  expect(peer.session.irqs.msix).toHaveLength(VECTORS);
  expect(assigned(peer)).toEqual([true, true, true, true, true]);
  expect(peer.hooks.calls).toEqual(['attach', 'interrupts 0 5']);
  expect(peer.session.irqs.msix.every(({ fd }) => inspectFd(fd).kind === 'eventfd')).toBe(true);
});

test('the sequence of QEMU while a driver enables MSI-X', () => {
  const peer = fixture.attach();
  const one = eventfds(1);
  const all = eventfds(VECTORS);
  set(peer, { flags: EVENTFD | TRIGGER, count: 1 });
  expect(assigned(peer)).toEqual([false, false, false, false, false]);
  set(peer, { flags: NONE | TRIGGER });
  set(peer, { flags: EVENTFD | TRIGGER, count: 1 }, { fds: one });
  expect(assigned(peer)).toEqual([true, false, false, false, false]);
  set(peer, { flags: NONE | TRIGGER });
  expect(assigned(peer)).toEqual([false, false, false, false, false]);
  set(peer, { flags: EVENTFD | TRIGGER, count: VECTORS }, { fds: all });
  expect(assigned(peer)).toEqual([true, true, true, true, true]);
  set(peer, { flags: NONE | TRIGGER, count: VECTORS });
  expect(counts([...one, ...all])).toEqual([0, 1, 1, 1, 1, 1]);
});

test('a range may come in chunks, each with its descriptors', () => {
  const peer = fixture.attach();
  const fds = eventfds(VECTORS);
  set(peer, { flags: EVENTFD | TRIGGER, start: 0, count: 2 }, { fds: fds.slice(0, 2) });
  set(peer, { flags: EVENTFD | TRIGGER, start: 2, count: 2 }, { fds: fds.slice(2, 4) });
  set(peer, { flags: EVENTFD | TRIGGER, start: 4, count: 1 }, { fds: fds.slice(4) });
  set(peer, { flags: NONE | TRIGGER, start: 2, count: 3 });
  expect(counts(fds)).toEqual([0, 0, 1, 1, 1]);
  expect(peer.hooks.calls).toEqual(['attach', 'interrupts 0 2', 'interrupts 2 2', 'interrupts 4 1']);
});

test('a range without descriptors loses its own', () => {
  const { peer, fds } = armed();
  const before = openFds().length;
  set(peer, { flags: EVENTFD | TRIGGER, start: 1, count: 2 });
  expect(assigned(peer)).toEqual([true, false, false, true, true]);
  expect(openFds()).toHaveLength(before - 2);
  expect(peer.hooks.calls).toEqual(['interrupts 1 2']);
  set(peer, { flags: NONE | TRIGGER, count: VECTORS });
  expect(counts(fds)).toEqual([1, 0, 0, 1, 1]);
});

test('a replaced descriptor is closed after the host was told', () => {
  const { peer } = armed();
  const old = peer.session.irqs.msix[3]!.fd;
  let kindThen = '';
  let isNew = false;
  peer.hooks.on = () => {
    kindThen = inspectFd(old).kind;
    isNew = peer.session.irqs.msix[3]!.fd !== old;
  };
  const before = openFds().length;
  set(peer, { flags: EVENTFD | TRIGGER, start: 3, count: 1 }, { fds: eventfds(1) });
  expect({ kindThen, isNew }).toEqual({ kindThen: 'eventfd', isNew: true });
  // One more of the test's own, one replaced.
  expect(openFds()).toHaveLength(before + 1);
});

test('none + trigger with count 0 disables the index: descriptors, masks and pending', () => {
  const { peer, fds } = armed();
  set(peer, { flags: NONE | MASK, count: VECTORS });
  set(peer, { flags: NONE | TRIGGER, count: VECTORS });
  const before = openFds().length;
  set(peer, { flags: NONE | TRIGGER });
  expect(openFds()).toHaveLength(before - VECTORS);
  set(peer, { flags: EVENTFD | TRIGGER, count: VECTORS }, { fds });
  expect(counts(fds)).toEqual([0, 0, 0, 0, 0]);
  set(peer, { flags: NONE | TRIGGER, count: VECTORS });
  expect(counts(fds)).toEqual([1, 1, 1, 1, 1]);
});

test('bool + trigger raises those that are true', () => {
  const { peer, fds } = armed();
  set(peer, { flags: BOOL | TRIGGER, start: 1, count: 3, data: Uint8Array.of(1, 0, 255) });
  expect(counts(fds)).toEqual([0, 1, 0, 1, 0]);
});

test('a masked interrupt waits until it is unmasked, and comes once', () => {
  const { peer, fds } = armed();
  set(peer, { flags: NONE | MASK, start: 2, count: 1 });
  expect(peer.session.irqs.msix[2]).toMatchObject({ masked: true });
  set(peer, { flags: NONE | TRIGGER, count: VECTORS });
  set(peer, { flags: NONE | TRIGGER, start: 2, count: 1 });
  expect(counts(fds)).toEqual([1, 1, 0, 1, 1]);
  set(peer, { flags: NONE | UNMASK, start: 2, count: 1 });
  expect(counts(fds)).toEqual([0, 0, 1, 0, 0]);
  set(peer, { flags: NONE | UNMASK, start: 2, count: 1 });
  expect(counts(fds)).toEqual([0, 0, 0, 0, 0]);
  expect(peer.hooks.calls).toEqual(['interrupts 2 1', 'interrupts 2 1', 'interrupts 2 1']);
});

test('bool + mask and unmask change those that are true', () => {
  const { peer } = armed();
  const masked = () => peer.session.irqs.msix.map((interrupt) => Number(interrupt.masked));
  set(peer, { flags: BOOL | MASK, count: VECTORS, data: Uint8Array.of(1, 1, 0, 0, 1) });
  expect(masked()).toEqual([1, 1, 0, 0, 1]);
  set(peer, { flags: BOOL | UNMASK, count: 2, data: Uint8Array.of(0, 1) });
  expect(masked()).toEqual([1, 0, 0, 0, 1]);
});

test('eventfds for mask and unmask are signalled when the mask changes', () => {
  const { peer } = armed();
  const onMask = fixture.eventfd();
  const onUnmask = fixture.eventfd();
  set(peer, { flags: EVENTFD | MASK, start: 1, count: 1 }, { fds: [onMask] });
  set(peer, { flags: EVENTFD | UNMASK, start: 1, count: 1 }, { fds: [onUnmask] });
  set(peer, { flags: NONE | MASK, count: VECTORS });
  set(peer, { flags: NONE | MASK, count: VECTORS });
  expect(counts([onMask, onUnmask])).toEqual([1, 0]);
  set(peer, { flags: NONE | UNMASK, count: VECTORS });
  expect(counts([onMask, onUnmask])).toEqual([0, 1]);
});

test('triggering an interrupt without an eventfd does nothing', () => {
  const peer = fixture.attach();
  set(peer, { flags: NONE | TRIGGER, count: VECTORS });
  const fds = eventfds(VECTORS);
  set(peer, { flags: EVENTFD | TRIGGER, count: VECTORS }, { fds });
  expect(counts(fds)).toEqual([0, 0, 0, 0, 0]);
});

test.each([20, 20 + 4 * VECTORS])('argsz %i: descriptors may be counted as data or not', (argsz) => {
  const peer = fixture.attach();
  set(peer, { flags: EVENTFD | TRIGGER, count: VECTORS, argsz }, { fds: eventfds(VECTORS) });
  expect(assigned(peer)).toEqual([true, true, true, true, true]);
});

test('the error and the request interrupt are remembered', () => {
  const peer = fixture.attach();
  const [err, req] = eventfds(2);
  set(peer, { index: 3, flags: EVENTFD | TRIGGER, count: 1 }, { fds: [err!] });
  set(peer, { index: 4, flags: EVENTFD | TRIGGER, count: 1 }, { fds: [req!] });
  expect(peer.session.irqs.err.fd).toBeGreaterThan(2);
  expect(peer.session.irqs.req.fd).toBeGreaterThan(2);
  set(peer, { index: 4, flags: NONE | TRIGGER, count: 1 });
  expect(counts([err!, req!])).toEqual([0, 1]);
  expect(peer.hooks.calls).toEqual(['attach']);
});

test('an index without interrupts can be disabled, as QEMU does with INTx', () => {
  const peer = fixture.attach();
  set(peer, { index: 0, flags: NONE | TRIGGER });
  set(peer, { index: 1, flags: NONE | TRIGGER });
});

test.each([
  ['no data', { flags: TRIGGER, count: 1 }],
  ['two kinds of data', { flags: NONE | BOOL | TRIGGER, count: 1, data: Uint8Array.of(1) }],
  ['no action', { flags: NONE, count: 1 }],
  ['two actions', { flags: NONE | MASK | UNMASK, count: 1 }],
  ['an unknown flag', { flags: NONE | TRIGGER | 64, count: 1 }],
  ['an index that there is not', { index: 5, flags: NONE | TRIGGER }],
  ['an index far away', { index: 0xffff_ffff, flags: NONE | TRIGGER }],
  ['an index without interrupts', { index: 0, flags: NONE | TRIGGER, count: 1 }],
  ['one vector too many', { flags: NONE | TRIGGER, count: VECTORS + 1 }],
  ['a range that ends one too far', { flags: NONE | TRIGGER, start: VECTORS, count: 1 }],
  ['a range that wraps', { flags: NONE | TRIGGER, start: 0xffff_ffff, count: 2 }],
  ['count 0 with a start', { flags: NONE | TRIGGER, start: 1 }],
  ['count 0 with mask', { flags: NONE | MASK }],
  ['count 0 with bool', { flags: BOOL | TRIGGER }],
  ['count 0 with eventfd', { flags: EVENTFD | TRIGGER }],
  ['data where there is none', { flags: NONE | TRIGGER, count: 1, data: Uint8Array.of(1) }],
  ['data behind eventfd', { flags: EVENTFD | TRIGGER, count: 1, data: new Uint8Array(4) }],
  ['too few bools', { flags: BOOL | TRIGGER, count: 3, data: new Uint8Array(2) }],
  ['too many bools', { flags: BOOL | TRIGGER, count: 3, data: new Uint8Array(4) }],
  ['an argsz below the fixed part', { flags: NONE | TRIGGER, count: 1, argsz: 19 }],
])('%s is refused with EINVAL and changes nothing', (_, request) => {
  const { peer, fds } = armed();
  set(peer, request, { expect: E.EINVAL });
  expect(assigned(peer)).toEqual([true, true, true, true, true]);
  expect(peer.hooks.calls).toEqual([]);
  expect(counts(fds)).toEqual([0, 0, 0, 0, 0]);
});

test.each([
  ['fewer descriptors than vectors', { flags: EVENTFD | TRIGGER, count: 3 }, 2],
  ['more descriptors than vectors', { flags: EVENTFD | TRIGGER, count: 1 }, 2],
  ['a descriptor with none', { flags: NONE | TRIGGER, count: 1 }, 1],
  ['a descriptor with disable', { flags: NONE | TRIGGER }, 1],
  ['a descriptor with bool', { flags: BOOL | MASK, count: 1, data: Uint8Array.of(1) }, 1],
  ['more descriptors than a message may have', { flags: EVENTFD | TRIGGER, count: 17 }, 17],
])('%s is refused with EINVAL and changes nothing', (_, request, descriptors) => {
  const { peer } = armed();
  const before = peer.session.irqs.msix.map(({ fd }) => fd);
  set(peer, request, { expect: E.EINVAL, fds: eventfds(descriptors) });
  expect(peer.session.irqs.msix.map(({ fd }) => fd)).toEqual(before);
});

test('a descriptor that is no eventfd is refused with EBADF, and so are those beside it', () => {
  const { peer } = armed();
  const before = peer.session.irqs.msix.map(({ fd }) => fd);
  const fds = [fixture.eventfd(), fixture.memfd(0x1000)];
  set(peer, { flags: EVENTFD | TRIGGER, count: 2 }, { expect: E.EBADF, fds });
  expect(peer.session.irqs.msix.map(({ fd }) => fd)).toEqual(before);
  expect(peer.hooks.calls).toEqual([]);
});

test.each([0, 19])('a payload of %i bytes is refused with EINVAL', (length) => {
  const payload = new Uint8Array(length);
  if (length > 0) payload[0] = length;
  fixture.attach().send(VFIO_USER.SET_IRQS, payload, { expect: E.EINVAL });
});

test.each([2, 3, 4])('index %i takes no memory and no socket for an eventfd: EBADF', (index) => {
  const peer = fixture.attach();
  const [left, right] = socketPair();
  for (const fd of [left, right]) fixture.own(fd);
  for (const fd of [left, fixture.memfd(0x1000)]) {
    set(peer, { index, flags: EVENTFD | TRIGGER, count: 1 }, { expect: E.EBADF, fds: [fd] });
  }
  expect([peer.session.irqs.err.fd, peer.session.irqs.req.fd]).toEqual([-1, -1]);
});

test('an eventfd that waits when it is full is made one that does not', () => {
  const peer = fixture.attach();
  const fd = fixture.eventfd();
  // A child gets its standard input without O_NONBLOCK, and the flag is everybody's who has the descriptor.
  spawnSync('true', { stdio: [fd, 'ignore', 'ignore'] });
  expect(inspectFd(fd).nonblocking).toBe(false);
  set(peer, { flags: EVENTFD | TRIGGER, count: 1 }, { fds: [fd] });
  expect(inspectFd(fd).nonblocking).toBe(true);
});

test.each([17, 32])('all %i vectors may come in one message, as from Cloud Hypervisor', (vectors) => {
  const backend = fakeBackend({ numTxRings: vectors - 1, numRxRings: 1 });
  const peer = fixture.attach({ device: createPtnet('vm1/net0', backend) });
  const fds = eventfds(vectors);
  set(peer, { flags: EVENTFD | TRIGGER, count: vectors }, { fds });
  set(peer, { flags: NONE | TRIGGER, count: vectors });
  expect(counts(fds)).toEqual(new Array(vectors).fill(1));
});
