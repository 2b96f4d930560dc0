/** What is made of testpmd's answers: over a pipe, and over a serial line that repeats commands and ends lines its own way. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { beforeEach, expect, test } from 'vitest';
import { Console } from '../../../../vm-images/machine/console.ts';
import { measureBetween, parseReceived, Testpmd } from '../../../bench/peers/testpmd-prompt.ts';

let output: PassThrough;
let input: PassThrough;
let console: Console;
let testpmd: Testpmd;

beforeEach(() => {
  output = new PassThrough();
  input = new PassThrough();
  console = new Console(output, input, { name: 'testpmd' });
  testpmd = new Testpmd(console);
});

const command = async () => String((await once(input, 'data'))[0]);

test.each([
  ['a pipe', 'Set txpkts\nDone\ntestpmd> '],
  ['a serial line', 'set txpkts 60\r\r\n\r\nSet txpkts\r\r\nDone\r\r\ntestpmd> '],
])('over %s, an answer is what stands before the next prompt', async (_, printed) => {
  output.write('Interactive-mode selected\r\ntestpmd> ');
  await testpmd.ready();
  const told = testpmd.tell('set txpkts 60');
  expect(await command()).toBe('set txpkts 60\n');
  for (const character of printed) output.write(character);
  expect(await told).toMatch(/Set txpkts\nDone$/);
});

test('a prompt that was there before is not the end of an answer', async () => {
  output.write('testpmd> ');
  await testpmd.ready();
  let ended = false;
  const told = testpmd.tell('stop').finally(() => {
    ended = true;
  });
  await command();
  output.write('stop\r\nTelling cores to stop...\r\n');
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toBe(false);
  output.write('Done.\r\ntestpmd> ');
  expect(await told).toContain('Done.');
});

test('a testpmd that ends instead of answering is told with its last words', async () => {
  output.write('testpmd> ');
  await testpmd.ready();
  const told = testpmd.tell('start');
  await command();
  output.write('EAL: Error - exiting\n');
  await new Promise((resolve) => setImmediate(resolve));
  console.fail(console.error('it has ended'));
  await expect(told).rejects.toThrow(/^testpmd: it has ended[\s\S]*EAL: Error - exiting/);
});

test('the packets received are read from the statistics of the port', () => {
  const answer =
    '\n  ####  NIC statistics for port 0  ####\n  RX-packets: 2368       RX-missed: 0\n  TX-packets: 7';
  expect(parseReceived(answer)).toBe(2368);
  expect(() => parseReceived('Invalid port 0')).toThrow('no RX-packets in its answer: Invalid port 0');
});

/** A testpmd whose counter is `received`, asked over a line of its own. */
function standIn(received: () => number): { testpmd: Testpmd; told: string[] } {
  const [out, inp] = [new PassThrough(), new PassThrough()];
  const told: string[] = [];
  inp.on('data', (line) => {
    told.push(String(line).trim());
    const answer = String(line).startsWith('show') ? `RX-packets: ${received()} \n` : '';
    out.write(`${line}${answer}testpmd> `);
  });
  return { testpmd: new Testpmd(new Console(out, inp, { name: 'stand-in' })), told };
}

test('a rate is what arrived while it was measured; the receiver starts first and the sender stops first', async () => {
  const start = performance.now();
  const receiver = standIn(() => Math.round((performance.now() - start) * 1000));
  const sender = standIn(() => 0);
  const options = { seconds: 0.1, signal: new AbortController().signal };
  const rate = await measureBetween(sender.testpmd, receiver.testpmd, 60, options);
  expect(rate).toBeGreaterThan(0.5e6);
  expect(rate).toBeLessThan(2e6);
  expect(sender.told).toEqual(['set txpkts 60', 'start', 'stop']);
  expect(receiver.told.filter((line) => !line.startsWith('show'))).toEqual(['start', 'stop']);
});
