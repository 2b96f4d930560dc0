// The kick thread beside other threads: it answers while the event loop stands still, and goes with its environment.
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Channel } from '../../../native/os.ts';
import { openFds } from '../../harness/descriptors.ts';
import { attach, Folder, RecordedKick, regionWrite, startThread, turn, until } from './kick-fixture.ts';

let before: string[];
let folder: Folder;
beforeEach(() => {
  before = openFds();
  folder = new Folder();
});
afterEach(async () => {
  folder.remove();
  await turn();
  expect(openFds()).toEqual(before);
});

const DOORBELLS = 1000;

/** Sends doorbells one after the other, each after the reply to the one before; counts the replies in `shared[0]`. */
const CLIENT = `
  const shared = new Int32Array(workerData.shared);
  const channel = new addon.Channel(workerData.path);
  let have = 0;
  channel.start((bytes) => {
    have += bytes.length;
    while (have >= 32) {
      have -= 32;
      const replies = Atomics.add(shared, 0, 1) + 1;
      if (replies < workerData.count) channel.send(workerData.doorbell);
      else Atomics.notify(shared, 0);
    }
  }, () => parentPort.postMessage('closed'));
  parentPort.on('message', () => {
    channel.send(workerData.other);
    channel.send(workerData.doorbell);
    parentPort.postMessage('sent');
  });
  parentPort.postMessage('connected');
`;

/** Does not come back before `done`; nothing of the event loop runs meanwhile. */
function standStill(shared: Int32Array, done: number): void {
  for (let now = Atomics.load(shared, 0); now < done; now = Atomics.load(shared, 0)) {
    Atomics.wait(shared, 0, now, 100);
  }
}

test('doorbells are answered while the event loop stands still; what is none waits for it', async () => {
  const recorded = new RecordedKick();
  const { attachment, kicks } = attach();
  const path = folder.at('x.sock');
  recorded.kick.listen(path);
  const buffer = new SharedArrayBuffer(4);
  const shared = new Int32Array(buffer);
  const data = {
    path,
    shared: buffer,
    count: DOORBELLS,
    doorbell: regionWrite(1, 132),
    other: regionWrite(2, 0),
  };
  const client = await startThread(CLIENT, data);
  await until(() => recorded.session !== 0);
  const window = { region: 0, offset: 128, stride: 4 };
  recorded.kick.setDoorbells(recorded.session, window, attachment.doorbellTarget);
  client.postMessage('go');
  standStill(shared, DOORBELLS);
  expect(recorded.messages).toEqual([]);
  // The last one is rung after its reply.
  await until(() => kicks(1) === DOORBELLS);
  expect(kicks(0)).toBe(0);
  await until(() => recorded.messages.length === 1);
  expect(recorded.messages).toEqual([regionWrite(2, 0)]);
  await client.terminate();
  await until(() => recorded.events.at(-1) === 'disconnect 0');
  attachment.detach();
  recorded.kick.close();
});

/** A kick thread in a thread that will be terminated; every message is answered with itself. */
const SERVER = `
  const kick = new addon.Kick(
    () => {},
    (session, message) => kick.send(session, message, []),
    (session) => kick.release(session),
  );
  for (const path of workerData.paths) kick.listen(path, 0o600, 4096, 16);
  parentPort.postMessage('listening');
  parentPort.on('message', (deed) => {
    if (deed === 'exit') process.exit(0);
    if (deed === 'throw') throw new Error('on purpose');
    if (deed === 'spin') for (;;);
  });
`;

test.each(['idle', 'spin'])(
  'a thread that is terminated (%s) takes its kick thread and sockets along',
  async (then) => {
    for (let round = 0; round < 5; round++) {
      const paths = [folder.at('a.sock'), folder.at('b.sock')];
      const server = await startThread(SERVER, { paths });
      const channel = Channel.connect(paths[0]!);
      let answered = 0;
      let closed = false;
      channel.start(
        (bytes) => {
          answered += bytes.length;
          // Never a moment without a message on its way.
          try {
            channel.send(bytes);
          } catch (error) {
            expect((error as NodeJS.ErrnoException).code).toBe('EPIPE');
          }
        },
        () => {
          closed = true;
        },
      );
      for (let i = 0; i < 8; i++) channel.send(regionWrite(i, 0));
      await until(() => answered > 1000);
      if (then === 'spin') server.postMessage('spin');
      await server.terminate();
      await until(() => closed);
      channel.close();
      expect(paths.filter((path) => existsSync(path))).toEqual([]);
    }
  },
);

test.each(['exit', 'throw'])(
  'a thread that ends by %s takes its kick thread and sockets along',
  async (then) => {
    const path = folder.at('a.sock');
    const server = await startThread(SERVER, { paths: [path] });
    server.on('error', () => {});
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.postMessage(then);
    await ended;
    expect(existsSync(path)).toBe(false);
  },
);

test('a thread that is terminated with channels, watches and mappings open leaves nothing of them', async () => {
  const script = `
    const path = workerData.path;
    const keep = [];
    for (let i = 0; i < 10; i++) {
      const [left, right] = addon.socketPair();
      const a = new addon.Channel(left);
      const b = new addon.Channel(right);
      a.start((bytes) => a.send(bytes), () => {});
      b.start((bytes) => b.send(bytes), () => {});
      a.send(new Uint8Array(100));
      const event = addon.eventfd(1);
      const watch = new addon.Watch(event, () => {});
      const memory = addon.memfdCreate('thread', 8192);
      const mapping = new addon.Mapping(memory, 0, 8192, true);
      addon.closeFd(memory);
      keep.push(a, b, watch, mapping, event);
    }
    parentPort.postMessage(keep.filter((each) => typeof each === 'number'));
  `;
  const worker = await startThread(script, { path: folder.path });
  await worker.terminate();
  await turn();
  const left = openFds().filter((line) => !before.includes(line));
  // Plain descriptors are numbers: nobody closes those ten for their thread.
  expect(left.filter((line) => !line.endsWith('[eventfd]'))).toEqual([]);
  const { closeFd } = await import('../../../native/os.ts');
  for (const line of left) closeFd(Number(line.split(' ')[0]));
});

test('a thread that is terminated in the middle of calls that throw does not take the process along', async () => {
  const script = `
    parentPort.postMessage('throwing');
    for (;;) {
      try {
        addon.closeFd(-1);
      } catch {}
      try {
        addon.inspectFd(1000000);
      } catch {}
    }
  `;
  for (let round = 0; round < 20; round++) await (await startThread(script, {})).terminate();
});
