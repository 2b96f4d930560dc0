// When complaints are said again: how long ago the last line was counts, not what the clock shows.
import { expect, test } from 'vitest';
import { Complaints } from '../../../backend/complaints.ts';
import { type LogLine, recordingLog } from '../../protocol/recording.ts';

test.each([0, 1_800_000_000_000])('clock that begins at %i', (start) => {
  const lines: LogLine[] = [];
  let now = start;
  const complaints = new Complaints(recordingLog(lines), 'vm1/net0', () => now);
  const said = (): number => lines.splice(0).length;
  complaints.add('flood', 'text');
  complaints.add('flood', 'text');
  expect(said()).toBe(1);
  complaints.sumUp();
  expect(said()).toBe(0);
  now += 59_999;
  complaints.sumUp();
  complaints.add('flood', 'text');
  expect(said()).toBe(0);
  now += 1;
  complaints.sumUp();
  expect(said()).toBe(1);
  now += 59_999;
  complaints.add('flood', 'text');
  complaints.sumUp();
  expect(said()).toBe(0);
  complaints.sumUp({ all: true });
  expect(said()).toBe(1);
  complaints.sumUp({ all: true });
  expect(said()).toBe(0);
});
