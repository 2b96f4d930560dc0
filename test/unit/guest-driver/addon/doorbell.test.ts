// Kicks: the bytes of a doorbell message, its reply, and what a loop does when the socket fails it.
import { spawnSync } from 'node:child_process';
import { writeSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startLoop } from '../../../../guest-driver/addon/index.ts';
import { inspectFd, setNonblocking } from '../../../../native/os.ts';
import { FakePort } from './fake-port.ts';

let port: FakePort;
let received: number[];
beforeEach(() => {
  port = new FakePort({ rings: 2 });
  received = [];
});
afterEach(() => port.close());

const MESSAGE = 36;

/** Collects doorbell messages; `answer` may reply to each. */
function listen(answer?: (message: DataView) => void): void {
  port.channel.start(
    (bytes) => {
      received.push(...bytes);
      while (answer && received.length >= MESSAGE) {
        answer(new DataView(Uint8Array.from(received.splice(0, MESSAGE)).buffer));
      }
    },
    () => {},
  );
}

function reply(message: DataView, { id = message.getUint16(0, true), flags = 1, errno = 0, size = 32 } = {}) {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id, true);
  view.setUint16(2, message.getUint16(2, true), true);
  view.setUint32(4, size, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, errno, true);
  port.channel.send(bytes);
}

/** Sends one packet on TX ring 1; nobody takes it. */
function sendOne(wait: boolean) {
  return startLoop(
    port.options('send', {
      txRings: [1],
      count: 1n,
      seconds: 0.05,
      doorbell: { fd: port.socket, region: 0, base: 128, wait },
    }),
  );
}

test('a posted doorbell is a REGION_WRITE of 4 bytes that wants no reply', async () => {
  listen();
  const result = await sendOne(false).done;
  expect(result.kicks).toBe(1n);
  while (received.length < MESSAGE) await new Promise((resolve) => setImmediate(resolve));
  const message = new DataView(Uint8Array.from(received).buffer);
  expect(received.length).toBe(MESSAGE);
  expect(message.getUint16(2, true)).toBe(10); // REGION_WRITE
  expect(message.getUint32(4, true)).toBe(MESSAGE);
  expect(message.getUint32(8, true)).toBe(0x10); // command, no reply wanted
  expect(message.getUint32(12, true)).toBe(0);
  expect(message.getBigUint64(16, true)).toBe(132n); // KICK[1]
  expect(message.getUint32(24, true)).toBe(0); // region
  expect(message.getUint32(28, true)).toBe(4);
});

test('a doorbell of an I/O BAR asks for a reply and waits for it, of whatever size', async () => {
  const flags: number[] = [];
  listen((message) => {
    flags.push(message.getUint32(8, true));
    reply(message, { size: 36 });
  });
  const result = await sendOne(true).done;
  expect(result).toMatchObject({ kicks: 1n, stopped: 'count' });
  expect(flags).toEqual([0]);
});

test('several loops share a socket: every message and reply stays whole', async () => {
  let answered = 0;
  listen((message) => {
    answered++;
    reply(message);
  });
  const doorbell = { fd: port.socket, region: 0, base: 128, wait: true };
  const loops = [0, 1].map((ring) =>
    startLoop(port.options('send', { txRings: [ring], count: 15n, burst: 1, seconds: 5, doorbell })),
  );
  await Promise.all(
    loops.map(
      (loop) =>
        new Promise<void>((resolve) => {
          const look = () => (loop.progress().sent === 15n ? resolve() : setImmediate(look));
          look();
        }),
    ),
  );
  for (const loop of loops) loop.stop();
  for (const loop of loops) {
    const result = await loop.done;
    expect(result.error).toBeUndefined();
    expect(result.kicks).toBe(15n);
  }
  expect(answered).toBe(30);
});

test('a refused doorbell ends the loop and names the error', async () => {
  listen((message) => reply(message, { flags: 0x21, errno: 22 }));
  expect(await sendOne(true).done).toMatchObject({
    stopped: 'error',
    error: 'doorbell 1: refused: Invalid argument',
  });
});

test('a reply to something else, or of an impossible size, ends the loop', async () => {
  listen((message) => reply(message, { id: 7 }));
  const result = await sendOne(true).done;
  expect(result.stopped).toBe('error');
  expect(result.error).toMatch(/message 7 with flags 1: not the reply to doorbell/);
});

test('a reply shorter than its header ends the loop', async () => {
  listen((message) => {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, message.getUint16(0, true), true);
    view.setUint32(4, 15, true);
    view.setUint32(8, 1, true);
    port.channel.send(bytes);
  });
  const result = await sendOne(true).done;
  expect(result).toMatchObject({ stopped: 'error' });
  expect(result.error).toMatch(/reply of 15 bytes: must be 16 to 4096/);
});

test('a peer that reads nothing ends the loop with an error, also when its socket would make a write wait', async () => {
  setNonblocking(port.socket);
  const chunk = new Uint8Array(4096);
  const fill = () => {
    for (;;) writeSync(port.socket, chunk);
  };
  expect(fill).toThrow(/EAGAIN/);
  // A child's standard input is a blocking one, and with it the socket.
  spawnSync('true', { stdio: [port.socket, 'ignore', 'ignore'] });
  expect(inspectFd(port.socket).nonblocking).toBe(false);
  const result = await sendOne(false).done;
  expect(result).toMatchObject({
    stopped: 'error',
    error: 'doorbell 1: sendmsg: Connection timed out, vfio-user socket',
  });
});

test('a peer that is gone ends the loop with an error, not with a signal', async () => {
  port.channel.close();
  for (const wait of [true, false]) {
    const result = await sendOne(wait).done;
    expect(result.stopped).toBe('error');
    expect(result.error).toMatch(/^doorbell 1: (send: Broken pipe|recv: the peer closed)/);
  }
});
