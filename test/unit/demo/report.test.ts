// What the demonstration prints: an aligned table, and progress that fits the screen it is on.
import { expect, test } from 'vitest';
import { parsePath } from '../../../backend/measure/path.ts';
import { demoConfig, PATHS } from '../../../demo/paths.ts';
import { limitText, type PathResult, Progress, table } from '../../../demo/report.ts';

const RESULT: PathResult = {
  name: 'guest-to-host',
  guest: 'model',
  mpps: 12.345,
  ofLimit: 0.0841,
  packets: 37035000,
  lost: 0,
  corrupt: 0,
  kicks: 1234,
  interrupts: 7,
  proof: { packets: 1000, corrupt: 0 },
};
const PATH = PATHS[0]!;

function screen(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, write: (text: string) => written.push(text), written };
}

test('columns are as wide as their widest cell, and each path shown is explained', () => {
  expect(table([RESULT], PATHS)).toBe(`\
path            Mpps  of limit     packets  lost  kicks  interrupts  bytes proved  corrupt
-------------  -----  --------  ----------  ----  -----  ----------  ------------  -------
guest-to-host  12.35     8.4 %  37,035,000     0  1,234           7        60,000        0

guest-to-host  a guest sends to a null port, whose sink checks what comes
`);
});

test('the machine and its limit stand above', () => {
  expect(limitText('a CPU', 146.87, 'two threads')).toBe(`a CPU.
Its limit: 147 million slots a second, by two threads; 'of limit' is the share of that.
Packets of 60 bytes. Each has a number in its first cache line, which is written and checked; in a short pass beside it every byte is.
`);
});

test('on a terminal a path has one line that is written over', () => {
  const tty = screen(true);
  const progress = new Progress(tty);
  progress.start(PATH);
  progress.update(PATH, 1000, 0.25);
  progress.done(RESULT);
  expect(tty.written).toEqual([
    '\r\x1b[Kguest-to-host ...',
    '\r\x1b[Kguest-to-host: 1,000 packets in 0.3 s',
    '\r\x1b[Kguest-to-host: 37,035,000 packets, 12.35 Mpps\n',
  ]);
});

test('elsewhere there is a line at the start and one at the end', () => {
  const file = screen(false);
  const progress = new Progress(file);
  progress.start(PATH);
  progress.update(PATH, 1000, 0.25);
  progress.done(RESULT);
  expect(file.written).toEqual(['guest-to-host ...\n', 'guest-to-host: 37,035,000 packets, 12.35 Mpps\n']);
});

test('the four paths are those that scripts know, and their ends are devices of the configuration', () => {
  expect(PATHS.map((path) => path.name)).toEqual([
    'guest-to-host',
    'host-to-guest',
    'guest-to-guest-pipe',
    'guest-to-guest-vale',
  ]);
  const config = demoConfig('/tmp/x');
  for (const { measured, proved } of PATHS) {
    expect(parsePath(measured, config).text).toBe(measured);
    expect(parsePath(proved, config).text).toBe(proved);
  }
});
