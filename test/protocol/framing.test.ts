// Headers: what is not a message ends the session, what is not a command is refused or ignored, and all of it is counted.
import { expect, test } from 'vitest';
import { encodeMessage } from '../../guest-driver/model/messages.ts';
import { E, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const REPLY = 1;
const ERROR = 0x20;
const reset = (fields: { flags?: number; size?: number }): Uint8Array =>
  encodeMessage({ msgId: 7, command: VFIO_USER.DEVICE_RESET, ...fields });

test.each([
  ['no bytes at all', new Uint8Array(0)],
  ['less than a header', reset({}).subarray(0, 15)],
  ['a size of 0', reset({ size: 0 })],
  ['a size below the header', reset({ size: 15 })],
  ['a size beyond the message', reset({ size: 17 })],
  ['a size beyond all messages', reset({ size: 0xffff_ffff })],
])('%s ends the session without an answer', (_, bytes) => {
  const peer = fixture.attach();
  peer.raw(bytes, [fixture.eventfd()]);
  expect(peer.takeAnswers()).toEqual([]);
  expect(peer.closed).toBe(true);
  expect(peer.counters).toEqual({ 'malformed message': 1 });
  expect(peer.log[0]?.text).toMatch(/^vm1\/net0: message of \d+ bytes/);
});

test('a reply to nothing is counted and ignored', () => {
  const peer = fixture.attach();
  peer.raw(reset({ flags: REPLY }), [fixture.eventfd()]);
  peer.raw(reset({ flags: REPLY | ERROR }));
  expect(peer.takeAnswers()).toEqual([]);
  expect(peer.closed).toBe(false);
  expect(peer.counters).toEqual({ 'unexpected reply': 2 });
});

test.each([2, 3, 15])('message type %i is refused with EINVAL', (flags) => {
  const peer = fixture.attach();
  peer.send(VFIO_USER.DEVICE_RESET, new Uint8Array(), { flags, expect: E.EINVAL });
  expect(peer.closed).toBe(false);
});

test('a refused command that wants no reply gets none, but is counted', () => {
  const peer = fixture.attach();
  peer.send(99, new Uint8Array(), { noReply: true });
  expect(peer.counters).toEqual({ 'unknown command ENOSYS': 1 });
});

test('message ids may repeat', () => {
  const peer = fixture.attach();
  peer.raw(reset({}));
  peer.raw(reset({}));
  expect(peer.takeAnswers()).toHaveLength(2);
});

test('after the end of the session messages are dropped, with their descriptors', () => {
  const peer = fixture.attach();
  peer.session.close();
  peer.raw(reset({}), [fixture.eventfd(), fixture.memfd(4096)]);
  peer.raw(new Uint8Array(3), [fixture.eventfd()]);
  expect(peer.takeAnswers()).toEqual([]);
});

test('the log names the VM, says each cause once, then counts', () => {
  const peer = fixture.attach();
  for (let i = 0; i < 150; i += 1) peer.send(1000 + i, new Uint8Array(), { expect: E.ENOSYS });
  peer.send(VFIO_USER.DMA_READ, new Uint8Array(), { expect: E.ENOTSUP });
  expect(peer.log.map(({ text }) => text)).toEqual([
    'vm1/net0: command 1000: unknown',
    'vm1/net0: command 1009: unknown (10 times)',
    'vm1/net0: command 1099: unknown (100 times)',
    'vm1/net0: VFIO_USER_DMA_READ: only a server sends it',
  ]);
  expect(peer.log[1]).toMatchObject({
    level: 'warn',
    fields: { vm: 'vm1', device: 'net0', event: 'unknown-command-enosys', count: 10 },
  });
});
