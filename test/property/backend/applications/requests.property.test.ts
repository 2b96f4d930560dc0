// Whatever applications ask for, in any order: each request is answered, and nothing of them is left when they have gone.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Application, errnoOf } from '../../../../backend/applications/application.ts';
import { SwitchMembers } from '../../../../backend/applications/members.ts';
import { PersistentPorts } from '../../../../backend/applications/persistent.ts';
import { ApplicationPorts } from '../../../../backend/applications/ports.ts';
import { decodeRequest, encodeReply } from '../../../../backend/applications/wire.ts';
import { parseConfig } from '../../../../backend/config/load.ts';
import { Broker } from '../../../../backend/datapath/broker.ts';
import { WorkerPool } from '../../../../backend/datapath/engine.ts';
import { ProtocolError } from '../../../../backend/errors.ts';
import { PortTable } from '../../../../backend/ports/table.ts';
import { VfioUserServer } from '../../../../backend/vfio-user/server.ts';
import type { Door } from '../../../../native/door.ts';
import { StatsArea } from '../../../../native/stats.ts';
import { openFds } from '../../../harness/descriptors.ts';
import { holdAsync } from '../../surface.ts';

const YAML = `
engine: { policy: notify }
applications: { ports: ['p{1', 'p}1'] }
ports: { 'null:b': { tx-rings: 2, rx-rings: 3 } }
`;
const SIZES = [0, 56, 32, 64, 8, 8, 8, 8, 16, 0, 16, 16, 64, 8, 0, 0];

interface Step {
  readonly application: number;
  readonly bytes: Uint8Array | 'close';
}

const name = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      'vale0:a',
      'vale0:b',
      'vale1:a',
      'null:b',
      'echo:a',
      'a{1',
      'a}1',
      'p{1',
      'p}1',
      'vale0:v',
      'vale1:v',
      'v',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      'vale0',
      'netmap:nosuch0',
      'nosuch0',
      'tap:x',
      'a{',
      '\0',
      'netmap:vale0:a',
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 70 }) },
);

const few = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.nat(4) },
  { weight: 1, arbitrary: fc.constantFrom(65, 1024, 65_535) },
);

const register = fc
  .record({
    txSlots: fc.oneof(few, fc.nat(0xffff_ffff)),
    rxSlots: few,
    txRings: few,
    rxRings: few,
    memId: few,
    ringId: few,
    mode: fc.constantFrom(1, 1, 1, 4, 4, 7, 0, 2, 5, 6, 9),
    extra: fc.constantFrom(0, 0, 8, 5000, 0xffff_ffff),
    flags: fc.constantFrom(0, 0, 0x800, 0x2000, 0x4000, 0x6000, 0x8000, 0x200),
  })
  .map((r) => {
    const body = new Uint8Array(56);
    const view = new DataView(body.buffer);
    view.setUint32(16, r.txSlots, true);
    view.setUint32(20, r.rxSlots, true);
    view.setUint16(24, r.txRings, true);
    view.setUint16(26, r.rxRings, true);
    view.setUint16(32, r.memId, true);
    view.setUint16(34, r.ringId, true);
    view.setUint32(36, r.mode, true);
    view.setUint32(40, r.extra, true);
    view.setUint32(48, r.flags, true);
    return body;
  });

const other = fc
  .constantFrom(2, 3, 3, 4, 5, 6, 7, 8, 8, 9, 12, 12, 15, 99)
  .chain((reqtype) =>
    fc
      .uint8Array({ minLength: SIZES[reqtype] ?? 0, maxLength: SIZES[reqtype] ?? 0, max: 15 })
      .map((body) => ({ reqtype, body })),
  );

/** NETMAP_REQ_OPT_OFFSETS, with what it asks for near what may be. */
const offsets = fc
  .record({
    max: fc.oneof(fc.nat(300), fc.constantFrom(2048, 2049), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    initial: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(400) }),
    bits: fc.constantFrom(0, 0, 8, 16, 64, 65),
    minGap: fc.oneof(fc.constant(0), fc.nat(3000)),
  })
  .map(({ max, initial, bits, minGap }) => {
    const bytes = new Uint8Array(8 + 32);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 5, true);
    view.setUint32(4, 32, true);
    view.setBigUint64(8, BigInt(max), true);
    view.setBigUint64(16, BigInt(initial), true);
    view.setUint32(24, bits, true);
    view.setBigUint64(32, BigInt(minGap), true);
    return bytes;
  });

/** NETMAP_REQ_OPT_EXTMEM, with sizes near what may be, and memory that others may have named before. */
const extmem = fc
  .record({
    memsize: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(9 << 20, 4 << 20, 16 << 20) },
      { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
    ),
    number: fc.constantFrom(0n, 0n, 1n, 2n, 2n ** 63n + 1n, 2n ** 64n - 1n),
    pools: fc.tuple(
      fc.constantFrom(0, 0, 1, 4, 10_000, 10_001),
      fc.constantFrom(0, 0, 56, 96, 4096, 4097),
      fc.constantFrom(0, 0, 2, 8, 1024, 1025),
      fc.constantFrom(0, 0, 256, 512, 131_072, 131_073),
      fc.constantFrom(0, 0, 4, 64, 5000, 1_000_000, 1_000_001),
      fc.constantFrom(0, 0, 64, 65, 4096, 65_536, 65_537),
    ),
    length: fc.constantFrom(72, 72, 72, 72, 72, 0, 8, 71, 73),
  })
  .map(({ memsize, number, pools, length }) => {
    const bytes = new Uint8Array(8 + 80);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 1, true);
    view.setUint32(4, length, true);
    view.setBigUint64(16, BigInt(memsize), true);
    view.setBigUint64(32, number, true);
    [40, 44, 56, 60, 72, 76].forEach((at, i) => void view.setUint32(at, pools[i]!, true));
    return bytes.subarray(0, 8 + length);
  });

const option = fc.oneof(offsets, extmem, fc.constant(new Uint8Array(8)));

const control = fc
  .record({
    name,
    request: fc.oneof(
      { weight: 3, arbitrary: register.map((body) => ({ reqtype: 1, body })) },
      { weight: 1, arbitrary: other },
    ),
    api: fc.constantFrom(15, 15, 15, 14, 13, 0),
    options: fc.array(option, { maxLength: 2 }),
  })
  .map(({ name: text, request: { reqtype, body }, api, options }) => {
    const tail = options.flatMap((bytes) => [...bytes]);
    const bytes = new Uint8Array(84 + body.length + tail.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 2, true);
    view.setUint16(2, 3, true);
    view.setUint32(4, 1, true);
    view.setUint16(8, api, true);
    view.setUint16(10, reqtype, true);
    view.setUint32(12, body.length, true);
    view.setUint32(16, options.length, true);
    bytes.set(Buffer.from(text, 'latin1').subarray(0, 64), 20);
    bytes.set(body, 84);
    bytes.set(tail, 84 + body.length);
    return bytes;
  });

const plain = fc.constantFrom(2, 3, 4).map((operation) => Uint8Array.of(2, 0, 3, 0, operation, 0, 0, 0));

const mutated = fc
  .record({ bytes: control, at: fc.nat(200), value: fc.nat(255), cut: fc.nat(40) })
  .map(({ bytes, at, value, cut }) => {
    const copy = Uint8Array.from(bytes);
    copy[at % copy.length] = value;
    return copy.subarray(0, copy.length - (cut > 20 ? 0 : cut));
  });

const step: fc.Arbitrary<Step> = fc.record({
  application: fc.nat(3),
  bytes: fc.oneof(
    { weight: 10, arbitrary: control },
    { weight: 2, arbitrary: plain },
    { weight: 2, arbitrary: mutated },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    { weight: 4, arbitrary: fc.constant('close' as const) },
  ),
});

function attempt(run: () => void): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
  }
}

test('every request is answered, and applications leave nothing', async () => {
  const config = parseConfig(YAML, 'test.yaml');
  const pool = new WorkerPool(1);
  const table = new PortTable(pool.engine, new StatsArea(1024));
  table.build(config);
  const kick = VfioUserServer.createKick();
  const door = { serve() {}, unserve() {}, wake() {} } as unknown as Door;
  const ports = new ApplicationPorts({ config: () => config, table, broker: new Broker(pool, kick), door });
  const persistent = new PersistentPorts(ports);
  const members = new SwitchMembers({
    config: () => config,
    table,
    start() {},
    left() {},
    checkSwitch: (vale) => ports.checkSwitch(vale),
  });
  const switches = { persistent, members, switches: () => [[...table.ports.keys()]] };
  const before = { ports: [...table.ports.keys()], regions: table.regions.size, fds: openFds() };
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const open = new Map<number, Application>();
    let id = 0;
    for (const { application, bytes } of steps) {
      const there =
        open.get(application) ??
        new Application(++id, { pid: 1, uid: application % 2, gid: 0 }, ports, switches);
      open.set(application, there);
      if (bytes === 'close') {
        there.close();
        open.delete(application);
        continue;
      }
      try {
        const { reply, fds } = there.answer(decodeRequest(bytes));
        expect(encodeReply(reply).length).toBeLessThanOrEqual(8192);
        expect(fds.length).toBeLessThanOrEqual(3);
      } catch (error) {
        // Said in the words of the protocol, or a refusal of the system's; nothing of ours has failed.
        if (!(error instanceof ProtocolError)) expect(errnoOf(error), String(error)).not.toBe(5);
      }
    }
    for (const application of open.values()) application.close();
    // What outlives applications: what they have made, on a switch or not.
    for (const one of ['vale0:v', 'vale1:v']) attempt(() => persistent.detach(one, 0));
    attempt(() => persistent.remove('v', 0));
    expect([...table.ports.keys()]).toEqual(before.ports);
    expect(table.regions.size).toBe(before.regions);
    // A worker may look at a port for a moment longer, which keeps its region.
    await expect.poll(openFds, { interval: 1 }).toEqual(before.fds);
  });
  await holdAsync('applications', property, { seed: 11, numRuns: 150 });
  table.close();
  kick.close();
});
