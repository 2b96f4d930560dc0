// The kick thread as JavaScript sees it: listeners and their errors, events in order, doorbells, and use after close.
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Kick } from '../../../native/kick.ts';
import { Channel, closeFd, eventfd, eventfdDrain, eventfdSignal } from '../../../native/os.ts';
import { openFds } from '../../harness/descriptors.ts';
import { attach, Folder, RecordedKick, regionWrite, startThread, turn, until } from './kick-fixture.ts';

const WINDOW = { region: 0, offset: 128, stride: 4 };

let before: string[];
let folder: Folder;
let recorded: RecordedKick;
let kick: Kick;
beforeEach(() => {
  before = openFds();
  folder = new Folder();
  recorded = new RecordedKick();
  kick = recorded.kick;
});
afterEach(async () => {
  kick.close();
  folder.remove();
  await turn();
  expect(openFds()).toEqual(before);
});

/** Collects the bytes that a client hears. */
function connect(path: string) {
  const channel = Channel.connect(path);
  const heard = { bytes: [] as number[], closed: false };
  channel.start(
    (bytes) => heard.bytes.push(...bytes),
    () => {
      heard.closed = true;
    },
  );
  return { channel, heard };
}

describe('listen', () => {
  test.each([
    ['too long', () => folder.at('x'.repeat(108)), 'bind: ENAMETOOLONG'],
    ['empty', () => '', 'bind: EINVAL'],
    ['with a NUL', () => folder.at('a\0b'), 'bind: EINVAL'],
    ['in a folder that is not there', () => folder.at('none/x.sock'), 'bind: ENOENT'],
    ['in a file', () => folder.at('file/x.sock'), 'bind: ENOTDIR'],
    ['that is a file', () => folder.at('file'), 'bind: EADDRINUSE'],
    ['that is a folder', () => folder.path, 'bind: EADDRINUSE'],
  ])('a path %s is refused with the path in the message, and nothing is left', (_, path, text) => {
    writeFileSync(folder.at('file'), 'keep');
    expect(() => kick.listen(path())).toThrow(text);
    expect(() => kick.listen(path())).toThrow(`, ${path()}`);
    expect(statSync(folder.at('file')).size).toBe(4);
  });

  test('a folder without permission is refused with EACCES', () => {
    mkdirSync(folder.at('closed'), { mode: 0o000 });
    chmodSync(folder.path, 0o755);
    const root = process.getuid!() === 0;
    // Permissions are nothing to root.
    if (root) process.seteuid!(65_534);
    try {
      expect(() => kick.listen(folder.at('closed/x.sock'))).toThrow(/EACCES/);
    } finally {
      if (root) process.seteuid!(0);
      chmodSync(folder.at('closed'), 0o700);
    }
  });

  test('a socket on which somebody listens is in use; one that was left behind is replaced', async () => {
    const path = folder.at('x.sock');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(() => kick.listen(path)).toThrow('bind: EADDRINUSE');
    await new Promise((resolve) => server.close(resolve));
    const listener = kick.listen(path);
    expect(() => kick.listen(path)).toThrow('bind: EADDRINUSE');
    kick.unlisten(listener);
    expect(existsSync(path)).toBe(false);
    // A thread that is gone without closing: its socket stays as a file.
    const script = `
      const net = require('node:net');
      net.createServer().listen(workerData.path, () => {
        require('node:fs').linkSync(workerData.path, workerData.path + '.left');
        parentPort.postMessage('listening');
      });
    `;
    const worker = await startThread(script, { path });
    await worker.terminate();
    expect(existsSync(`${path}.left`)).toBe(true);
    kick.unlisten(kick.listen(`${path}.left`));
  });

  test.each([0o600, 0o660, 0o666])('the file has mode %o whatever the umask', (mode) => {
    const umask = process.umask(0o077);
    try {
      kick.listen(folder.at('x.sock'), { mode });
      expect(statSync(folder.at('x.sock')).mode & 0o777).toBe(mode);
    } finally {
      process.umask(umask);
    }
  });

  test('what somebody has put in the place of the socket is not removed', () => {
    const path = folder.at('x.sock');
    const listener = kick.listen(path);
    kick.unlisten(listener);
    const second = kick.listen(path);
    writeFileSync(folder.at('other'), 'keep');
    // Atomically, as a program that takes the name over.
    const { renameSync } = process.getBuiltinModule('node:fs');
    renameSync(folder.at('other'), path);
    kick.unlisten(second);
    expect(statSync(path).size).toBe(4);
  });

  test.each([
    ['a path that is no text', [7], /path/],
    ['a mode beyond 0777', ['x', { mode: 0o1000 }], /mode/],
    ['messages that are too short', ['x', { maxMessageSize: 63 }], /maxMessageSize/],
    ['more descriptors than a message can have', ['x', { maxFds: 254 }], /maxFds/],
  ])('%s is refused', (_, args, text) => {
    expect(() => kick.listen(...(args as [string]))).toThrow(text);
  });
});

test('events come in order: connect, messages with their descriptors, disconnect; then the next client', async () => {
  const path = folder.at('x.sock');
  const listener = kick.listen(path);
  const client = connect(path);
  const event = eventfd();
  let got: number[] = [];
  recorded.take = (fds) => {
    got = [...got, ...fds];
  };
  client.channel.send(regionWrite(1, 128), [event, event]);
  client.channel.send(regionWrite(2, 128));
  await until(() => recorded.events.length === 3);
  expect(got).toHaveLength(2);
  eventfdSignal(got[0]!);
  expect(eventfdDrain(event)).toBe(1n);
  for (const fd of [event, ...got]) closeFd(fd);
  client.channel.close();
  const next = connect(path);
  await until(() => recorded.events.length === 5);
  expect(recorded.events).toEqual([
    `connect ${listener}`,
    'message 36 +2',
    'message 36',
    'disconnect 0',
    `connect ${listener}`,
  ]);
  next.channel.close();
  await until(() => recorded.events.length === 6);
});

test('send() reaches the client with duplicates of the descriptors; release() ends it', async () => {
  const path = folder.at('x.sock');
  kick.listen(path);
  const channel = Channel.connect(path);
  let total = 0;
  let closed = false;
  const fds: number[] = [];
  channel.start(
    (bytes, more) => {
      total += bytes.length;
      fds.push(...more);
    },
    () => {
      closed = true;
    },
  );
  await until(() => recorded.session !== 0);
  const event = eventfd();
  kick.send(recorded.session, new Uint8Array(500_000), [event]);
  kick.send(recorded.session, Uint8Array.of(1));
  await until(() => total === 500_001);
  expect(fds).toHaveLength(1);
  for (const fd of [event, ...fds]) closeFd(fd);
  const { session } = recorded;
  kick.release(session);
  await until(() => closed);
  expect(() => kick.send(session, Uint8Array.of(1))).toThrow(
    `sendmsg: EBADF: bad file descriptor, session ${session}`,
  );
  expect(() => kick.release(session)).toThrow(/release: EBADF/);
});

/** An attachment whose doorbells a session has. */
async function attachWithDoorbells() {
  const { attachment, kicks } = attach();
  const path = folder.at('x.sock');
  kick.listen(path);
  const client = connect(path);
  await until(() => recorded.session !== 0);
  kick.setDoorbells(recorded.session, WINDOW, attachment.doorbellTarget);
  return { attachment, kicks, ...client };
}

test('doorbells inside the window are answered and rung; everything else is handed on', async () => {
  const { attachment, kicks, channel, heard } = await attachWithDoorbells();
  channel.send(regionWrite(1, 128));
  channel.send(regionWrite(2, 132));
  channel.send(regionWrite(3, 132, 0, 0x10));
  await until(() => heard.bytes.length === 64 && kicks(1) === 2);
  expect(kicks(0)).toBe(1);
  expect(recorded.events).toHaveLength(1);
  // A ring that is not there, another BAR, beside a doorbell, before the window, a reply, a flagged error.
  const others = [
    regionWrite(4, 136),
    regionWrite(5, 128, 1),
    regionWrite(6, 130),
    regionWrite(7, 124),
    regionWrite(8, 128, 0, 1),
    regionWrite(9, 128, 0, 0x20),
  ];
  for (const message of others) channel.send(message);
  await until(() => recorded.messages.length === others.length);
  expect(recorded.messages).toEqual(others);
  kick.clearDoorbells(recorded.session);
  channel.send(regionWrite(10, 128));
  await until(() => recorded.messages.length === others.length + 1);
  expect([kicks(0), kicks(1)]).toEqual([1, 2]);
  attachment.detach();
  channel.close();
  await until(() => recorded.events.at(-1) === 'disconnect 0');
});

test('doorbells of an attachment that is gone are answered and ring nothing', async () => {
  const { attachment, kicks, channel, heard } = await attachWithDoorbells();
  attachment.detach();
  channel.send(regionWrite(1, 128));
  await until(() => heard.bytes.length === 32);
  expect(kicks(0)).toBe(0);
  channel.close();
  await until(() => recorded.events.at(-1) === 'disconnect 0');
});

test('what is not there is refused', () => {
  const { attachment } = attach();
  expect(() => kick.unlisten(99)).toThrow(/unlisten: EBADF: .*listener 99/);
  expect(() => kick.release(99)).toThrow(/release: EBADF: .*session 99/);
  expect(() => kick.clearDoorbells(99)).toThrow(/clearDoorbells: EBADF/);
  expect(() => kick.setDoorbells(99, WINDOW, attachment.doorbellTarget)).toThrow(/setDoorbells: EBADF/);
  expect(() => kick.setDoorbells(99, { ...WINDOW, stride: 0 }, attachment.doorbellTarget)).toThrow(/stride/);
  expect(() => kick.setDoorbells(99, WINDOW, {})).toThrow(TypeError);
  expect(() => kick.send(99, 'text' as never)).toThrow(/message: a Uint8Array/);
  expect(() => kick.send(-1, Uint8Array.of(1))).toThrow(/session/);
  expect(() => kick.send(99, Uint8Array.of(1), [-1])).toThrow(/fd/);
  attachment.detach();
});

test('after close() every call says so, the sockets are gone and their clients see it', async () => {
  const path = folder.at('x.sock');
  const listener = kick.listen(path);
  const { heard, channel } = connect(path);
  await until(() => recorded.session !== 0);
  const { session } = recorded;
  const { attachment } = attach();
  kick.close();
  kick.close();
  await until(() => heard.closed);
  expect(existsSync(path)).toBe(false);
  for (const call of [
    () => kick.listen(path),
    () => kick.unlisten(listener),
    () => kick.send(session, Uint8Array.of(1)),
    () => kick.setDoorbells(session, WINDOW, attachment.doorbellTarget),
    () => kick.clearDoorbells(session),
    () => kick.release(session),
  ]) {
    expect(call).toThrow('kick thread: closed');
  }
  attachment.detach();
  channel.close();
});

test('close() inside of its own events', async () => {
  for (const which of ['connect', 'message', 'disconnect']) {
    const path = folder.at(`${which}.sock`);
    let over = false;
    const at = (event: string) => () => {
      if (event === which) inner.close();
      over ||= event === which;
    };
    const message = (_: number, __: Uint8Array, fds: number[]) => {
      for (const fd of fds) closeFd(fd);
      at('message')();
    };
    const inner = new Kick({ connect: at('connect'), message, disconnect: at('disconnect') });
    inner.listen(path);
    const { channel } = connect(path);
    const event = eventfd();
    channel.send(regionWrite(1, 128), [event]);
    channel.close();
    await until(() => over);
    closeFd(event);
  }
});
