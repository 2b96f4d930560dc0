// VfioUserClient against a server in the test's hands: replies in any order and any pieces, refusals, and hang-ups.
import { constants } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { dropFds, type VfioUserClient } from '../../../../guest-driver/model/client.ts';
import { VfioUserError } from '../../../../guest-driver/model/errors.ts';
import { VFIO_USER } from '../../../../guest-driver/model/messages.ts';
import { closeFd, eventfd, eventfdDrain, eventfdSignal } from '../../../../native/os.ts';
import { type Answer, FakeServer, type Request, rawMessage } from './fake-server.ts';

const { EPIPE, EINVAL, EPROTO, ENOENT, ETIMEDOUT, EFAULT } = constants.errno;
const { DEVICE_GET_INFO, REGION_READ, REGION_WRITE, DEVICE_RESET, DMA_READ, DMA_WRITE } = VFIO_USER;

const servers: FakeServer[] = [];
function serve(answer?: (request: Request) => Answer): { server: FakeServer; client: VfioUserClient } {
  const server = new FakeServer(answer);
  servers.push(server);
  return { server, client: server.client };
}
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

test('replies go to the request with their message id, whatever their order', async () => {
  const { server, client } = serve();
  const first = client.request(DEVICE_GET_INFO);
  const second = client.request(REGION_READ);
  const [one, two] = await server.received(2);
  server.reply(two!, { payload: Uint8Array.of(2) });
  server.reply(one!, { payload: Uint8Array.of(1) });
  expect((await first).payload).toEqual(Uint8Array.of(1));
  expect((await second).payload).toEqual(Uint8Array.of(2));
});

test('a request carries its header to the byte', async () => {
  const { server, client } = serve(() => ({}));
  await client.request(REGION_WRITE, Uint8Array.of(9, 8, 7));
  expect(server.requests[0]).toMatchObject({
    command: 10,
    flags: 0,
    payload: Buffer.from([9, 8, 7]),
    fds: [],
  });
});

test('message ids differ while requests are under way, also after 65536 of them', async () => {
  const { server, client } = serve((request) => (request.command === DEVICE_RESET ? {} : undefined));
  const slow = client.request(DEVICE_GET_INFO);
  const [waiting] = await server.received(1);
  for (let batch = 0; batch < 64; batch++) {
    await Promise.all(Array.from({ length: 1025 }, () => client.request(DEVICE_RESET)));
  }
  const clashes = server.requests.slice(1).filter(({ msgId }) => msgId === waiting!.msgId);
  expect(clashes).toEqual([]);
  server.reply(waiting!, { payload: Uint8Array.of(5) });
  expect((await slow).payload).toEqual(Uint8Array.of(5));
});

test('a reply that comes byte by byte, and two in one piece', async () => {
  const { server, client } = serve();
  const replies = [client.request(REGION_READ), client.request(REGION_READ), client.request(REGION_READ)];
  const [a, b, c] = (await server.received(3)).map(({ msgId }, i) =>
    rawMessage(msgId, REGION_READ, 1, 0, Uint8Array.of(i)),
  );
  for (const byte of a!) {
    server.send(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  server.send(Buffer.concat([b!, c!]));
  expect((await Promise.all(replies)).map(({ payload }) => payload[0])).toEqual([0, 1, 2]);
});

test('an errno becomes a VfioUserError that names the command', async () => {
  const { client } = serve(() => ({ errno: EINVAL }));
  const error = await client.request(VFIO_USER.DMA_MAP).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(VfioUserError);
  expect(error).toMatchObject({ errno: EINVAL, code: 'EINVAL', command: VFIO_USER.DMA_MAP });
  expect((error as Error).message).toBe('fake: DMA_MAP: refused with EINVAL');
});

test('an expected errno is a result, another one or success is an error', async () => {
  const { server, client } = serve(() => ({ errno: EINVAL }));
  expect((await client.request(DEVICE_RESET, undefined, { expectErrno: EINVAL })).errno).toBe(EINVAL);
  await expect(client.request(DEVICE_RESET, undefined, { expectErrno: ENOENT })).rejects.toThrow(
    'fake: DEVICE_RESET: got EINVAL, expected ENOENT',
  );
  server.answer = () => ({});
  await expect(client.request(DEVICE_RESET, undefined, { expectErrno: EINVAL })).rejects.toThrow(
    'got success, expected EINVAL',
  );
});

test('descriptors go out with a request and come in with the reply they were sent with', async () => {
  const theirs = eventfd();
  const { server, client } = serve();
  const plain = client.request(REGION_READ);
  await server.received(1);
  const ours = eventfd();
  const withFd = client.request(DEVICE_GET_INFO, undefined, { fds: [ours] });
  const [one, two] = await server.received(2);
  eventfdSignal(two!.fds[0]!);
  expect(eventfdDrain(ours)).toBe(1n);
  // Both in one read: the descriptor belongs to the second.
  server.reply(one!);
  server.reply(two!, { fds: [theirs] });
  expect((await plain).fds).toEqual([]);
  const reply = await withFd;
  expect(reply.fds).toHaveLength(1);
  eventfdSignal(reply.fds[0]!);
  expect(eventfdDrain(theirs)).toBe(1n);
  dropFds(reply);
  closeFd(ours);
  closeFd(theirs);
});

test('post() asks for no reply', async () => {
  const { server, client } = serve();
  client.post(REGION_WRITE, Uint8Array.of(1));
  const [request] = await server.received(1);
  expect(request).toMatchObject({ command: REGION_WRITE, flags: 0x10 });
});

test('what raw() provokes can be collected', async () => {
  const { client } = serve(() => ({ errno: EINVAL }));
  client.raw(rawMessage(4711, 99, 0, 0, new Uint8Array()));
  const answer = await client.nextUnmatched(10_000);
  expect(answer?.header).toMatchObject({ msgId: 4711, command: 99, flags: 0x21, errno: EINVAL });
  expect(await client.nextUnmatched(1)).toBeUndefined();
});

test('a reply to another command is not taken for the answer', async () => {
  const { server, client } = serve();
  const pending = client.request(REGION_READ);
  const [request] = await server.received(1);
  server.reply({ ...request!, command: REGION_WRITE });
  expect((await client.nextUnmatched(10_000))?.header.command).toBe(REGION_WRITE);
  server.reply(request!);
  await pending;
});

test('no answer in time is ETIMEDOUT, and the late answer harms nobody', async () => {
  const { server, client } = serve();
  await expect(client.request(REGION_READ, undefined, { timeoutMs: 1 })).rejects.toMatchObject({
    errno: ETIMEDOUT,
  });
  server.reply((await server.received(1))[0]!);
  expect((await client.nextUnmatched(10_000))?.header.command).toBe(REGION_READ);
});

test('when the server hangs up, requests under way and later ones fail with EPIPE', async () => {
  const { server, client } = serve();
  const pending = client.request(REGION_READ);
  await server.received(1);
  server.hangUp();
  await expect(pending).rejects.toMatchObject({
    errno: EPIPE,
    message: 'fake: REGION_READ: the connection ended: EPIPE',
  });
  expect(await client.closed).toBe(0);
  expect(client.isOpen).toBe(false);
  await expect(client.request(REGION_READ)).rejects.toMatchObject({ errno: EPIPE });
});

test('a size that cannot be ends the connection with EPROTO', async () => {
  const { server, client } = serve();
  const pending = client.request(REGION_READ);
  await server.received(1);
  const bytes = rawMessage(1, REGION_READ, 1, 0, new Uint8Array());
  bytes.writeUInt32LE(15, 4);
  server.send(bytes);
  await expect(pending).rejects.toMatchObject({ errno: EPROTO });
  expect(await client.closed).toBe(EPROTO);
});

test('close() fails what is under way and may be called twice', async () => {
  const { client } = serve();
  const pending = client.request(REGION_READ);
  client.close();
  client.close();
  await expect(pending).rejects.toMatchObject({ errno: EPIPE });
  expect(await client.closed).toBe(0);
});

test('pause() waits for answers that are due; nothing is sent until resume()', async () => {
  const { server, client } = serve();
  const pending = client.request(REGION_READ);
  const paused = client.pause();
  let isPaused = false;
  paused.then(() => {
    isPaused = true;
  });
  const [request] = await server.received(1);
  expect(isPaused).toBe(false);
  server.reply(request!);
  await pending;
  await paused;
  await expect(client.request(REGION_READ)).rejects.toThrow('a native loop owns the socket');
  client.resume();
  server.answer = () => ({});
  await client.request(REGION_READ);
});

test('commands of the server are answered by onCommand, refused by default', async () => {
  const { server, client } = serve();
  const answers: Request[] = [];
  server.answer = (message) => {
    answers.push(message);
    return undefined;
  };
  server.send(rawMessage(7, DMA_READ, 0, 0, new Uint8Array(16)));
  await server.received(1);
  client.onCommand = (command) => (command === DMA_WRITE ? Uint8Array.of(1, 2) : EFAULT);
  server.send(rawMessage(8, DMA_WRITE, 0, 0, new Uint8Array(16)));
  server.send(rawMessage(9, DMA_READ, 0, 0, new Uint8Array(16)));
  await server.received(3);
  expect(answers.map(({ msgId, flags }) => [msgId, flags])).toEqual([
    [7, 0x21],
    [8, 1],
    [9, 0x21],
  ]);
  expect([...answers[1]!.payload]).toEqual([1, 2]);
});
