// startLoop() on rings whose host half is the test: what is sent, received and echoed, and when loops end.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startLoop } from '../../../../guest-driver/addon/index.ts';
import { eventfdSignal } from '../../../../native/os.ts';
import { probe } from '../../../harness/probe-packet.ts';
import { FakePort } from './fake-port.ts';

let port: FakePort;
beforeEach(() => {
  port = new FakePort();
  for (const ring of [0, 1]) port.setHost(ring, { kernNeedKick: 0 });
});
afterEach(() => port.close());

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Takes everything published on a TX ring of 16 slots. */
async function takeAll(ring: number, head: number): Promise<void> {
  await until(() => port.guest(ring).head === head);
  port.setHost(ring, { hwcur: head, hwtail: (head + 15) % 16 });
}

test('send publishes whole probe packets, byte for byte, and waits until the host has taken them', async () => {
  const options = { count: 3n, payload: 'full', size: 61, stream: 7, firstSeq: 40n } as const;
  const dst = [2, 0, 0, 0, 9, 1];
  const src = [2, 0, 0, 0, 3, 4];
  const loop = startLoop(
    port.options('send', { ...options, dst: Uint8Array.from(dst), src: Uint8Array.from(src) }),
  );
  await takeAll(0, 3);
  const result = await loop.done;
  expect(result).toMatchObject({
    sent: { packets: 3n, bytes: 183n },
    received: { packets: 0n, bytes: 0n, lost: 0n, late: 0n, corrupt: 0n },
    kicks: 0n,
    pending: 0n,
    stopped: 'count',
  });
  expect(result.error).toBeUndefined();
  expect(port.guest(0)).toEqual({ head: 3, cur: 3, applNeedKick: 0 });
  for (let i = 0; i < 3; i++) {
    const { bufIdx, len, flags } = port.slot(0, i);
    expect({ len, flags }).toEqual({ len: 61, flags: 0 });
    expect(port.buffer(bufIdx).slice(0, 61)).toEqual(
      probe({ seq: 40n + BigInt(i), stream: 7, size: 61, dst, src }),
    );
  }
});

test('send splits a packet over fragments and publishes them together', async () => {
  const loop = startLoop(port.options('send', { count: 2n, payload: 'full', size: 100, frags: 3 }));
  await takeAll(0, 6);
  expect((await loop.done).sent).toEqual({ packets: 2n, bytes: 200n });
  for (const first of [0, 3]) {
    const slots = [0, 1, 2].map((i) => port.slot(0, first + i));
    expect(slots.map((slot) => [slot.len, slot.flags])).toEqual([
      [34, 0x20],
      [33, 0x20],
      [33, 0],
    ]);
    const bytes = slots.flatMap((slot) => [...port.buffer(slot.bufIdx).slice(0, slot.len)]);
    expect(Uint8Array.from(bytes)).toEqual(probe({ seq: BigInt(first / 3), size: 100 }));
  }
});

test('what the host does not take is reported as pending when a stop ends the loop', async () => {
  const loop = startLoop(port.options('send', { payload: 'none' }));
  await until(() => loop.progress().sent === 15n);
  loop.stop();
  const result = await loop.done;
  expect(result).toMatchObject({ stopped: 'stop', sent: { packets: 15n }, pending: 15n });
  expect(result.full).toBe(1n);
});

test('receive verifies: in order, lost, late, corrupt', async () => {
  const damaged = probe({ seq: 5n });
  damaged[45]! ^= 1;
  const packets = [0n, 1n, 4n, 3n].map((seq) => probe({ seq }));
  port.deliver(0, [...packets, damaged, probe({ seq: 0n, stream: 255, size: 1500 })]);
  const result = await startLoop(port.options('receive', { count: 6n, payload: 'full' })).done;
  expect(result.received).toEqual({ packets: 6n, bytes: 1800n, lost: 2n, late: 1n, corrupt: 1n });
  expect(result.stopped).toBe('count');
  expect(port.guest(1)).toEqual({ head: 6, cur: 6, applNeedKick: 1 });
});

test("receive at level 'none' counts packets and bytes, whatever they hold", async () => {
  port.deliver(
    0,
    [50, 60, 70].map((length) => new Uint8Array(length)),
  );
  const result = await startLoop(port.options('receive', { count: 3n, payload: 'none' })).done;
  expect(result.received).toEqual({ packets: 3n, bytes: 180n, lost: 0n, late: 0n, corrupt: 0n });
});

test('echo exchanges buffers between the rings and the MAC addresses of what it looks at', async () => {
  const [a, b] = [
    [2, 0, 0, 0, 1, 0],
    [2, 0, 0, 0, 2, 0],
  ];
  port.deliver(0, [probe({ seq: 0n, dst: a!, src: b! }), probe({ seq: 1n, dst: a!, src: b! })]);
  const arrived = [0, 1].map((slot) => port.slot(1, slot).bufIdx);
  const spare = [0, 1].map((slot) => port.slot(0, slot).bufIdx);
  const loop = startLoop(port.options('echo', { count: 2n, payload: 'full' }));
  await takeAll(0, 2);
  expect(await loop.done).toMatchObject({ sent: { packets: 2n }, received: { packets: 2n, corrupt: 0n } });
  for (const i of [0, 1]) {
    expect(port.slot(0, i)).toEqual({ bufIdx: arrived[i], len: 60, flags: 1 });
    expect(port.slot(1, i)).toMatchObject({ bufIdx: spare[i], flags: 1 });
    expect(port.buffer(arrived[i]!).slice(0, 60)).toEqual(probe({ seq: BigInt(i), dst: b!, src: a! }));
  }
});

test('a loop with a time limit ends at it, one with an idle limit when nothing more comes', async () => {
  const timed = await startLoop(port.options('receive', { seconds: 0.01 })).done;
  expect(timed).toMatchObject({ stopped: 'seconds', received: { packets: 0n } });
  port.deliver(0, [probe({ seq: 0n })]);
  const idle = await startLoop(port.options('receive', { idleMs: 5 })).done;
  expect(idle).toMatchObject({ stopped: 'idle', received: { packets: 1n } });
});

test('only the rings named are used', async () => {
  port.close();
  port = new FakePort({ rings: 3 });
  for (let ring = 0; ring < 6; ring++) port.setHost(ring, { kernNeedKick: 0 });
  const loop = startLoop(port.options('send', { txRings: [2, 0], count: 3n }));
  await takeAll(2, 2);
  await takeAll(0, 1);
  expect((await loop.done).sent.packets).toBe(3n);
  expect(port.guest(1).head).toBe(0);
});

test('a sleeping loop asks for interrupts, wakes at one, and asks no more once it polls', async () => {
  const loop = startLoop(
    port.options('receive', { count: 1n, sleep: true, spinUs: 0, interrupts: port.interrupts }),
  );
  // Asked for by now, or not yet: either way the packet must be seen.
  await until(() => port.guest(1).applNeedKick === 1);
  port.deliver(0, [probe({ seq: 0n })]);
  eventfdSignal(port.interrupts[1]!);
  const result = await loop.done;
  expect(result).toMatchObject({ stopped: 'count', received: { packets: 1n } });
});

test('a sleeping loop without a limit is ended by stop()', async () => {
  const loop = startLoop(port.options('receive', { sleep: true, spinUs: 0, interrupts: port.interrupts }));
  await until(() => port.guest(1).applNeedKick === 1);
  loop.stop();
  expect((await loop.done).stopped).toBe('stop');
});

test('stop() and progress() may be called at any time, after the end too', async () => {
  port.deliver(0, [probe({ seq: 0n }), probe({ seq: 1n })]);
  const loop = startLoop(port.options('receive', { count: 2n }));
  expect((await loop.done).stopped).toBe('count');
  expect(loop.progress()).toEqual({ sent: 0n, received: 2n });
  loop.stop();
  loop.stop();
  expect(loop.progress()).toEqual({ sent: 0n, received: 2n });
});

test('a second loop goes on where the first one stopped', async () => {
  port.deliver(
    0,
    [0n, 1n, 2n].map((seq) => probe({ seq })),
  );
  await startLoop(port.options('receive', { count: 1n })).done;
  const result = await startLoop(port.options('receive', { count: 2n, firstSeq: 1n })).done;
  expect(result.received).toMatchObject({ packets: 2n, lost: 0n, late: 0n });
});

test('two loops on different rings run at the same time', async () => {
  port.deliver(0, [probe({ seq: 0n })]);
  const send = startLoop(port.options('send', { count: 5n }));
  const receive = startLoop(port.options('receive', { count: 1n }));
  await takeAll(0, 5);
  expect((await send.done).sent.packets).toBe(5n);
  expect((await receive.done).received.packets).toBe(1n);
});

test('an index outside the ring from the host ends the loop with an error in its result', async () => {
  const loop = startLoop(port.options('receive'));
  port.setHost(1, { hwtail: 16 });
  expect(await loop.done).toMatchObject({
    stopped: 'error',
    error: 'ring 1: the host published an index that is not below num_slots 16',
  });
});
