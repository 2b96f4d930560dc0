// Rates, bursts and storm control in a configuration: what is meant by them, and what is wrong with them.
import { expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { bitRate, burstSize, packetRate } from '../../../../backend/config/rate.ts';
import { device, messageOf } from './messages.ts';

test.each([
  ['1Gbit', 1e9],
  ['100Mbit', 1e8],
  ['1.5Gbit', 1.5e9],
  ['64kbit', 64_000],
  ['10gbit/s', 1e10],
  ['800000bit', 800_000],
  [8_000_000, 8e6],
])('the rate %s is %s bits a second', (text, bits) => {
  expect(bitRate(text)).toBe(bits);
});

test('packets and sizes have units too', () => {
  expect([packetRate('1000pps'), packetRate('1.5Kpps'), packetRate(7)]).toEqual([1000, 1500, 7]);
  expect([burstSize('1MiB'), burstSize('64K'), burstSize('64KB'), burstSize(4096)]).toEqual([
    2 ** 20,
    65_536,
    65_536,
    4096,
  ]);
});

const port = (keys: string, name = 'vale0:1'): string =>
  device(`port: '${name}'`, `ports: { '${name}': { ${keys} } }`);

const limitsOf = (text: string, name = 'vale0:1') => parseConfig(text, 'f').ports.get(name)!.limits;

test('one rate is for both directions; a burst not given is 5 ms of it, 64 KiB at least', () => {
  const both = { perSecond: 125_000_000, burst: 625_000 };
  expect(limitsOf(port('rate: 1Gbit'))).toEqual({ tx: both, rx: both });
  expect(limitsOf(port('rate: { rx: 10Mbit }'))).toEqual({ rx: { perSecond: 1_250_000, burst: 65_536 } });
  expect(limitsOf(port('rate: { tx: 1Gbit, rx: 100Mbit, burst: 1MiB }'))).toEqual({
    tx: { perSecond: 125_000_000, burst: 2 ** 20 },
    rx: { perSecond: 12_500_000, burst: 2 ** 20 },
  });
  expect(limitsOf(port('mtu: 1500'))).toBeUndefined();
});

test('of storms a tenth of a second comes at once, ten packets at least', () => {
  const keys = 'storm-control: { broadcast: 1000pps, multicast: 5, unknown-unicast: 20kpps }';
  expect(limitsOf(port(keys))).toEqual({
    broadcast: { perSecond: 1000, burst: 100 },
    multicast: { perSecond: 5, burst: 10 },
    unknownUnicast: { perSecond: 20_000, burst: 2000 },
  });
});

test('what a switch says is for its ports that say nothing, and not for members without a VM', () => {
  const { ports } = parseConfig(
    `switches: { vale0: { rate: 1Gbit, storm-control: { broadcast: 100 }, members: ['tap:lan'] } }
ports: { 'vale0:2': { rate: { tx: 8Mbit } } }
vms: { vm1: { devices: [{ port: 'vale0:1' }, { port: 'vale0:2' }] } }`,
    'f',
  );
  const broadcast = { perSecond: 100, burst: 10 };
  const gigabit = { perSecond: 125_000_000, burst: 625_000 };
  expect(ports.get('vale0:1')!.limits).toEqual({ tx: gigabit, rx: gigabit, broadcast });
  expect(ports.get('vale0:2')!.limits).toEqual({ tx: { perSecond: 1e6, burst: 65_536 }, broadcast });
  expect(ports.get('tap:lan')!.limits).toBeUndefined();
});

const at = "f: ports.'vale0:1'";
test.each([
  [port('rate: fast'), `${at}.rate: 'fast' is not a rate: '1Gbit' would be right`],
  [port('rate: 100mbps'), `${at}.rate: '100mbps' may be bits or bytes: '100mbit' would be right for bits`],
  [port('rate: 7999'), `${at}.rate: 7999 is not within 8Kbit and 1Tbit: '1Gbit' would be right`],
  [port('rate: [1]'), `${at}.rate: a list is not a rate: '1Gbit' would be right`],
  [port('rate: { tx: 0 }'), `${at}.rate.tx: 0 is not within 8Kbit and 1Tbit: '1Gbit' would be right`],
  [
    port('rate: { ingress: 1Gbit }'),
    `${at}.rate: unknown key 'ingress': 'tx', 'rx' or 'burst' would be right`,
  ],
  [
    port('rate: { burst: 1MiB }'),
    `${at}.rate: it names no direction: 'tx: 1Gbit' or 'rx: 1Gbit' would be right`,
  ],
  [
    port('rate: { tx: 1Gbit, burst: 1000 }'),
    `${at}.rate.burst: 1000 is not a size from 2048 to 4294967296 bytes: '1MiB' would be right`,
  ],
  [
    port('rate: { tx: 1Gbit, burst: 64K }'),
    `${at}.rate.burst: 65536 bytes are less than a millisecond of the rate: 125000 would be right`,
  ],
  [
    port('storm-control: { broadcast: 0 }'),
    `${at}.storm-control.broadcast: 0 is not a number of packets a second: '1000pps' would be right`,
  ],
  [
    port('storm-control: { all: 5 }'),
    `${at}.storm-control: unknown key 'all': 'broadcast', 'multicast' or 'unknown-unicast' would be right`,
  ],
  [port('storm-control: {}'), `${at}.storm-control: it says nothing: 'broadcast: 1000pps' would be right`],
  [
    port('storm-control: { broadcast: 5 }', 'null:a'),
    "f: ports.'null:a'.storm-control: 'null:a' stands on no switch: 'vale0:1' would be right",
  ],
  [
    "vms: { vm1: { devices: [{ port: 'vale0:1' }, { port: 'vale0:1/rt' }] } }\nports: { 'vale0:1/rt': { rate: 1Gbit } }",
    "f: ports.'vale0:1/rt'.rate: 'vale0:1/rt' is a monitor, and what it shows is not held back: a rate of 'vale0:1' would be right",
  ],
  [
    device("port: 'vale0:1', policy: inline", "ports: { 'vale0:1': { rate: 1Gbit } }"),
    "f: vms.vm1.devices[0].policy: 'vale0:1' has a rate, and with inline nobody would wait for a packet's time: 'adaptive' would be right",
  ],
])('%j', (text, message) => {
  expect(messageOf(text)).toBe(message);
});
