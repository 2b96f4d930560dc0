// Wrong arguments: a TypeError or RangeError that says what is wrong and what would be right, and never a crash.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoopOptions, startLoop } from '../../../../guest-driver/addon/index.ts';
import { FakePort } from './fake-port.ts';

let port: FakePort;
beforeEach(() => {
  port = new FakePort();
});
afterEach(() => port.close());

/** startLoop() as somebody without types would call it. */
const untyped = startLoop as (options: unknown) => unknown;

/** Good options with some replaced. */
const but = (changes: Record<string, unknown>): unknown => ({ ...port.options('send'), ...changes });

const CASES: [name: string, changes: () => Record<string, unknown>, kind: typeof Error, text: RegExp][] = [
  ['no op', () => ({ op: undefined }), TypeError, /op: undefined: must be one of 'send', 'receive'/],
  ['an unknown op', () => ({ op: 'fly' }), TypeError, /op: 'fly': must be one of/],
  ['no region', () => ({ region: undefined }), TypeError, /region: undefined: must be an object/],
  [
    'a region without address',
    () => ({ region: { size: 1n } }),
    TypeError,
    /region\.address: undefined: must be a bigint/,
  ],
  [
    'a region at 0',
    () => ({ region: { address: 0n, size: 4096n } }),
    RangeError,
    /region\.address 0x0.*mapped/,
  ],
  [
    'a region of no size',
    () => ({ region: { address: port.region.address, size: 0n } }),
    RangeError,
    /mapped/,
  ],
  [
    'a region that is not mapped',
    () => ({ region: { address: 0x1000n, size: 4096n } }),
    RangeError,
    /0x1000.*mapped/,
  ],
  [
    'a region larger than its mapping',
    () => ({ region: { address: port.region.address, size: 1n << 46n } }),
    RangeError,
    /mapped/,
  ],
  [
    'a region that wraps around',
    () => ({ region: { address: port.region.address, size: (1n << 64n) - 8n } }),
    RangeError,
    /mapped/,
  ],
  [
    'an address beyond 64 bits',
    () => ({ region: { address: 1n << 64n, size: 1n } }),
    RangeError,
    /64 unsigned bits/,
  ],
  ['a negative address', () => ({ region: { address: -8n, size: 1n } }), RangeError, /64 unsigned bits/],
  ['no csb', () => ({ csb: null }), TypeError, /csb: null: must be an object/],
  [
    'half a csb',
    () => ({ csb: { guestToHost: port.guestToHost.address } }),
    TypeError,
    /csb\.hostToGuest: undefined: must be a bigint/,
  ],
  [
    'a csb that is not mapped',
    () => ({ csb: { guestToHost: 64n, hostToGuest: 64n } }),
    RangeError,
    /csb\.guestToHost 0x40: must be 128 bytes mapped/,
  ],
  [
    'a misaligned csb',
    () => ({ csb: { guestToHost: port.guestToHost.address + 4n, hostToGuest: 0n } }),
    RangeError,
    /aligned to 64/,
  ],
  ['a nifpOfs that is no number', () => ({ nifpOfs: '0' }), TypeError, /nifpOfs: '0': must be a number/],
  [
    'a nifpOfs outside the region',
    () => ({ nifpOfs: 1 << 30 }),
    Error,
    /nifpOfs 1073741824: outside the region/,
  ],
  ['a broken netmap_if', () => ({ nifpOfs: 4096 }), Error, /netmap_if at 4096: has \d+ tx/],
  ['ring numbers that do not match', () => ({ numTxRings: 2 }), Error, /the device says 2 and 1/],
  ['half a ring', () => ({ numTxRings: 0.5 }), RangeError, /numTxRings: 0\.5: must be a whole number/],
  [
    'not a number of rings',
    () => ({ numRxRings: Number.NaN }),
    RangeError,
    /numRxRings: NaN: must be a whole number/,
  ],
  ['too many rings', () => ({ numTxRings: 1e9 }), RangeError, /numTxRings: 1000000000: .* to 1024/],
  [
    'a ring that is not there',
    () => ({ txRings: [1] }),
    RangeError,
    /txRings\[0\]: 1: must be a whole number from 0 to 0/,
  ],
  ['a ring twice', () => ({ txRings: [0, 0] }), RangeError, /txRings: names a ring twice/],
  ['rings that are no array', () => ({ txRings: 0 }), TypeError, /txRings: 0: must be an array/],
  ['no rings at all', () => ({ txRings: [] }), Error, /txRings: none/],
  [
    'netmap beside a doorbell',
    () => ({ netmap: port.socket }),
    TypeError,
    /doorbell: netmap has ioctl and poll for it: leave it out/,
  ],
  [
    'netmap beside interrupts',
    () => ({ netmap: port.socket, doorbell: undefined, interrupts: [-1, -1] }),
    TypeError,
    /interrupts: netmap has ioctl/,
  ],
  [
    'a descriptor of netmap that is closed',
    () => ({ netmap: 99999, doorbell: undefined, interrupts: undefined }),
    RangeError,
    /netmap 99999: not an open descriptor/,
  ],
  [
    'a stack behind netmap',
    () => ({ op: 'stack', netmap: port.socket, doorbell: undefined, interrupts: undefined }),
    TypeError,
    /netmap: not of a stack: leave it out/,
  ],
  ['no doorbell', () => ({ doorbell: undefined }), TypeError, /doorbell: undefined: must be an object/],
  [
    'a doorbell without wait',
    () => ({ doorbell: { fd: port.socket, region: 0, base: 128 } }),
    TypeError,
    /doorbell\.wait: undefined: must be true or false/,
  ],
  [
    'a doorbell that is closed',
    () => ({ doorbell: { fd: 99999, region: 0, base: 128, wait: true } }),
    RangeError,
    /doorbell\.fd 99999: not an open descriptor/,
  ],
  [
    'interrupts too few',
    () => ({ interrupts: [-1] }),
    RangeError,
    /interrupts: 1 descriptors: must be one per ring, 2/,
  ],
  [
    'an interrupt that is closed',
    () => ({ interrupts: [99999, -1] }),
    RangeError,
    /interrupts\[0\] 99999: not an open/,
  ],
  ['sleep without interrupts', () => ({ sleep: true }), TypeError, /sleep: tx ring 0 has no interrupt/],
  ['a count that is a number', () => ({ count: 5 }), TypeError, /count: 5: must be a bigint/],
  ['a negative count', () => ({ count: -1n }), RangeError, /count: -1n: must fit/],
  ['no time at all', () => ({ seconds: 0 }), RangeError, /seconds: 0: must be above 0/],
  ['endless seconds', () => ({ seconds: Number.POSITIVE_INFINITY }), RangeError, /seconds: Infinity/],
  ['an idle limit of 0', () => ({ idleMs: 0 }), RangeError, /idleMs: 0: must be a whole number from 1/],
  ['a size below the stamp', () => ({ size: 31 }), Error, /size 31: must be 32 to 65535/],
  ['a size above the buffer', () => ({ size: 2049 }), Error, /larger than a buffer of 2048: add fragments/],
  ['no fragments', () => ({ frags: 0 }), Error, /frags 0: must be 1 to 64/],
  ['more fragments than slots', () => ({ frags: 16 }), Error, /frags 16: do not fit a ring of 16 slots/],
  ['a burst of 0', () => ({ burst: 0 }), Error, /burst 0: must be 1 to 65536/],
  [
    'an unknown payload',
    () => ({ payload: 'half' }),
    TypeError,
    /payload: 'half': must be one of 'none', 'stamp', 'full'/,
  ],
  ['a stream beyond 16 bits', () => ({ stream: 65536 }), RangeError, /stream: 65536/],
  [
    'a MAC of 5 bytes',
    () => ({ dst: new Uint8Array(5) }),
    TypeError,
    /dst: an object: must be a Uint8Array of 6 bytes/,
  ],
  [
    'a MAC that is text',
    () => ({ src: '02:00:00:00:00:00' }),
    TypeError,
    /src: '02:00:00:00:00:00': must be a Uint8Array/,
  ],
  ['a rate below 0', () => ({ rate: -1 }), RangeError, /rate: -1: must be above 0/],
];

test.each(CASES)('%s is refused', (_name, changes, kind, text) => {
  expect(() => untyped(but(changes()))).toThrow(text);
  expect(() => untyped(but(changes()))).toThrow(kind);
});

describe('options that are no options', () => {
  test.each([undefined, null, 5, 'send', [], () => {}, Symbol('options')])('%o', (value) => {
    expect(() => untyped(value)).toThrow(TypeError);
  });

  test('a getter that throws: its own exception comes out', () => {
    const options = Object.defineProperty(port.options('send'), 'csb', {
      get() {
        throw new Error('from the getter');
      },
    });
    expect(() => startLoop(options)).toThrow('from the getter');
  });

  test('memory that was unmapped is noticed, not touched', () => {
    const other = new FakePort();
    const stale = other.options('send');
    other.close();
    expect(() => startLoop(stale)).toThrow(/region\.address/);
  });
});

test('a CSB that CREATE never wrote is refused', () => {
  port.setHost(1, { hwtail: 0xffff_ffff });
  const options: LoopOptions = port.options('receive');
  expect(() => startLoop(options)).toThrow(
    /rx ring 0: the CSB holds indices outside the ring: was CREATE done\?/,
  );
});
