// The options of `ptnet capture`, `replay` and `bridge`: what they take, and what they say about the rest.
import { describe, expect, test } from 'vitest';
import { run } from '../../../../backend/cli/program.ts';
import { count, delay, pace, share, size, speed } from '../../../../backend/cli/quantities.ts';
import { FakeIo } from './fake-io.ts';

const io = new FakeIo();
const ptnet = async (...args: string[]) => {
  io.stdout = io.stderr = '';
  const code = await run(args, io, async () => {
    throw new Error('not started');
  });
  return { code, ...io };
};

test.each(['capture', 'replay', 'bridge'])('%s --help lists its options', async (command) => {
  const { code, stdout } = await ptnet(command, '--help');
  expect(code).toBe(0);
  for (const option of ['--up <file>', '--run-dir <folder>', '--json']) expect(stdout).toContain(option);
});

test.each([
  [['capture', 'vale0:1', '--up', 'f'], "error: required option '-w, --write <file>' not specified\n"],
  [['bridge', 'vale0:1', '--up', 'f'], "error: missing required argument 'b'\n"],
  [
    ['replay', 'f', 'p', '--up', 'f', '--speed', '0'],
    "error: option '--speed <times>' argument '0' is invalid. Times the file's pace, '2', or 'top' would be right.\n",
  ],
  [
    ['replay', 'f', 'p', '--up', 'f', '--speed', '2', '--rate', '5'],
    "error: option '--rate <pps>' cannot be used with option '--speed <times>'\n",
  ],
])('%j is refused with exit code 2', async (args, message) => {
  expect(await ptnet(...args)).toMatchObject({ code: 2, stderr: message });
});

describe('quantities', () => {
  test.each([
    ['10ms', { delayNs: 10e6, jitterNs: 0 }],
    ['1.5us..2us', { delayNs: 1500, jitterNs: 500 }],
    ['0s..1s', { delayNs: 0, jitterNs: 1e9 }],
  ])('delay %s', (text, value) => expect(delay(text)).toEqual(value));
  test.each(['', '10', '10 ms', '2ms..1ms', '1ms..2ms..3ms', '2h', '3601s', '-1ms'])(
    'no delay: %j',
    (text) => {
      expect(() => delay(text)).toThrow(
        "A time, '10ms', or two, '10ms..20ms', up to an hour would be right.",
      );
    },
  );
  test.each([
    ['1%', 0.01],
    ['0.5', 0.5],
    ['.25', 0.25],
    ['100%', 1],
  ])('share %s', (text, value) => expect(share(text)).toBe(value));
  test.each(['', '%', '101%', '2', '-1', '1 %'])('no share: %j', (text) => {
    expect(() => share(text)).toThrow("A share, '1%' or '0.01', would be right.");
  });
  test.each([
    ['100M', 100 * 2 ** 20],
    ['4096', 4096],
  ])('size %s', (text, value) => expect(size(text)).toBe(value));
  test.each(['', '100', '1T1', '-4K', '0'])('no size: %j', (text) => {
    expect(() => size(text)).toThrow("A size of 4K or more, '100M', would be right.");
  });
  test.each([
    ['top', 0],
    ['2', 2],
    ['0.5', 0.5],
  ])('speed %s', (text, value) => expect(speed(text)).toBe(value));
  test.each(['', '0', 'fast', '1e3', '-1', '10000000'])('no speed: %j', (text) => {
    expect(() => speed(text)).toThrow("Times the file's pace, '2', or 'top' would be right.");
  });
  test.each([
    ['1000pps', 1000],
    ['1.5Mpps', 1.5e6],
    ['7', 7],
  ])('pace %s', (text, value) => expect(pace(text)).toBe(value));
  test.each(['', '0', '0pps', 'pps', '1Gbit'])('no pace: %j', (text) => {
    expect(() => pace(text)).toThrow("Packets a second, '1000pps', would be right.");
  });
  test('count', () => {
    expect(count(1)('12')).toBe(12);
    expect(() => count(1)('0')).toThrow('A number from 1 on would be right.');
    expect(() => count(1, 9)('10')).toThrow('A number from 1 to 9 would be right.');
    expect(() => count(0)('1.5')).toThrow();
  });
});
