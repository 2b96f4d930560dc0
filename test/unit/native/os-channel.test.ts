// Channel: bytes and descriptors over a Unix stream socket, back-pressure, pause, hang-ups, use after close.
import { randomUUID } from 'node:crypto';
import { existsSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  Channel,
  closeFd,
  eventfd,
  eventfdDrain,
  eventfdSignal,
  inspectFd,
  socketPair,
} from '../../../native/os.ts';
import { openFds } from '../../harness/descriptors.ts';

let before: string[];
beforeEach(() => {
  before = openFds();
});
afterEach(async () => {
  await turn();
  expect(openFds()).toEqual(before);
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Collects what a channel hears. */
function listen(channel: Channel) {
  const heard = { bytes: [] as number[], total: 0, fds: [] as number[], closed: [] as number[] };
  channel.start(
    (bytes, fds) => {
      heard.total += bytes.length;
      if (heard.total < 1000) heard.bytes.push(...bytes);
      heard.fds.push(...fds);
    },
    (errno) => heard.closed.push(errno),
  );
  return heard;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

function pair(): [Channel, Channel] {
  const [a, b] = socketPair();
  return [Channel.fromFd(a), Channel.fromFd(b)];
}

test('bytes and descriptors arrive; the sender keeps its own', async () => {
  const [left, right] = pair();
  const heard = listen(right);
  const event = eventfd();
  left.send(Uint8Array.of(1, 2, 3), [event, event]);
  left.send(Uint8Array.of(4));
  await until(() => heard.total === 4);
  expect(heard.bytes).toEqual([1, 2, 3, 4]);
  expect(heard.fds.length).toBe(2);
  eventfdSignal(heard.fds[0]!);
  expect(eventfdDrain(event)).toBe(1n);
  for (const fd of [event, ...heard.fds]) closeFd(fd);
  left.close();
  right.close();
});

test('a full socket queues, in order, with the descriptors of each message', async () => {
  const [left, right] = pair();
  listen(left);
  const event = eventfd();
  const size = 300_000;
  for (let i = 0; i < 8; i++) left.send(new Uint8Array(size).fill(i), [event]);
  closeFd(event);
  let total = 0;
  let wrong = 0;
  const fds: number[] = [];
  right.start(
    (bytes, more) => {
      for (const byte of bytes) if (byte !== Math.floor(total++ / size)) wrong += 1;
      fds.push(...more);
    },
    () => {},
  );
  await until(() => total === 8 * size);
  expect(wrong).toBe(0);
  expect(fds.length).toBe(8);
  for (const fd of fds) closeFd(fd);
  left.close();
  right.close();
});

test('close drops what is queued, descriptors included', () => {
  const [left, right] = pair();
  const event = eventfd();
  for (let i = 0; i < 4; i++) left.send(new Uint8Array(400_000), [event]);
  closeFd(event);
  left.close();
  right.close();
});

test('the queue is bounded', () => {
  const [left, right] = pair();
  const chunk = new Uint8Array(16 << 20);
  for (let i = 0; i < 4; i++) left.send(chunk);
  expect(() => left.send(chunk)).toThrow(/sendmsg: ENOBUFS/);
  left.close();
  right.close();
});

test('pause sends what is queued and stops reading; resume goes on', async () => {
  const [left, right] = pair();
  const heard = listen(left);
  const other = listen(right);
  left.pause();
  right.send(Uint8Array.of(9));
  await turn();
  await turn();
  expect(heard.total).toBe(0);
  left.send(Uint8Array.of(8));
  await until(() => other.total === 1);
  left.resume();
  await until(() => heard.total === 1);
  left.close();
  await until(() => other.closed.length === 1);
  expect(other.closed).toEqual([0]);
  expect(right.fd).toBe(-1);
});

test('a peer that closes is told once, with what it sent before', async () => {
  const [a, b] = socketPair();
  const left = Channel.fromFd(a);
  const heard = listen(left);
  writeSync(b, 'bye');
  closeFd(b);
  await until(() => heard.closed.length > 0);
  expect(heard.total).toBe(3);
  expect(heard.closed).toEqual([0]);
  left.close();
});

test('sending to a peer that is gone throws EPIPE', () => {
  const [left, right] = pair();
  right.close();
  expect(() => left.send(Uint8Array.of(1))).toThrow(/sendmsg: EPIPE/);
  left.close();
});

test('every method after close', () => {
  const [left, right] = pair();
  left.close();
  left.close();
  right.close();
  expect(left.fd).toBe(-1);
  expect(() => left.send(Uint8Array.of(1))).toThrow(/sendmsg: EBADF: bad file descriptor, closed channel/);
  expect(() =>
    left.start(
      () => {},
      () => {},
    ),
  ).toThrow(/EBADF/);
  expect(() => left.pause()).toThrow(/EBADF/);
  expect(() => left.resume()).toThrow(/EBADF/);
});

test('close inside its own callbacks', async () => {
  const [left, right] = pair();
  let calls = 0;
  left.start(
    () => {
      calls += 1;
      left.close();
    },
    () => {
      calls += 100;
    },
  );
  right.send(Uint8Array.of(1));
  await until(() => calls > 0);
  right.close();
  await turn();
  expect(calls).toBe(1);
});

test('bad arguments', () => {
  const [left, right] = pair();
  expect(() => left.send('x' as never)).toThrow(/bytes: not a Uint8Array/);
  expect(() => left.send(Uint8Array.of(1), [-1])).toThrow(/^fd: out of range/);
  expect(() => left.send(Uint8Array.of(1), new Array(254).fill(0))).toThrow(/fds: too many/);
  expect(() => left.send(Uint8Array.of(1), [1_000_000])).toThrow(/sendmsg: EBADF/);
  expect(() => left.start(undefined as never, () => {})).toThrow(/onData: not a function/);
  listen(left);
  expect(() => listen(left)).toThrow(/EALREADY/);
  expect(() => Channel.fromFd(1_000_000)).toThrow(/fcntl: EBADF/);
  left.close();
  right.close();
});

test('connect reaches a listening socket, and names the path when it cannot', async () => {
  const path = join(tmpdir(), `ptnet-${randomUUID()}.sock`);
  expect(() => Channel.connect(path)).toThrow(`connect: ENOENT: no such file or directory, ${path}`);
  expect(() => Channel.connect('x'.repeat(108))).toThrow(/connect: ENAMETOOLONG/);
  const server = createServer((socket) => socket.end('hello'));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const channel = Channel.connect(path);
  expect(inspectFd(channel.fd).kind).toBe('other');
  const heard = listen(channel);
  await until(() => heard.closed.length === 1);
  expect(heard.total).toBe(5);
  await new Promise((resolve) => server.close(resolve));
  expect(existsSync(path)).toBe(false);
});
