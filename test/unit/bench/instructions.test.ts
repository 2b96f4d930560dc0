// What callgrind prints is read, and what it does not print is said.
import { expect, test } from 'vitest';
import { parseCounted } from '../../bench/instructions.ts';

const STDERR = `==7== Callgrind, a call-graph generating cache profiler
==7== Events    : Ir
==7== Collected : 123456
==7==
==7== I   refs:      123456
`;

test('the count is callgrind’s, the packets are the program’s', () => {
  expect(parseCounted('{"packets":256,"nsPerPacket":1.5}\n', STDERR)).toEqual({
    instructions: 123456,
    packets: 256,
  });
});

test('a run without a count is an error that shows what was printed', () => {
  expect(() => parseCounted('{"packets":1}', 'valgrind: no such program')).toThrow(
    "callgrind: no count in 'valgrind: no such program'",
  );
});
