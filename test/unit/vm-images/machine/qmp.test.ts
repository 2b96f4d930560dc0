/** The QMP client against a Unix socket on which the test plays QEMU. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { QmpError } from '../../../../vm-images/machine/errors.ts';
import { type Qmp, QmpListener } from '../../../../vm-images/machine/qmp.ts';

interface Command {
  execute: string;
  id: number;
  arguments?: unknown;
}

/** QEMU's side of the socket: connects, as QEMU does, and answers what the test tells it to. */
class FakeQemu {
  readonly #socket: Socket;
  readonly #commands: Command[] = [];
  #arrived: (() => void) | undefined;

  constructor(path: string) {
    this.#socket = connect(path);
    let rest = '';
    this.#socket.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#commands.push(JSON.parse(line) as Command);
      this.#arrived?.();
    });
  }

  say(...messages: object[]): void {
    this.#socket.write(messages.map((message) => `${JSON.stringify(message)}\r\n`).join(''));
  }

  write(text: string): void {
    this.#socket.write(text);
  }

  async hangUp(): Promise<void> {
    if (this.#socket.closed) return;
    this.#socket.end();
    await once(this.#socket, 'close');
  }

  async next(): Promise<Command> {
    while (this.#commands.length === 0) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    return this.#commands.shift()!;
  }
}

const GREETING = { QMP: { version: { qemu: { major: 11, minor: 1, micro: 3 } }, capabilities: ['oob'] } };

let folder: string;
let listener: QmpListener;
let qemu: FakeQemu;
let qmp: Qmp | undefined;
const record: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ptnet-qmp-'));
  listener = await QmpListener.listen(join(folder, 'qmp'));
  qemu = new FakeQemu(join(folder, 'qmp'));
  record.length = 0;
});
afterEach(async () => {
  qmp?.close();
  qmp = undefined;
  listener.close();
  await qemu.hangUp();
  await rm(folder, { recursive: true });
});

async function negotiated(): Promise<Qmp> {
  const accepted = listener.accept((line) => record.push(line));
  qemu.say(GREETING);
  const capabilities = await qemu.next();
  expect(capabilities.execute).toBe('qmp_capabilities');
  qemu.say({ return: {}, id: capabilities.id });
  qmp = await accepted;
  return qmp;
}

test('the client waits for the greeting and negotiates before anything else', async () => {
  await negotiated();
  expect(record).toEqual([
    `< ${JSON.stringify(GREETING)}`,
    '> {"execute":"qmp_capabilities","id":1}',
    '< {"return":{},"id":1}',
  ]);
});

test('a command carries its arguments and returns what QEMU returned', async () => {
  const client = await negotiated();
  const answer = client.command('device_del', { id: 'vfio0' });
  const command = await qemu.next();
  expect(command).toEqual({ execute: 'device_del', arguments: { id: 'vfio0' }, id: command.id });
  qemu.say({ return: { done: 1 }, id: command.id });
  expect(await answer).toEqual({ done: 1 });
});

test('answers find their commands by id, in any order', async () => {
  const client = await negotiated();
  const answers = [client.command('a'), client.command('b')];
  const [a, b] = [await qemu.next(), await qemu.next()];
  qemu.say({ return: 'of b', id: b.id }, { return: 'of a', id: a.id });
  expect(await Promise.all(answers)).toEqual(['of a', 'of b']);
});

test('an error rejects with its class and QEMU’s words', async () => {
  const client = await negotiated();
  const answer = client.command('device_del', { id: 'no' }).catch((reason: unknown) => reason);
  const { id } = await qemu.next();
  qemu.say({ error: { class: 'DeviceNotFound', desc: "Device 'no' not found" }, id });
  const error = (await answer) as QmpError;
  expect(error).toBeInstanceOf(QmpError);
  expect(error.message).toBe("QMP device_del: Device 'no' not found");
  expect(error.qmpClass).toBe('DeviceNotFound');
});

test('a message in pieces, and several at once', async () => {
  const client = await negotiated();
  const answer = client.command('query-status');
  const { id } = await qemu.next();
  qemu.write('{"event":"RESUME"}\r\n{"return":{"running"');
  await new Promise((resolve) => setImmediate(resolve));
  qemu.write(`:true},"id":${id}}\r\n`);
  expect(await answer).toEqual({ running: true });
  expect((await client.waitForEvent('RESUME')).event).toBe('RESUME');
});

test('an event is found when it comes later, when it came before, and only once', async () => {
  const client = await negotiated();
  const later = client.waitForEvent('DEVICE_DELETED', (event) => event.data?.device === 'vfio1');
  qemu.say({ event: 'DEVICE_DELETED', data: { device: 'vfio0' } });
  qemu.say({ event: 'DEVICE_DELETED', data: { device: 'vfio1' } });
  expect((await later).data).toEqual({ device: 'vfio1' });
  expect((await client.waitForEvent('DEVICE_DELETED')).data).toEqual({ device: 'vfio0' });
  await expect(client.waitForEvent('DEVICE_DELETED', undefined, { timeoutMs: 5 })).rejects.toThrow(
    'QMP event DEVICE_DELETED: no answer in 5 ms',
  );
});

test('two waits for one event both get it, and no other event is lost', async () => {
  const client = await negotiated();
  const both = Promise.all([client.waitForEvent('RESET'), client.waitForEvent('RESET')]);
  qemu.say({ event: 'STOP' }, { event: 'RESET', data: { guest: true } });
  expect((await both).map(({ data }) => data)).toEqual([{ guest: true }, { guest: true }]);
  expect((await client.waitForEvent('STOP')).event).toBe('STOP');
});

test('a command without an answer ends in time', async () => {
  const client = await negotiated();
  await expect(client.command('stuck', {}, { timeoutMs: 5 })).rejects.toThrow('QMP stuck: no answer in 5 ms');
});

test('commands and waits end when QEMU closes the connection, later ones too', async () => {
  const client = await negotiated();
  const command = client.command('quit');
  const event = client.waitForEvent('SHUTDOWN');
  const both = Promise.allSettled([command, event]);
  await qemu.next();
  await qemu.hangUp();
  for (const outcome of await both) {
    expect(outcome).toMatchObject({
      status: 'rejected',
      reason: { message: 'QMP: QEMU closed the connection' },
    });
  }
  await expect(client.command('query-status')).rejects.toThrow('closed the connection');
  await expect(client.waitForEvent('SHUTDOWN')).rejects.toThrow('closed the connection');
});

test('what is not JSON ends the connection with what was said', async () => {
  const client = await negotiated();
  const command = client.command('query-status');
  const refused = expect(command).rejects.toThrow('QMP: not a JSON object: hello');
  await qemu.next();
  qemu.write('hello\r\n');
  await refused;
});

test('a connection that closes before the greeting is an error', async () => {
  const accepted = expect(listener.accept()).rejects.toThrow('QEMU closed the connection');
  await qemu.hangUp();
  await accepted;
});
