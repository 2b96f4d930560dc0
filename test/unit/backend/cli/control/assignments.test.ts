// `KEY=VALUE` words as a merge patch.
import { expect, test } from 'vitest';
import { assignments } from '../../../../../backend/cli/control/assignments.ts';

test.each([
  [['rate=1Gbit'], { rate: '1Gbit' }],
  [['rate.tx=1Gbit', 'rate.burst=1MiB'], { rate: { tx: '1Gbit', burst: '1MiB' } }],
  [['spin-us=50', 'policy=poll'], { 'spin-us': 50, policy: 'poll' }],
  [['rate=none'], { rate: null }],
  [['sink={ verify: true }'], { sink: { verify: true } }],
  [['mac=02:00:00:00:00:10'], { mac: '02:00:00:00:00:10' }],
  [["address=[192.0.2.1/24, '2001:db8::1/64']"], { address: ['192.0.2.1/24', '2001:db8::1/64'] }],
  [['source.packets=unlimited'], { source: { packets: 'unlimited' } }],
])('%j', (words, patch) => {
  expect(assignments(words)).toEqual(patch);
});

test.each(['policy', 'policy=', '=poll', 'a b=c', 'rate={'])('%s is not one', (word) => {
  expect(() => assignments([word])).toThrow(`'${word}'`);
});

test('a key as a whole and one below it do not go together', () => {
  expect(() => assignments(['rate=1Gbit', 'rate.burst=1MiB'])).toThrow("'rate' is given as a whole already");
});
