// The server on a real socket: what the kick thread cuts off, one client at a time, and events that come too late.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ExportedDevice, VfioUserServer } from '../../backend/vfio-user/server.ts';
import { dropFds } from '../../guest-driver/model/client.ts';
import { Framer } from '../../guest-driver/model/framer.ts';
import {
  encodeMessage,
  encodeRegionAccess,
  encodeSetIrqs,
  encodeVersion,
  SET_IRQS_FLAG,
} from '../../guest-driver/model/messages.ts';
import type { Kick } from '../../native/kick.ts';
import { awaitPeerCloses, Channel, dup, eventfd, eventfdDrain, inspectFd } from '../../native/os.ts';
import { createPtnet, type PciDevice } from '../../pci/index.ts';
import { fakeBackend } from '../unit/pci/guest.ts';
import { memdev } from './memdev.ts';
import { useFixture, VFIO_USER } from './peer.ts';
import { type LogLine, RecordingHooks, recordingLog } from './recording.ts';

const fixture = useFixture();
let folder: string;
let kick: Kick;
let server: VfioUserServer;
let log: LogLine[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-server-'));
  kick = VfioUserServer.createKick();
  log = [];
  server = new VfioUserServer(kick, recordingLog(log));
});
afterEach(async () => {
  await server.close();
  kick.close();
  rmSync(folder, { recursive: true });
});

const turn = () => new Promise((resolve) => setImmediate(resolve));
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

const warnings = () => log.filter(({ level }) => level === 'warn').map(({ text }) => text);
const hello = encodeMessage(
  { msgId: 1, command: VFIO_USER.VERSION },
  encodeVersion({ major: 0, minor: 0, capabilities: {} }),
);
const reset = encodeMessage({ msgId: 2, command: VFIO_USER.DEVICE_RESET });

function exported(device: PciDevice = createPtnet('vm1/net0', fakeBackend())): ExportedDevice {
  return server.export(join(folder, 'net.sock'), device, new RecordingHooks());
}

class Client {
  answers = 0;
  closed = false;
  readonly channel: Channel;
  readonly #framer = new Framer();

  constructor({ path }: ExportedDevice) {
    this.channel = Channel.connect(path);
    this.channel.start(
      (bytes, fds) => {
        for (const message of this.#framer.push(bytes, fds)) {
          this.answers += 1;
          dropFds(message);
        }
      },
      () => {
        this.closed = true;
      },
    );
  }

  async attach(): Promise<this> {
    this.channel.send(hello);
    await until(() => this.answers === 1);
    return this;
  }
}

test.each([
  [
    'a size below the header',
    encodeMessage({ msgId: 2, command: 13, size: 15 }),
    0,
    /malformed message: hanging up/,
  ],
  [
    'a message that is too large',
    encodeMessage({ msgId: 2, command: 10, size: 0x20_0000 }),
    0,
    /message too large/,
  ],
  ['too many descriptors', reset, 254, /too many descriptors: .*253 descriptors/],
])('%s ends the session with a line that says so', async (_, bytes, descriptors, line) => {
  const at = exported();
  const client = await new Client(at).attach();
  const fd = fixture.eventfd();
  // More than one message carries go with its first bytes, one at a time.
  if (descriptors > 200) client.channel.send(bytes.subarray(0, 4), new Array(200).fill(fd));
  client.channel.send(descriptors > 200 ? bytes.subarray(4) : bytes, new Array(descriptors % 200).fill(fd));
  await until(() => client.closed && at.session === undefined);
  expect(client.answers).toBe(1);
  expect(warnings()).toEqual([expect.stringMatching(/^vm1\/net0: /)]);
  expect(warnings()[0]).toMatch(line);
});

test('a client that goes in the middle of a message is told apart from one that hangs up', async () => {
  const at = exported();
  const first = await new Client(at).attach();
  first.channel.close();
  await until(() => at.session === undefined);
  expect(warnings()).toEqual([]);
  const second = await new Client(at).attach();
  second.channel.send(reset.subarray(0, 10));
  second.channel.close();
  await until(() => at.session === undefined);
  expect(warnings()).toEqual(['vm1/net0: malformed message: hanging up']);
  expect(at.counters).toEqual({ 'connection EPROTO': 1 });
});

test('as many descriptors as a message may carry are no reason to hang up', async () => {
  const at = exported();
  const client = await new Client(at).attach();
  client.channel.send(reset, new Array(253).fill(fixture.eventfd()));
  await until(() => client.answers === 2);
  expect(client.closed).toBe(false);
  expect(at.counters).toEqual({ 'VFIO_USER_DEVICE_RESET EINVAL': 1 });
  client.channel.close();
});

test('a client that reads no replies is cut off, and the next one is served', async () => {
  const at = exported(memdev());
  const client = await new Client(at).attach();
  client.channel.pause();
  const payload = encodeRegionAccess({ region: 1, offset: 0n, count: 1 << 20 });
  const read = encodeMessage({ msgId: 3, command: VFIO_USER.REGION_READ }, payload);
  const flood = Buffer.concat(new Array(64).fill(read));
  client.channel.send(flood);
  await until(() => at.session === undefined);
  expect(at.counters).toEqual({ 'connection ENOBUFS': 1 });
  client.channel.close();
  const next = await new Client(at).attach();
  next.channel.close();
});

test('a second client waits outside, and does not disturb the first', async () => {
  const at = exported();
  const first = await new Client(at).attach();
  const second = new Client(at);
  await until(() => second.closed);
  first.channel.send(reset);
  await until(() => first.answers === 2);
  first.channel.close();
});

test('after close() of the device its client is gone and the socket too', async () => {
  const at = exported();
  const client = await new Client(at).attach();
  at.close();
  at.close();
  await until(() => client.closed);
  expect(() => Channel.connect(at.path)).toThrow(/ENOENT/);
});

test('events of clients and listeners that are not there any more change nothing and leak nothing', () => {
  const released: number[] = [];
  const sockets = {
    listen: () => 5,
    unlisten: () => {},
    send: () => {},
    release: (id: number) => released.push(id),
    countersOf: () => ({ refused: 0, starved: 0, heldFds: 0, maxFds: 64, closingFds: 0 }),
  };
  const late = new VfioUserServer(sockets, recordingLog(log));
  const hooks = new RecordingHooks();
  const at = late.export('/none', createPtnet('vm1/net0', fakeBackend()), hooks);
  late.connect(99, 1);
  let done = 0;
  const count = () => done++;
  late.message(2, reset, [eventfd()], count);
  late.disconnect(3, 71);
  expect(released).toEqual([1]);
  late.connect(5, 7);
  late.message(7, hello, [], count);
  // The kick thread has let the next one in: the first has gone without a word.
  late.connect(5, 8);
  expect(released).toEqual([1, 7]);
  expect(hooks.calls).toEqual(['attach', 'detach']);
  late.message(7, reset, [dup(fixture.eventfd())], count);
  expect(done).toBe(1);
  expect(at.session?.id).toBe(8);
  at.close();
  late.connect(5, 9);
  expect(released).toEqual([1, 7, 8, 9]);
  expect(warnings()).toEqual([]);
});

/** A server whose sockets are recorded: the ids of the sessions that were answered, in order. */
function recorded(): { server: VfioUserServer; answered: number[] } {
  const answered: number[] = [];
  let listeners = 0;
  const sockets = {
    listen: () => ++listeners,
    unlisten: () => {},
    send: (id: number) => void answered.push(id),
    release: () => {},
    countersOf: () => ({ refused: 0, starved: 0, heldFds: 0, maxFds: 64, closingFds: 0 }),
  };
  const own = new VfioUserServer(sockets, recordingLog(log));
  for (const listener of [1, 2]) {
    own.export('/none', createPtnet(`vm${listener}/net0`, fakeBackend()), new RecordingHooks());
    own.connect(listener, listener);
    own.message(listener, hello, [], () => {});
  }
  return { server: own, answered };
}

/** As many writes as a message holds, of CREATE and DELETE in turn. */
function manyCreates(): Uint8Array {
  const count = Math.floor((2 ** 20 - 8) / 24);
  const payload = new Uint8Array(8 + 24 * count);
  const view = new DataView(payload.buffer);
  view.setBigUint64(0, BigInt(count), true);
  for (let i = 0; i < count; i++) {
    view.setBigUint64(8 + 24 * i, 4n, true);
    view.setUint32(8 + 24 * i + 12, 4, true);
    view.setUint32(8 + 24 * i + 16, 1 + (i % 2), true);
  }
  return encodeMessage({ msgId: 2, command: VFIO_USER.REGION_WRITE_MULTI }, payload);
}

test('a message that takes long holds up no other session, and its own next ones come after it', async () => {
  const { server: own, answered } = recorded();
  await until(() => answered.length === 2);
  answered.length = 0;
  const done: string[] = [];
  own.message(1, manyCreates(), [], () => done.push('many'));
  own.message(1, reset, [], () => done.push('reset'));
  own.message(2, reset, [], () => done.push('other'));
  await until(() => done.length === 3);
  expect(done).toEqual(['other', 'many', 'reset']);
  expect(answered).toEqual([2, 1, 1]);
  await own.close();
});

test('a client that goes while its message is being dealt with is let go after it, and a host that closes does not wait', async () => {
  const { server: own, answered } = recorded();
  await until(() => answered.length === 2);
  own.message(1, manyCreates(), [], () => {});
  own.disconnect(1, 0);
  own.message(2, manyCreates(), [], () => {});
  own.message(2, reset, [dup(fixture.eventfd())], () => {});
  await until(() => answered.length === 5);
  expect(answered.slice(2).sort()).toEqual([1, 2, 2]);
  own.message(2, manyCreates(), [], () => {});
  own.message(2, reset, [dup(fixture.eventfd())], () => {});
  await own.close();
  expect(answered).toHaveLength(5);
});

test('a second client is said once, with the device and the cause, and counted', async () => {
  const at = exported();
  const first = await new Client(at).attach();
  const second = new Client(at);
  await until(() => second.closed);
  server.look();
  server.look();
  expect(warnings()).toEqual([
    expect.stringMatching(/^vm1\/net0: a second client, while the first one is connected/),
  ]);
  expect(at.counters).toEqual({ 'second client': 1 });
  expect(at.sockets).toMatchObject({ refused: 1, starved: 0 });
  first.channel.close();
});

describe('interrupts that a client triggers itself', () => {
  const irqs = (flags: number, data?: Uint8Array) =>
    encodeMessage(
      { msgId: 3, command: VFIO_USER.SET_IRQS },
      encodeSetIrqs({ index: 2, flags, start: 0, count: 1, ...(data && { data }) }),
    );
  const { ACTION_TRIGGER, DATA_BOOL, DATA_EVENTFD } = SET_IRQS_FLAG;
  const trigger = irqs(DATA_BOOL | ACTION_TRIGGER, Uint8Array.of(1));
  async function withInterrupt(at: ExportedDevice, fd: number): Promise<Client> {
    const client = await new Client(at).attach();
    client.channel.send(irqs(DATA_EVENTFD | ACTION_TRIGGER), [fd]);
    await until(() => client.answers === 2);
    return client;
  }

  test('come through its eventfd', async () => {
    const fd = fixture.eventfd();
    const client = await withInterrupt(exported(), fd);
    client.channel.send(trigger);
    await until(() => client.answers === 3);
    awaitPeerCloses();
    expect(eventfdDrain(fd)).toBe(1n);
    client.channel.close();
  });

  test('wait for it on a thread of its own: the event loop goes on, and so do the interrupts of another device', async () => {
    const [full, fine] = [fixture.eventfd(), fixture.eventfd()];
    const bad = await withInterrupt(exported(), full);
    const other = server.export(
      join(folder, 'other.sock'),
      createPtnet('vm2/net0', fakeBackend()),
      new RecordingHooks(),
    );
    const good = await withInterrupt(other, fine);
    // A child's standard input loses O_NONBLOCK, and the flag is everybody's who has the descriptor.
    spawnSync('true', { stdio: [full, 'ignore', 'ignore'] });
    expect(inspectFd(full).nonblocking).toBe(false);
    writeSync(full, new Uint8Array(BigUint64Array.of(0xffff_ffff_ffff_fffen).buffer));
    for (let i = 0; i < 2000; i++) bad.channel.send(trigger);
    await until(() => bad.answers === 2002);
    good.channel.send(trigger);
    await until(() => eventfdDrain(fine) === 1n);
    // What waits has an end, and goes when its client reads.
    expect(eventfdDrain(full)).toBe(0xffff_ffff_ffff_fffen);
    awaitPeerCloses();
    expect(eventfdDrain(full)).toBeLessThan(2000n);
    for (const client of [bad, good]) client.channel.close();
  });
});
