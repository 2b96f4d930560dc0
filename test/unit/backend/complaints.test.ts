// What a peer does wrong: counted by cause, logged when the count is a power of ten, and bounded in its causes.
import { expect, test } from 'vitest';
import { Complaints } from '../../../backend/complaints.ts';
import { type LogLine, recordingLog } from '../../protocol/recording.ts';

test('the first of each cause is logged, then the 10th, the 100th', () => {
  const lines: LogLine[] = [];
  const complaints = new Complaints(recordingLog(lines), 'vm1/net0');
  for (let i = 0; i < 100; i++) complaints.add('flood', `line ${i}`);
  complaints.add('other things', 'once', { level: 'error', details: { detail: 7 } });
  expect(lines.map(({ text }) => text)).toEqual([
    'vm1/net0: line 0',
    'vm1/net0: line 9 (10 times)',
    'vm1/net0: line 99 (100 times)',
    'vm1/net0: once',
  ]);
  expect(lines[3]).toMatchObject({ level: 'error', fields: { vm: 'vm1', device: 'net0', detail: 7 } });
});

test('a peer cannot fill the memory with causes: beyond 512 they are one', () => {
  const lines: LogLine[] = [];
  const complaints = new Complaints(recordingLog(lines), 'vm1/net0');
  for (let i = 0; i < 1000; i++) complaints.add(`cause ${i}`, 'text');
  complaints.add('cause 3', 'text');
  expect(Object.keys(complaints.counters)).toHaveLength(513);
  expect(complaints.counters).toMatchObject({ 'cause 3': 2, other: 488 });
  expect(lines).toHaveLength(512 + 3);
});

test('what was only counted is summed up later, at a rate that does not depend on how much it is', () => {
  const lines: LogLine[] = [];
  let now = 0;
  const complaints = new Complaints(recordingLog(lines), 'vm1/net0', () => now);
  const texts = () => lines.splice(0).map(({ text }) => text);
  for (let i = 0; i < 57; i++) complaints.add('flood', 'text');
  expect(texts()).toEqual(['vm1/net0: text', 'vm1/net0: text (10 times)']);
  complaints.sumUp();
  expect(texts()).toEqual([]);
  now = 60_000;
  complaints.sumUp();
  complaints.sumUp();
  expect(texts()).toEqual(['vm1/net0: text (57 times)']);
  complaints.add('flood', 'text', { times: 3 });
  now = 120_000;
  complaints.add('flood', 'text');
  expect(texts()).toEqual(['vm1/net0: text (61 times)']);
  complaints.add('flood', 'text');
  complaints.sumUp({ all: true });
  expect(texts()).toEqual(['vm1/net0: text (62 times)']);
});
