// VFIO_USER_VERSION: what is negotiated, and that nothing works without it.
import { expect, test } from 'vitest';
import { decodeVersion, encodeDeviceInfo, encodeVersion } from '../../guest-driver/model/messages.ts';
import { E, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const version = (capabilities: object | string, major = 0, minor = 0): Uint8Array =>
  encodeVersion({ major, minor, capabilities });

test('the reply names our limits, within what QEMU accepts', () => {
  const peer = fixture.connect();
  const qemu = {
    max_msg_fds: 8,
    max_data_xfer_size: 1048576,
    pgsizes: 4096,
    max_dma_maps: 65535,
    write_multiple: true,
  };
  const { payload } = peer.send(VFIO_USER.VERSION, version(qemu));
  const reply = decodeVersion(payload);
  expect(reply).toMatchObject({ major: 0, minor: 0 });
  // QEMU refuses more descriptors than 16, more maps than it said itself, and pages below 4096.
  expect(reply.capabilities).toEqual({
    max_msg_fds: 16,
    max_data_xfer_size: 1048576,
    pgsizes: 4096,
    max_dma_maps: 4096,
    write_multiple: true,
  });
  expect(peer.hooks.calls).toEqual(['attach']);
});

test('the minor version is the smaller of both', () => {
  const minor = (theirs: number): number =>
    decodeVersion(fixture.connect().send(VFIO_USER.VERSION, version({}, 0, theirs)).payload).minor;
  expect([0, 1, 9].map(minor)).toEqual([0, 1, 1]);
});

test('write_multiple is offered only to a client that knows it', () => {
  const { payload } = fixture.connect().send(VFIO_USER.VERSION, version({ max_msg_fds: 1 }));
  expect(decodeVersion(payload).capabilities).not.toHaveProperty('write_multiple');
});

test.each([
  ['no text at all', ''],
  ['an empty object', '{}\0'],
  ['capabilities that we do not know', '{"capabilities":{"twin_socket":{"supported":true}},"more":1}\0'],
])('%s is fine', (_, text) => {
  const peer = fixture.connect();
  peer.send(VFIO_USER.VERSION, version(text));
  expect(peer.closed).toBe(false);
});

test.each([
  ['text without a NUL', '{"capabilities":{}}'],
  ['text that is not JSON', '{"capabilities":\0'],
  ['a NUL in the middle', '{}\0{}\0'],
  ['an array', '[]\0'],
  ['null', 'null\0'],
  ['capabilities that are no object', '{"capabilities":[1]}\0'],
  ['max_msg_fds that is text', '{"capabilities":{"max_msg_fds":"8"}}\0'],
  ['max_msg_fds below 0', '{"capabilities":{"max_msg_fds":-1}}\0'],
  ['max_data_xfer_size that is no whole number', '{"capabilities":{"max_data_xfer_size":1.5}}\0'],
  ['more text than anybody needs', `{"x":"${'y'.repeat(5000)}"}\0`],
])('%s is refused with EINVAL and the session ends', (_, text) => {
  const peer = fixture.connect();
  peer.send(VFIO_USER.VERSION, version(text), { expect: E.EINVAL });
  expect(peer.closed).toBe(true);
  expect(peer.hooks.calls).toEqual([]);
});

test('text that is not UTF-8 is refused', () => {
  const payload = Uint8Array.of(0, 0, 0, 0, 0x22, 0xff, 0x22, 0);
  fixture.connect().send(VFIO_USER.VERSION, payload, { expect: E.EINVAL });
});

test('another major version is refused and the session ends', () => {
  const peer = fixture.connect();
  peer.send(VFIO_USER.VERSION, version({}, 1, 0), { expect: E.EINVAL });
  expect(peer.closed).toBe(true);
  expect(peer.log[0]?.text).toContain('vm1/net0: VFIO_USER_VERSION: protocol version 1.0');
});

test('a payload too short for a version is refused', () => {
  const peer = fixture.connect();
  peer.send(VFIO_USER.VERSION, new Uint8Array(3), { expect: E.EINVAL });
  expect(peer.closed).toBe(true);
});

test('descriptors do not belong here', () => {
  const peer = fixture.connect();
  peer.send(VFIO_USER.VERSION, version({}), { fds: [fixture.eventfd()], expect: E.EINVAL });
  expect(peer.closed).toBe(true);
});

test('any other command that comes first is refused and the session ends', () => {
  const peer = fixture.connect();
  peer.send(VFIO_USER.DEVICE_GET_INFO, encodeDeviceInfo(), { expect: E.EINVAL });
  expect(peer.closed).toBe(true);
});

test('a second VERSION is refused and the session ends', () => {
  const peer = fixture.attach();
  peer.send(VFIO_USER.VERSION, version({}), { expect: E.EINVAL });
  expect(peer.closed).toBe(true);
  expect(peer.hooks.calls).toEqual(['attach', 'detach']);
});

test('a host that cannot take the client hangs up after the reply', () => {
  const peer = fixture.connect();
  peer.hooks.on = (call) => {
    if (call === 'attach') throw new Error('no room');
  };
  peer.send(VFIO_USER.VERSION, version({}));
  expect(peer.closed).toBe(true);
  expect(peer.log[0]).toMatchObject({ level: 'error', text: expect.stringContaining('no room') });
});

test('a VERSION that wants no reply attaches all the same, and a refused one ends the session', () => {
  const good = fixture.connect();
  good.send(VFIO_USER.VERSION, version({}), { noReply: true });
  expect(good.session.state).toBe('attached');
  const bad = fixture.connect();
  bad.send(VFIO_USER.VERSION, version({}, 1), { noReply: true });
  expect(bad.closed).toBe(true);
});

test('capabilities that are null are the defaults', () => {
  const peer = fixture.connect();
  peer.send(VFIO_USER.VERSION, version('{"capabilities":null}\0'));
  expect(peer.session.limits).toEqual({ maxMsgFds: 1 });
});

test('a client that takes more descriptors than a message may carry gets no more than that', () => {
  const peer = fixture.connect();
  peer.send(VFIO_USER.VERSION, version({ max_msg_fds: 1000 }));
  expect(peer.session.limits).toEqual({ maxMsgFds: 16 });
});
