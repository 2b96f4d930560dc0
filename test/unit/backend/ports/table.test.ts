// What a host has of ports and regions: what was made is given back when it is removed, and not when the garbage collector comes.
import { describe, expect, test } from 'vitest';
import type { HostConfig } from '../../../../backend/config/host-config.ts';
import { parseConfig } from '../../../../backend/config/load.ts';
import { WorkerPool } from '../../../../backend/datapath/engine.ts';
import { PortTable } from '../../../../backend/ports/table.ts';
import { StatsArea } from '../../../../native/stats.ts';
import { openFds } from '../../../harness/descriptors.ts';
import { netns } from '../../../harness/interfaces.ts';

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

describe('interfaces of the host', () => {
  test.each(['tap:t', 'netmap:a'])('%s leaves no descriptor, as a port and as a member', async (name) => {
    const net = await netns('ip link add name a type veth peer name b');
    const { table, region, free } = start();
    const config = withPort(name, { netns: net.path });
    const round = (): void => {
      table.create(config, name, region);
      table.remove(name);
      table.join(config, 'vale0', name);
      table.leave(name);
    };
    // A switch stays.
    round();
    const before = { fds: openFds(), free: free() };
    round();
    expect({ fds: openFds(), free: free() }).toEqual(before);
    expect(table.interfaces).toEqual([]);
    table.close();
  });

  test('a member whose limits cannot be set is none', async () => {
    const net = await netns();
    const { table } = start();
    const config = withPort('tap:t', {
      netns: net.path,
      limits: { rx: { packets: { perSecond: -1, burst: 1 } } },
    });
    expect(() => table.join(config, 'vale0', 'tap:t')).toThrow('rx: not a number');
    expect([table.members, table.interfaces]).toEqual([[], []]);
    expect(JSON.parse(await net.ip('-j link show'))).toHaveLength(1);
    table.close();
  });
});
