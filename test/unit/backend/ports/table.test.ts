// What a host has of ports and regions: what was made is given back when it is removed, and not when the garbage collector comes.
import { expect, test } from 'vitest';
import type { HostConfig } from '../../../../backend/config/host-config.ts';
import { parseConfig } from '../../../../backend/config/load.ts';
import { WorkerPool } from '../../../../backend/datapath/engine.ts';
import { PortTable } from '../../../../backend/ports/table.ts';
import { StatsArea } from '../../../../native/stats.ts';

const CONFIG = parseConfig(
  "regions: { lan: { buf-num: 20480 } }\nvms: { vm1: { region: lan, devices: [{ port: 'null:a' }] } }",
  'test.yaml',
);
const RINGS = { txRings: 1, rxRings: 1, txSlots: 1024, rxSlots: 1024 };
const PORT = { ...RINGS, vnetHdr: false, addresses: [], sink: { verify: false } } as const;

/** Which no port has that stands on no switch. */
const STORM = { broadcast: { perSecond: 1, burst: 1 } };

/** As for an application, whose ports no file names. */
function withPort(name: string, settings: object = {}): HostConfig {
  return { ...CONFIG, ports: new Map([...CONFIG.ports, [name, { ...PORT, ...settings }]]) };
}

function start() {
  const stats = new StatsArea(64);
  const table = new PortTable(new WorkerPool(1).engine, stats);
  table.build(CONFIG);
  const [region] = table.regions.keys();
  const free = () => Object.values(table.regions.get(region!)!.info.pools).map((pool) => pool.free);
  return { table, region: region!, free, stats };
}

test.each([
  ['a pipe of which nobody has opened the other end', ['p{1']],
  ['a pipe', ['p{1', 'p}1']],
  ['a switch port and its monitor', ['vale0:1', 'vale0:1/rt']],
])('%s leaves nothing in its region', (_, names) => {
  const { table, region, free } = start();
  const before = free();
  for (let round = 0; round < 20; round++) {
    for (const name of names) table.create(withPort(name), name, region);
    expect(free()).not.toEqual(before);
    for (const name of [...names].reverse()) table.remove(name);
    expect(free()).toEqual(before);
  }
  table.close();
});

test('a port whose limits cannot be set leaves nothing either', () => {
  const { table, region, free } = start();
  const before = free();
  expect(() => table.create(withPort('null:b', { limits: STORM }), 'null:b', region)).toThrow(/null:b/);
  expect([...table.ports.keys()]).toEqual(['null:a']);
  expect(free()).toEqual(before);
  table.close();
});

test('nor does the second end of a pipe, which may be asked for again', () => {
  const { table, region, free } = start();
  const before = free();
  table.create(withPort('p{1'), 'p{1', region);
  expect(() => table.create(withPort('p}1', { limits: STORM }), 'p}1', region)).toThrow(/p}1/);
  table.create(withPort('p}1'), 'p}1', region);
  expect(table.port('p}1').retired).toBe(false);
  for (const name of ['p}1', 'p{1']) table.remove(name);
  expect(free()).toEqual(before);
  table.close();
});
