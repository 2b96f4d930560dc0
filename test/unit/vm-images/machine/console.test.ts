/** Waiting on a serial console, fed from a stream instead of a VM. */
import { PassThrough } from 'node:stream';
import { beforeEach, expect, test } from 'vitest';
import { Console } from '../../../../vm-images/machine/console.ts';

let output: PassThrough;
let input: PassThrough;
let recorded: Buffer[];
let console: Console;

beforeEach(() => {
  output = new PassThrough();
  input = new PassThrough();
  recorded = [];
  console = new Console(output, input, { name: 'vm1', record: (bytes) => recorded.push(bytes) });
});

/** Streams deliver in a later turn of the event loop. */
const delivered = () => new Promise((resolve) => setImmediate(resolve));

test('a wait ends when its text was printed, also in pieces', async () => {
  const wait = console.waitFor('login: ');
  output.write('booting\nlog');
  await delivered();
  output.write('in: ');
  expect(await wait).toBe('booting\nlogin: '.length);
});

test('text that came before the wait counts', async () => {
  output.write('early\n');
  await delivered();
  expect(await console.waitFor('early')).toBe(5);
});

test('a text that was waited for is not found twice', async () => {
  output.write('ready\n');
  await console.waitFor('ready');
  const again = console.waitFor('ready');
  const first = await Promise.race([again, delivered().then(() => 'still waiting')]);
  expect(first).toBe('still waiting');
  output.write('ready\n');
  expect(await again).toBe('ready\nready'.length);
});

test('a wait may look from any position', async () => {
  output.write('one two one');
  await console.waitFor('two');
  expect(await console.waitFor('one', { from: 0 })).toBe(3);
  expect(await console.waitFor('one')).toBe(11);
});

test('a wait that takes too long shows the last console lines', async () => {
  output.write(Array.from({ length: 40 }, (_, i) => `line ${i}\r\n`).join(''));
  await delivered();
  const error: Error = await console.waitFor('never', { timeoutMs: 5 }).then(
    () => new Error('found'),
    (reason: Error) => reason,
  );
  expect(error.message).toMatch(/^vm1: nothing printed 'never' within 0\.005 s; the console's last lines:\n/);
  expect(error.message).toContain('  | line 39');
  expect(error.message).not.toContain('line 10\n');
});

test('a wait on a silent console says that nothing was printed', async () => {
  await expect(console.waitFor('never', { timeoutMs: 1 })).rejects.toThrow('(nothing was printed)');
});

test('waits end with the reason when the console fails, those that come later too', async () => {
  const wait = console.waitFor('never');
  console.fail(new Error('QEMU ended'));
  await expect(wait).rejects.toThrow('QEMU ended');
  await expect(console.waitFor('never')).rejects.toThrow('QEMU ended');
});

test('what was printed before the console failed is still found', async () => {
  output.write('last words');
  await delivered();
  console.fail(new Error('QEMU ended'));
  expect(await console.waitFor('last words')).toBe(10);
});

test('listeners get whole lines without their ends, until they are stopped', async () => {
  const lines: string[] = [];
  const stop = console.onLine((line) => lines.push(line));
  output.write('a\r\nb');
  await delivered();
  output.write('c\n\npartial');
  await delivered();
  expect(lines).toEqual(['a', 'bc', '']);
  stop();
  output.write('\nmore\n');
  await delivered();
  expect(lines).toHaveLength(3);
});

test('a line is handed out before a wait for its end returns', async () => {
  const lines: string[] = [];
  console.onLine((line) => lines.push(line));
  const wait = console.waitFor('\n').then(() => [...lines]);
  output.write('whole\n');
  expect(await wait).toEqual(['whole']);
});

test('a character cut in two by a read is put together, and every byte is recorded', async () => {
  const bytes = Buffer.from('naïve\n');
  output.write(bytes.subarray(0, 3));
  await delivered();
  output.write(bytes.subarray(3));
  await console.waitFor('naïve');
  expect(Buffer.concat(recorded)).toEqual(bytes);
});

test('positions stay true when old output is dropped', async () => {
  const block = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < 1500; i++) output.write(block);
  output.write('marker');
  const end = await console.waitFor('marker');
  expect(end).toBe(1500 * 1024 + 6);
  expect(console.position).toBe(end);
});

test('a line is written with its end', () => {
  console.writeLine('info');
  expect(String(input.read())).toBe('info\n');
});
