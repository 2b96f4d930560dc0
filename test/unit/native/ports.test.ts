// Regions, ports and the engine as JavaScript uses them: what is refused, with which words, and what survives misuse.
import { expect, test } from 'vitest';
import { addon } from '../../../native/addon.ts';
import { Engine } from '../../../native/engine.ts';
import { portNeeds, Region, type RegionShape } from '../../../native/memory.ts';
import { closeFd, memfdCreate } from '../../../native/os.ts';
import { createPipe, NullPort, UNLIMITED, ValeSwitch } from '../../../native/ports.ts';
import { StatsArea } from '../../../native/stats.ts';

const SHAPE: RegionShape = {
  id: 2,
  ifNum: 4,
  ifSize: 1024,
  ringNum: 16,
  ringSize: 20_480,
  bufNum: 4000,
  bufSize: 2048,
};
const OPTIONS = { policy: 'inline', spinUs: 0, worker: 0 } as const;

test('a region outside the limits is refused with the limit', () => {
  expect(() => new Region({ ...SHAPE, bufSize: 32 })).toThrow(
    'region 2: buf-size 32 is out of range: use 64 to 65536',
  );
  expect(() => new Region({ ...SHAPE, id: 0 })).toThrow('region 0: 0 is not an id');
  expect(() => new Region({ ...SHAPE, bufNum: 1.5 })).toThrow(/bufNum/);
  expect(() => new Region({} as RegionShape)).toThrow(/id/);
});

test('memory of a NUMA node that is not there is refused with what the call says', () => {
  // EPERM or ENOSYS: a container that forbids the call, a kernel without NUMA.
  expect(() => new Region({ ...SHAPE, numaNode: 1023 })).toThrow(
    /^region 2: NUMA node 1023: mbind: (Invalid argument|Operation not permitted|Function not implemented)$/,
  );
  expect(() => new Region({ ...SHAPE, numaNode: -1 })).toThrow(/numaNode/);
});

test('workers are given lists of CPUs that there are', () => {
  expect(() => new Engine([])).toThrow('cpus: a list of CPUs for each worker (1 to 256) is expected');
  expect(() => new Engine([0 as unknown as number[]])).toThrow('cpus: an array of CPUs');
  expect(() => new Engine([[-1]])).toThrow(/cpu/);
  expect(() => new Engine([[4096]])).toThrow(/cpu/);
  expect(() => new Engine([[0], [4095]])).toThrow('worker 1: pthread_setaffinity_np: Invalid argument');
  const { workers } = new Engine([[0], []]);
  expect(workers).toHaveLength(2);
  expect(Object.keys(workers[0]!)).toEqual([
    'rounds',
    'busyRounds',
    'cpuSeconds',
    'parks',
    'wakeups',
    'idleWakeups',
    'sleeps',
    'servedInKick',
    'watchErrors',
  ]);
});

test('a region says how large it is and what is free', () => {
  const region = new Region(SHAPE);
  const { memsize, barSize, pools } = region.info;
  expect(memsize % 4096).toBe(0);
  expect(Math.log2(barSize) % 1).toBe(0);
  expect(barSize).toBeGreaterThanOrEqual(memsize);
  expect(pools.buf).toMatchObject({ count: 4000, size: 2048, free: 3998 });
  expect(region.buffer.byteLength).toBe(memsize);
});

test('a port that does not fit says the numbers it needs', () => {
  const region = new Region({ ...SHAPE, bufNum: 100 });
  const shape = { name: 'null:big' };
  expect(portNeeds(shape)).toEqual({ ifs: 1, rings: 2, bufs: 2048 });
  expect(() => new NullPort(new Engine(), region, new StatsArea(8), shape)).toThrow(
    'null:big: region 2 is too small: needs 2048 buffers (98 free)',
  );
});

test('counters run out with an error, and come back with the port', () => {
  expect(() => new NullPort(new Engine(), new Region(SHAPE), new StatsArea(1), { name: 'null:a' })).toThrow(
    'null:a: no counters left',
  );
});

test('a source out of range is refused', () => {
  const port = new NullPort(new Engine(), new Region(SHAPE), new StatsArea(8), { name: 'null:a' });
  const source = { packets: UNLIMITED, size: 60, payload: 'none', rate: 0, stream: 0 } as const;
  port.setSource(source);
  expect(() => port.setSource({ ...source, size: 31 })).toThrow('null:a: source: size 31 is out of range');
  expect(() => port.setSource({ ...source, stream: 255.5 })).toThrow(/stream/);
  expect(() => port.setSource({ ...source, packets: -1n })).toThrow(/packets/);
  expect(() => port.setSource({ ...source, payload: 'some' as 'none' })).toThrow(
    "'some' is not none, stamp or full",
  );
  expect(() => port.setVerify('much' as 'none')).toThrow(/none, stamp or full/);
});

test('a switch takes 254 ports, and has room again when one leaves', () => {
  const vale = new ValeSwitch(new Engine(), 'vale0');
  const region = new Region({ ...SHAPE, ifNum: 300, ringNum: 1024, bufNum: 4000, ringSize: 256 + 16 * 4 });
  const stats = new StatsArea(600);
  const shape = (i: number) => ({ name: `vale0:${i}`, txSlots: 2, rxSlots: 2 });
  const ports = Array.from({ length: 254 }, (_, i) => vale.createPort(region, stats, shape(i)));
  expect(() => vale.createPort(region, stats, shape(254))).toThrow(
    'vale0: the switch is full: it has 254 ports',
  );
  ports[7]!.leave();
  expect(vale.createPort(region, stats, shape(254)).info.name).toBe('vale0:254');
});

test('one client a port; a CSB that cannot be mapped is an error, not a crash', () => {
  const engine = new Engine();
  const port = new NullPort(engine, new Region(SHAPE), new StatsArea(8), { name: 'null:a' });
  const fd = memfdCreate('csb', 8192);
  const places = [
    { fd, offset: 0n },
    { fd, offset: 4096n },
  ] as const;
  expect(() => engine.attach(port, { fd, offset: 32n }, places[1], OPTIONS)).toThrow(/multiple of 64/);
  expect(() => engine.attach(port, { fd: 9999, offset: 0n }, places[1], OPTIONS)).toThrow(/guest memory/);
  expect(() => engine.attach(port, ...places, { ...OPTIONS, policy: 'poll', worker: 3 })).toThrow(
    'null:a: worker 3 is not there: use 0 to 0',
  );
  const attachment = engine.attach(port, ...places, OPTIONS);
  expect(() => engine.attach(port, ...places, OPTIONS)).toThrow('null:a: in use');
  expect(() => attachment.sync(2)).toThrow(/ring/);
  expect(() => attachment.setInterrupts(1, [-1, -1])).toThrow(/beyond its 2 rings/);
  attachment.detach();
  attachment.detach();
  expect(attachment.sync(0)).toBe(false);
  engine.attach(port, ...places, OPTIONS).detach();
  closeFd(fd);
});

test('both ends of a pipe are there, mirrored', () => {
  const master = createPipe(
    new Region(SHAPE),
    new StatsArea(16),
    { name: 'p{1', txRings: 2, txSlots: 64, rxSlots: 32 },
    'p}1',
  );
  expect(master.info).toMatchObject({ name: 'p{1', txRings: 2, rxRings: 1, txSlots: 64, rxSlots: 32 });
  expect(master.slave.info).toMatchObject({ name: 'p}1', txRings: 1, rxRings: 2, txSlots: 32, rxSlots: 64 });
  expect([master.servedAs, master.slave.servedAs]).toEqual([master, master]);
});

test('a handle of the wrong kind is a TypeError', () => {
  const region = new Region(SHAPE);
  expect(() => addon.portInfo(region.handle as never)).toThrow(TypeError);
  expect(() => addon.regionInfo({} as never)).toThrow('not a handle of a region');
  expect(() => addon.engineStats(undefined as never)).toThrow(TypeError);
});
