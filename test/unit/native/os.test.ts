// memfds, eventfds, descriptors and their errors.
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  closeFd,
  dup,
  eventfd,
  eventfdDrain,
  eventfdSignal,
  inspectFd,
  memfdCreate,
  pollReadable,
  setNonblocking,
  socketPair,
  watchReadable,
} from '../../../native/os.ts';
import { openFds } from '../../harness/descriptors.ts';

let before: string[];
beforeEach(() => {
  before = openFds();
});
afterEach(() => {
  expect(openFds()).toEqual(before);
});

describe('memfdCreate', () => {
  test('makes a file of that size, closed on exec', () => {
    const fd = memfdCreate('ptnet-test', 8192);
    expect(fstatSync(fd).size).toBe(8192);
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toMatch(/flags:\s+0?2/);
    closeFd(fd);
  });

  test('sealed, its size cannot change', () => {
    const fd = memfdCreate('ptnet-test', 8192, { seal: true });
    expect(() => ftruncateSync(fd, 4096)).toThrow(/EPERM/);
    expect(() => ftruncateSync(fd, 16384)).toThrow(/EPERM/);
    expect(inspectFd(fd).shrinkSealed).toBe(true);
    closeFd(fd);
  });

  test('an impossible size throws a SystemError and leaves no descriptor', () => {
    try {
      memfdCreate('ptnet-test', Number.MAX_SAFE_INTEGER, { hugetlb: true });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ syscall: expect.any(String), code: expect.stringMatching(/^E/) });
      expect((error as Error & { errno: number }).errno).toBeLessThan(0);
    }
  });

  test.each([
    [1, 4096],
    ['x', -1],
    ['x', 1.5],
    ['x', Number.NaN],
    ['x', '4096'],
  ])('refuses (%s, %s)', (name, size) => {
    expect(() => memfdCreate(name as string, size as number)).toThrow(/name|size/);
  });
});

describe('eventfd', () => {
  test('counts signals until drained', () => {
    const fd = eventfd();
    expect(eventfdDrain(fd)).toBe(0n);
    eventfdSignal(fd);
    eventfdSignal(fd);
    expect(pollReadable(fd, 0)).toBe(true);
    expect(eventfdDrain(fd)).toBe(2n);
    expect(pollReadable(fd, 0)).toBe(false);
    closeFd(fd);
  });

  test('starts at the initial value', () => {
    const fd = eventfd(7);
    expect(eventfdDrain(fd)).toBe(7n);
    closeFd(fd);
  });

  test('a full counter makes a signal neither wait nor fail', () => {
    const fd = eventfd();
    const full = new DataView(new ArrayBuffer(8));
    full.setBigUint64(0, 0xfffffffffffffffen, true);
    writeSync(fd, full);
    eventfdSignal(fd);
    // A signal that never waits takes a counter to its end, one above what a write can.
    expect(eventfdDrain(fd)).toBe(0xffffffffffffffffn);
    closeFd(fd);
  });

  test('after close every operation throws EBADF', () => {
    const fd = eventfd();
    closeFd(fd);
    for (const operation of [eventfdSignal, eventfdDrain, dup, closeFd, inspectFd, setNonblocking]) {
      expect(() => operation(fd), operation.name).toThrow(/EBADF: bad file descriptor, descriptor/);
    }
    expect(() => pollReadable(fd, 0)).toThrow(/poll: EBADF/);
    expect(() => watchReadable(fd, () => {})).toThrow(/fcntl: EBADF/);
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 31, '1', null, undefined, {}])('refuses %s as a descriptor', (fd) => {
    expect(() => eventfdSignal(fd as number)).toThrow(/^fd: /);
  });
});

describe('inspectFd', () => {
  test('tells a memfd, an eventfd and a socket apart', () => {
    const memory = memfdCreate('ptnet-test', 4096);
    const event = eventfd();
    const [left, right] = socketPair();
    expect(inspectFd(memory)).toMatchObject({
      kind: 'memory',
      size: 4096n,
      pageSize: 4096,
      readable: true,
      writable: true,
    });
    expect(inspectFd(event)).toMatchObject({ kind: 'eventfd', nonblocking: true });
    expect(inspectFd(left)).toMatchObject({ kind: 'other', nonblocking: false });
    setNonblocking(left);
    expect(inspectFd(left).nonblocking).toBe(true);
    for (const fd of [memory, event, left, right]) closeFd(fd);
  });

  test('sees the access mode, and asks what has a path nothing more', () => {
    const file = openSync('/proc/self/status', 'r');
    const folder = openSync(tmpdir(), 'r');
    expect(inspectFd(file)).toMatchObject({ readable: true, writable: false });
    expect(inspectFd(folder)).toMatchObject({ kind: 'file', size: 0n, inode: 0n });
    closeSync(file);
    closeSync(folder);
  });

  test('a duplicate is the same file', () => {
    const fd = memfdCreate('ptnet-test', 4096);
    const copy = dup(fd);
    expect(copy).not.toBe(fd);
    expect(inspectFd(copy).inode).toBe(inspectFd(fd).inode);
    closeFd(fd);
    expect(inspectFd(copy).size).toBe(4096n);
    closeFd(copy);
  });
});

describe('watchReadable', () => {
  test('calls while readable, not after close', async () => {
    const fd = eventfd();
    let calls = 0;
    const seen = new Promise<bigint>((resolve) => {
      const watch = watchReadable(fd, () => {
        calls += 1;
        if (calls === 3) {
          watch.close();
          watch.close();
          resolve(eventfdDrain(fd));
        }
      });
    });
    eventfdSignal(fd);
    expect(await seen).toBe(1n);
    eventfdSignal(fd);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toBe(3);
    closeFd(fd);
    await new Promise((resolve) => setImmediate(resolve));
  });

  test('survives that its descriptor is closed and reused', async () => {
    const fd = eventfd();
    const watch = watchReadable(fd, () => {});
    closeFd(fd);
    const again = eventfd(1);
    expect(again).toBe(fd);
    const second = watchReadable(again, () => second.close());
    await new Promise((resolve) => setImmediate(resolve));
    watch.close();
    second.close();
    closeFd(again);
  });

  test('several watchers of one descriptor', async () => {
    const fd = eventfd(1);
    const seen = await Promise.all(
      [0, 1].map(
        (i) =>
          new Promise((resolve) => {
            const watch = watchReadable(fd, () => {
              watch.close();
              resolve(i);
            });
          }),
      ),
    );
    expect(seen).toEqual([0, 1]);
    closeFd(fd);
  });

  test('refuses what libuv cannot poll, and a callback that is none', () => {
    const fd = memfdCreate('ptnet-test', 4096);
    expect(() => watchReadable(fd, () => {})).toThrow(/poll: EPERM/);
    expect(() => watchReadable(fd, undefined as never)).toThrow(/callback: not a function/);
    closeFd(fd);
  });
});

test('pollReadable sees a hang-up and data', () => {
  const [left, right] = socketPair();
  expect(pollReadable(left, 1)).toBe(false);
  writeSync(right, 'x');
  expect(pollReadable(left, -1)).toBe(true);
  readSync(left, Buffer.alloc(1));
  closeFd(right);
  expect(pollReadable(left, -1)).toBe(true);
  closeFd(left);
});
