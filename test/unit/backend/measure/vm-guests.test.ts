// What an agent is told: its command line for each loop.
import { expect, test } from 'vitest';
import { commandOf } from '../../../../backend/measure/vm-guests.ts';

test('a loop as the agent of a VM takes it, with nothing that was not said', () => {
  const dst = '02:00:00:00:01:00';
  expect(
    commandOf({ op: 'send', size: 60, frags: 1, burst: 64, payload: 'full', dst, seconds: 2, rate: 1000 }, 3),
  ).toBe(
    'send --device 3 --seconds 2 --size 60 --frags 1 --burst 64 --payload full --dst 02:00:00:00:01:00 --rate 1000 --spin-us 20 --progress',
  );
  expect(commandOf({ op: 'receive', seconds: 12, idleMs: 500 }, 0)).toBe(
    'receive --device 0 --seconds 12 --idle-ms 500 --spin-us 20 --progress',
  );
});
