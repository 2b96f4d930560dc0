// startDuo() on two ports whose host half is the test: wrong options, packets by hand, how the two end each other.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DuoEcho, type DuoPing, startDuo } from '../../../../guest-driver/addon/index.ts';
import { FakePort } from './fake-port.ts';

let a: FakePort;
let b: FakePort;
beforeEach(() => {
  a = new FakePort();
  b = new FakePort();
  for (const port of [a, b]) for (const ring of [0, 1]) port.setHost(ring, { kernNeedKick: 0 });
});
afterEach(() => {
  a.close();
  b.close();
});

const ping = (more: Partial<DuoPing> = {}): DuoPing => ({ ...a.options('ping'), ...more, op: 'ping' });
const echo = (): DuoEcho => ({ ...b.options('echo'), op: 'echo' });

/** startDuo() as somebody without types would call it. */
const untyped = startDuo as (ping: unknown, echo: unknown) => unknown;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** The next one is due a thousand seconds later. */
const ONE_PACKET = { rate: 0.001 };

type Changes = Record<string, unknown>;
const NEVER_WAITS = /neither loop of a duo waits: leave it out/;
const ENDS_WITH_PING = /the echo ends with the ping: leave it out/;

const CASES: [side: 'ping' | 'echo', changes: Changes, kind: typeof Error, text: RegExp][] = [
  ['ping', { op: 'send' }, TypeError, /^startDuo: ping\.op: 'send': must be one of 'ping'$/],
  ['echo', { op: 'duplex' }, TypeError, /^startDuo: echo\.op: 'duplex': must be one of 'echo'$/],
  ['ping', { sleep: true }, TypeError, NEVER_WAITS],
  ['echo', { sleep: false }, TypeError, NEVER_WAITS],
  ['ping', { spinUs: 50 }, TypeError, NEVER_WAITS],
  ['echo', { yieldAfter: 1 }, TypeError, NEVER_WAITS],
  ['echo', { count: 5n }, TypeError, ENDS_WITH_PING],
  ['echo', { seconds: 1 }, TypeError, ENDS_WITH_PING],
  ['echo', { idleMs: 5 }, TypeError, ENDS_WITH_PING],
  ['ping', { rate: -1 }, RangeError, /^startDuo: ping\.rate: -1: must be above 0/],
  ['echo', { csb: undefined }, TypeError, /^startDuo: echo\.csb: undefined: must be an object/],
  ['ping', { size: 47 }, Error, /^startDuo: ping: size 47: a ping must be 48 to 2048/],
  ['echo', { rxRings: [] }, Error, /^startDuo: echo: rxRings: none/],
];

test.each(CASES)('%s with %o is refused', (side, changes, kind, text) => {
  const wrong = {
    ping: ping(),
    echo: echo(),
    [side]: { ...(side === 'ping' ? ping() : echo()), ...changes },
  };
  expect(() => untyped(wrong.ping, wrong.echo)).toThrow(text);
  expect(() => untyped(wrong.ping, wrong.echo)).toThrow(kind);
});

test('options that are none are refused, by the name of their side', () => {
  expect(() => untyped(undefined, echo())).toThrow('startDuo: ping: undefined: must be an object');
  expect(() => untyped(ping(), 5)).toThrow('startDuo: echo: 5: must be an object');
});

test('what the ping sends, moved by hand, the echo sends back and the ping times', async () => {
  const [pinging, echoing] = startDuo(ping(ONE_PACKET), echo());
  await until(() => a.guest(0).head === 1);
  const { bufIdx, len } = a.slot(0, 0);
  b.deliver(0, [a.buffer(bufIdx).slice(0, len)]);
  await until(() => b.guest(0).head === 1);
  const back = b.slot(0, 0);
  a.setHost(0, { hwcur: 1 });
  b.setHost(0, { hwcur: 1 });
  a.deliver(0, [b.buffer(back.bufIdx).slice(0, back.len)]);
  await until(() => pinging.progress().received === 1n);
  pinging.stop();
  const pinged = await pinging.done;
  expect(pinged).toMatchObject({ stopped: 'stop', received: { packets: 1n, corrupt: 0n, lost: 0n } });
  expect(pinged.latency!.roundTrip.count).toBe(1);
  const echoed = await echoing.done;
  expect(echoed).toMatchObject({
    stopped: 'stop',
    sent: { packets: 1n },
    received: { packets: 1n, corrupt: 0n },
  });
  expect(echoed).not.toHaveProperty('latency');
  expect(pinging.progress()).toEqual({ sent: 1n, received: 1n });
  expect(echoing.progress()).toEqual({ sent: 1n, received: 1n });
});

test.each(['ping', 'echo'] as const)('a stop of the %s stops both', async (side) => {
  const [pinging, echoing] = startDuo(ping(), echo());
  await until(() => pinging.progress().sent === 15n);
  (side === 'ping' ? pinging : echoing).stop();
  expect((await pinging.done).stopped).toBe('stop');
  expect((await echoing.done).stopped).toBe('stop');
});

test('an echo that fails says so in its own result, and the ping does not wait for it', async () => {
  const [pinging, echoing] = startDuo(ping(), echo());
  b.setHost(1, { hwtail: 16 });
  expect(await echoing.done).toMatchObject({
    stopped: 'error',
    error: 'ring 1: the host published an index that is not below num_slots 16',
  });
  const pinged = await pinging.done;
  expect(pinged.stopped).toBe('stop');
  expect(pinged).not.toHaveProperty('error');
});
