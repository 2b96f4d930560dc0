// The server on a real socket: what the kick thread cuts off, one client at a time, and events that come too late.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ExportedDevice, VfioUserServer } from '../../backend/vfio-user/server.ts';
import { dropFds } from '../../guest-driver/model/client.ts';
import { Framer } from '../../guest-driver/model/framer.ts';
import { encodeMessage, encodeRegionAccess, encodeVersion } from '../../guest-driver/model/messages.ts';
import type { Kick } from '../../native/kick.ts';
import { Channel, dup, eventfd } from '../../native/os.ts';
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
  };
  const late = new VfioUserServer(sockets, recordingLog(log));
  const hooks = new RecordingHooks();
  const at = late.export('/none', createPtnet('vm1/net0', fakeBackend()), hooks);
  late.connect(99, 1);
  late.message(2, reset, [eventfd()]);
  late.disconnect(3, 71);
  expect(released).toEqual([1]);
  late.connect(5, 7);
  late.message(7, hello, []);
  // The kick thread has let the next one in: the first has gone without a word.
  late.connect(5, 8);
  expect(released).toEqual([1, 7]);
  expect(hooks.calls).toEqual(['attach', 'detach']);
  late.message(7, reset, [dup(fixture.eventfd())]);
  expect(at.session?.id).toBe(8);
  at.close();
  late.connect(5, 9);
  expect(released).toEqual([1, 7, 8, 9]);
  expect(warnings()).toEqual([]);
});
