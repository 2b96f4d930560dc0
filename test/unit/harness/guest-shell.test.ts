/** The shell of a Linux guest, with a stand-in for the guest's end of the port. */

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VmError } from '../../../vm-images/machine/errors.ts';
import { GuestShell } from '../../harness/guest-shell.ts';

let server: Server;
let guest: Socket;
let shell: GuestShell;
let asked = '';

beforeEach(async () => {
  asked = '';
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  shell = new GuestShell('vm', connect(port, '127.0.0.1'));
  [guest] = await accepted;
  guest.on('data', (bytes) => {
    asked += bytes.toString('latin1');
  });
});
afterEach(() => {
  guest.destroy();
  server.close();
});

const answer = (text: string) => guest.write(text);
const asks = (text: string) => expect.poll(() => asked).toBe(text);
const encoded = (command: string) => Buffer.from(command).toString('base64');

async function greeted(): Promise<void> {
  answer('READY\n');
  await shell.ready();
}

test('a command and its input, an exit code and what was printed, in any pieces', async () => {
  await greeted();
  const running = shell.run('cat x', Buffer.from('ab\n'));
  await asks(`${encoded('cat x')} 3\nab\n`);
  for (const piece of ['7 1', '1 3\nout', ' with 9\n', 'er', 'r']) {
    answer(piece);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { code, stdout, stderr } = await running;
  expect([code, stdout.toString(), stderr.toString()]).toEqual([7, 'out with 9\n', 'err']);
});

test('bytes that are no text come as they are', async () => {
  await greeted();
  const running = shell.run('cat');
  guest.write(Buffer.concat([Buffer.from('0 4 0\n'), Buffer.from([0, 255, 10, 128])]));
  expect([...(await running).stdout]).toEqual([0, 255, 10, 128]);
});

test('a second command has to wait until the first has ended', async () => {
  await greeted();
  const first = shell.run('a');
  await expect(shell.run('b')).rejects.toThrow('one command at a time');
  answer('0 0 0\n');
  expect((await first).code).toBe(0);
  const second = shell.run('b');
  answer('1 0 0\n');
  expect((await second).code).toBe(1);
});

test('a guest that starts again ends what ran; what it had said before is forgotten', async () => {
  await greeted();
  const lost = shell.run('a');
  answer('0 100 0\nhalf of it');
  shell.restart();
  answer('more\nREADY\n');
  await expect(lost).rejects.toThrow('the guest has restarted');
  await shell.ready();
  const next = shell.run('b');
  answer('0 0 0\n');
  expect((await next).code).toBe(0);
});

test('a greeting that nobody expected ends what ran', async () => {
  await greeted();
  const lost = shell.run('a');
  answer('READY\n');
  await expect(lost).rejects.toThrow('the guest has restarted');
});

test('a connection that is closed ends what runs and all that comes later', async () => {
  await greeted();
  const lost = shell.run('a');
  guest.destroy();
  await expect(lost).rejects.toThrow(VmError);
  await expect(shell.run('b')).rejects.toThrow('was closed');
  await expect(shell.ready()).rejects.toThrow('was closed');
});
