// The grammar of port names: what it takes, what it gives back, and what it says about the rest.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatPortName,
  type PortName,
  parsePortName,
  portNameProblem,
} from '../../../../backend/config/port-name.ts';
import { ConfigurationError } from '../../../../backend/errors.ts';
import { peerOf } from '../../../../backend/ports/kinds/pipe.ts';

const identifier = fc.stringMatching(/^[0-9A-Za-z_]{1,12}$/);
const dotted = fc.stringMatching(/^[0-9A-Za-z_.]{1,12}$/);
const portName: fc.Arbitrary<PortName> = fc.oneof(
  fc.record({
    kind: fc.constant('vale' as const),
    switch: fc.stringMatching(/^[0-9A-Za-z_]{0,12}$/),
    port: dotted,
  }),
  fc.record({
    kind: fc.constant('pipe' as const),
    parent: fc.oneof(
      dotted,
      dotted.map((name) => `vale0:${name}`),
      dotted.map((name) => `netmap:${name}`),
    ),
    id: identifier,
    end: fc.constantFrom('master' as const, 'slave' as const),
  }),
  fc.record({ kind: fc.constantFrom('null' as const, 'echo' as const), name: dotted }),
  fc.record({ kind: fc.constant('netmap' as const), interface: dotted, host: fc.boolean() }),
  fc.record({
    kind: fc.constant('monitor' as const),
    parent: fc.constantFrom('vale0:1', 'p{1', 'tap:lan', 'null:a}x', 'netmap:eth0^'),
    flags: fc.constantFrom('r' as const, 't' as const, 'rt' as const, 'tr' as const, 'z' as const),
  }),
);

test.each([
  ['vale0:1', { kind: 'vale', switch: '0', port: '1' }],
  ['vale:vm1.net0', { kind: 'vale', switch: '', port: 'vm1.net0' }],
  ['p{1', { kind: 'pipe', parent: 'p', id: '1', end: 'master' }],
  ['p}1', { kind: 'pipe', parent: 'p', id: '1', end: 'slave' }],
  ['vale0:1{3', { kind: 'pipe', parent: 'vale0:1', id: '3', end: 'master' }],
  ['netmap:eth1}2', { kind: 'pipe', parent: 'netmap:eth1', id: '2', end: 'slave' }],
  ['tap:lan{x', { kind: 'pipe', parent: 'tap:lan', id: 'x', end: 'master' }],
  ['vale0:1/r', { kind: 'monitor', parent: 'vale0:1', flags: 'r' }],
  ['netmap:eth0^{1/tr', { kind: 'monitor', parent: 'netmap:eth0^{1', flags: 'tr' }],
  ['p{1/z', { kind: 'monitor', parent: 'p{1', flags: 'z' }],
  ['vale0:1/rt#12', { kind: 'monitor', parent: 'vale0:1', flags: 'rt', number: 12 }],
  ['null:gen', { kind: 'null', name: 'gen' }],
  ['netmap:br-lan', { kind: 'netmap', interface: 'br-lan', host: false }],
  ['netmap:eth0.5^', { kind: 'netmap', interface: 'eth0.5', host: true }],
])('%s', (text, name) => {
  expect(parsePortName(text)).toEqual(name);
});

test('a name that is written and read is the same name', () => {
  fc.assert(
    fc.property(portName, (name) => {
      expect(parsePortName(formatPortName(name))).toEqual(name);
    }),
    { seed: 1 },
  );
});

test('any text is a name that is written back the same, or has a problem', () => {
  const near = fc.stringMatching(/^(vale|null|netmap)?[0-9a-z:{}@/^*._-]{0,10}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      if (portNameProblem(text) === undefined) expect(formatPortName(parsePortName(text))).toBe(text);
      else expect(() => parsePortName(text)).toThrow(ConfigurationError);
    }),
    { seed: 2, numRuns: 2000 },
  );
});

test('the peer of a peer is the pipe end itself', () => {
  const end = parsePortName('p{7') as PortName & { kind: 'pipe' };
  expect(formatPortName(peerOf(end))).toBe('p}7');
  expect(peerOf(peerOf(end))).toEqual(end);
});

describe('what would be right', () => {
  const forms =
    'valeS:P, X{id, X}id, null:NAME, echo:NAME, tap:NAME, netmap:IF, netmap:IF^, X/r, X/t, X/rt or X/z would be right';
  test.each([
    ['', `'' is not a port name: ${forms} (letters A to Z, digits, _ and .)`],
    ['eth0', `'eth0' is not a port name: ${forms} (letters A to Z, digits, _ and .)`],
    ['null:a b', `'null:a b' is not a port name: ${forms} (letters A to Z, digits, _ and .)`],
    ['netmap', "'netmap' is an interface without a name: 'netmap:eth0' would be right"],
    ['netmap:', "'netmap:' is an interface without a name: 'netmap:eth0' would be right"],
    [
      'netmap:eth0-3',
      "'netmap:eth0-3' asks for one ring pair (-k), which is not supported yet: 'netmap:eth0' would be right",
    ],
    [
      'netmap:eth0/R',
      "'netmap:eth0/R' asks for rings of one direction (R, T) or several things at once, which is not supported: 'netmap:eth0', or 'netmap:eth0/rt' for a monitor, would be right",
    ],
    [
      'netmap:eth0*',
      "'netmap:eth0*' asks for the host's rings beside the interface's, and a guest takes all rings for the interface's: 'netmap:eth0' and 'netmap:eth0^', as two devices or as two members of a switch, would be right",
    ],
    [
      'netmap:abcdefghijklmnop',
      "'netmap:abcdefghijklmnop' has an interface name of 16 characters: at most 15 would be right",
    ],
    [
      'netmap:abcdefghijklmno^',
      "'netmap:abcdefghijklmno^' has an interface name of 15 characters: at most 14 would be right",
    ],
    ['p{1{2', "'p{1{2' is a pipe of 'p{1', which has none: 'p{2' would be right"],
    ['vale0:1/r{2', "'vale0:1/r{2' is a pipe of 'vale0:1/r', which has none: 'p{2' would be right"],
    [
      'vale0:1/r/t',
      "'vale0:1/r/t' has flags that there are none of: 'vale0:1/r', 'vale0:1/t' or 'vale0:1/rt' would be right",
    ],
    [
      'vale0:1/',
      "'vale0:1/' has flags that there are none of: 'vale0:1/r', 'vale0:1/t' or 'vale0:1/rt' would be right",
    ],
    [
      'vale0:1/rr',
      "'vale0:1/rr' asks for rings of one direction (R, T) or several things at once, which is not supported: 'vale0:1', or 'vale0:1/rt' for a monitor, would be right",
    ],
    [
      'vale0:1/x',
      "'vale0:1/x' asks for a port that nobody else opens, as each device has it: 'vale0:1' would be right",
    ],
    [
      'vale0:1/tz',
      "'vale0:1/tz' asks for a zero-copy monitor, which always shows both ways: 'vale0:1/z' would be right",
    ],
    [
      'vale0:1@2',
      "'vale0:1@2' asks for a region or options after @, which is not supported yet: 'vale0:1' would be right",
    ],
    [
      'vale0:1^',
      "'vale0:1^' asks for host rings (^ or *), which is not supported yet: 'vale0:1' would be right",
    ],
    [
      'vale0:1-2',
      "'vale0:1-2' asks for one ring pair (-k), which is not supported yet: 'vale0:1' would be right",
    ],
    ['vale0', "'vale0' is a switch without a port: 'vale0:1' would be right"],
    ['vale0:', "'vale0:' is a switch without a port: 'vale0:1' would be right"],
    ['null', "'null' is a null port without a name: 'null:a' would be right"],
    ['tap', "'tap' is a tap without a name: 'tap:lan', or 'tap:pt%d' for a free number, would be right"],
    [
      'tap:abcdefghijklmnop',
      "'tap:abcdefghijklmnop' has an interface name of 16 characters: at most 15 would be right",
    ],
    ['tap:pt%s', `'tap:pt%s' is not a port name: ${forms} (letters A to Z, digits, _ and .)`],
    ['echo:', "'echo:' is an echo port without a name: 'echo:a' would be right"],
    ['vale0{1}2', `'vale0{1}2' is a pipe of 'vale0{1', which has none: 'p{2' would be right`],
    ['null:'.padEnd(64, 'x'), "'null:xxxxxxxxxxxxxxx...' has 64 characters: at most 63 would be right"],
  ])('%s', (text, message) => {
    expect(portNameProblem(text)).toBe(message);
    expect(() => parsePortName(text)).toThrow(new ConfigurationError(message));
  });

  test('a name of 63 characters is the longest', () => {
    expect(portNameProblem('null:'.padEnd(63, 'x'))).toBeUndefined();
  });
});
