// Commands that are refused whatever they carry: migration, what only a server sends, and numbers without a meaning.
import { expect, test } from 'vitest';
import { encodeDmaAccess } from '../../guest-driver/model/messages.ts';
import { E, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();

test.each(['DEVICE_FEATURE', 'DMA_READ', 'DMA_WRITE', 'MIG_DATA_READ', 'MIG_DATA_WRITE'] as const)(
  '%s is refused with ENOTSUP, and the session lives on',
  (name) => {
    const peer = fixture.attach();
    const payload = encodeDmaAccess({ address: 0n, count: 8n });
    peer.send(VFIO_USER[name], payload, { expect: E.ENOTSUP });
    peer.send(VFIO_USER[name], new Uint8Array(), { expect: E.ENOTSUP });
    peer.send(VFIO_USER.DEVICE_RESET);
    expect(peer.closed).toBe(false);
  },
);

test.each([0, 14, 19, 255, 65535])(
  'command %i is refused with ENOSYS, and the session lives on',
  (command) => {
    const peer = fixture.attach();
    peer.send(command, new Uint8Array(4), { expect: E.ENOSYS });
    peer.send(VFIO_USER.DEVICE_RESET);
    expect(peer.closed).toBe(false);
    expect(peer.counters).toEqual({ 'unknown command ENOSYS': 1 });
  },
);

test.each(['DEVICE_FEATURE', 'DMA_READ', 'DMA_WRITE', 'MIG_DATA_READ', 'MIG_DATA_WRITE'] as const)(
  'descriptors do not belong to %s',
  (name) => {
    const options = { expect: E.EINVAL, fds: [fixture.eventfd()] };
    fixture.attach().send(VFIO_USER[name], new Uint8Array(16), options);
  },
);

test('a log of dirty pages is no command any more', () => {
  // VFIO_USER_DIRTY_PAGES of the drafts before 0.9.
  fixture.attach().send(14, new Uint8Array(24), { expect: E.ENOSYS });
});

test('descriptors that come with them are closed', () => {
  const peer = fixture.attach();
  peer.send(99, new Uint8Array(), { expect: E.ENOSYS, fds: [fixture.eventfd(), fixture.memfd(4096)] });
  peer.send(VFIO_USER.DMA_READ, new Uint8Array(), { expect: E.EINVAL, fds: [fixture.eventfd()] });
});
