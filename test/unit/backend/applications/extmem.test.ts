// What a connection may say of memory of its own, whatever library it comes from: numbers, sizes, and whose memory it is.
import { fstatSync } from 'node:fs';
import { constants } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Answer, Application } from '../../../../backend/applications/application.ts';
import { EXTMEM_BYTES_MAX } from '../../../../backend/applications/extmem.ts';
import { RefusedOptions } from '../../../../backend/applications/options.ts';
import { ApplicationPorts } from '../../../../backend/applications/ports.ts';
import type { SwitchRequests } from '../../../../backend/applications/switch-requests.ts';
import type { Option } from '../../../../backend/applications/wire.ts';
import { parseConfig } from '../../../../backend/config/load.ts';
import { Broker } from '../../../../backend/datapath/broker.ts';
import { WorkerPool } from '../../../../backend/datapath/engine.ts';
import { PortTable } from '../../../../backend/ports/table.ts';
import { VfioUserServer } from '../../../../backend/vfio-user/server.ts';
import type { Door } from '../../../../native/door.ts';
import { StatsArea } from '../../../../native/stats.ts';
import { openFds } from '../../../harness/descriptors.ts';

const { EBUSY, EINVAL, ENOMEM, EOPNOTSUPP } = constants.errno;
const MIB = 2 ** 20;
/** Room for several ports. */
const LARGE = { memsize: BigInt(64 * MIB), fields: { 32: 16, 48: 32, 64: 20_000 } };

let table: PortTable;
let ports: ApplicationPorts;
let open: Application[];
let end: () => void;

beforeEach(() => {
  const config = parseConfig('applications: {}', 'test.yaml');
  const pool = new WorkerPool(1);
  table = new PortTable(pool.engine, new StatsArea(1024));
  table.build(config);
  const kick = VfioUserServer.createKick();
  const door = { serve() {}, unserve() {}, wake() {} } as unknown as Door;
  ports = new ApplicationPorts({ config: () => config, table, broker: new Broker(pool, kick), door });
  open = [];
  end = () => {
    table.close();
    kick.close();
  };
});

afterEach(() => end());

interface Asked {
  readonly name?: string;
  readonly uid?: number;
  readonly number?: bigint;
  readonly memsize?: bigint;
  /** Of the option, by place. */
  readonly fields?: Readonly<Record<number, number>>;
  readonly length?: number;
  readonly others?: readonly number[];
  /** Instead of all that. */
  readonly options?: readonly Option[];
  readonly body?: (view: DataView) => void;
}

function register({ name = 'vale0:a', uid = 1000, others = [], ...asked }: Asked): Answer {
  const bytes = new Uint8Array(asked.length ?? 72);
  const view = new DataView(bytes.buffer);
  if (bytes.length === 72) {
    view.setBigUint64(0, 0x7f00_0000_0000n, true);
    view.setBigUint64(8, asked.memsize ?? BigInt(16 * MIB), true);
    view.setBigUint64(24, asked.number ?? 0n, true);
    for (const [at, value] of Object.entries(asked.fields ?? {})) view.setUint32(Number(at), value, true);
  }
  const body = new Uint8Array(56);
  const registered = new DataView(body.buffer);
  registered.setUint32(36, 1, true);
  asked.body?.(registered);
  const switches = { persistent: { portOf: () => undefined } } as unknown as SwitchRequests;
  const application = new Application(open.length + 1, { pid: 1, uid, gid: 0 }, ports, switches);
  open.push(application);
  const rest = others.map((type) => ({ type, bytes: new Uint8Array() }));
  const options = asked.options ?? [{ type: 1, bytes }, ...rest];
  return application.answer({
    operation: 'control',
    control: { api: 15, reqtype: 1, name, body, options },
  });
}

const memIdOf = ({ reply }: Answer): number => reply.binding!.memId;

function refused(errno: number, statuses: readonly number[], asked: Asked): void {
  let error: unknown;
  try {
    register(asked);
  } catch (caught) {
    error = caught;
  }
  expect(
    error,
    JSON.stringify(asked, (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
  ).toBeInstanceOf(RefusedOptions);
  expect(error).toMatchObject({ errno, statuses });
  expect(table.regions.size).toBe(0);
  expect(table.ports.size).toBe(0);
}

test('the pools that come are written back, and nothing else is', () => {
  const before = openFds();
  const { reply } = register({ number: 7n, memsize: 8_423_424n, fields: { 32: 2, 36: 1000, 48: 8 } });
  expect(reply.statuses).toEqual([0]);
  const view = new DataView(reply.contents!.get(0)!.buffer);
  const { info } = [...table.regions.values()][0]!;
  expect(view.getBigUint64(0, true)).toBe(0x7f00_0000_0000n);
  expect(view.getBigUint64(8, true)).toBe(8_423_424n);
  expect([16, 24, 40, 56].map((at) => view.getUint32(at, true))).toEqual([
    info.id,
    0,
    info.pools.ring.offset,
    info.pools.buf.offset,
  ]);
  expect([32, 36, 48, 52, 64, 68].map((at) => view.getUint32(at, true))).toEqual([
    4,
    1024,
    8,
    20_480,
    info.pools.buf.count,
    2048,
  ]);
  expect(info.memsize).toBeLessThanOrEqual(8_423_424);
  expect(info.memsize).toBeGreaterThan(8_423_424 - 2 * 4096);
  for (const application of open) application.close();
  expect(table.regions.size).toBe(0);
  return expect.poll(openFds).toEqual(before);
});

test('what is no memory for a port is refused, with the reason in the status, and leaves nothing', () => {
  refused(EINVAL, [0], { length: 71 });
  refused(EINVAL, [0], { length: 0 });
  for (const [at, values] of [
    [32, [10_001, 0xffff_ffff]],
    [36, [55, 4097]],
    [48, [1, 1025]],
    [52, [255, 131_073]],
    [64, [3, 1_000_001, 0xffff_ffff]],
    [68, [63, 65_537]],
  ] as const)
    for (const value of values) refused(EINVAL, [EINVAL], { fields: { [at]: value } });
  for (const memsize of [0n, 4095n, 4096n, 90_000n]) refused(ENOMEM, [ENOMEM], { memsize });
  refused(EOPNOTSUPP, [0, EOPNOTSUPP], { others: [99] });
  // The memory would do, and the port does not.
  refused(ENOMEM, [0], { fields: { 64: 100 } });
  refused(EINVAL, [0], { name: 'vale0:' });
  refused(EINVAL, [0], { body: (view) => view.setUint32(36, 2, true) });
});

test('a region has at most as much as that of the largest port', () => {
  const all = 2n ** 64n - 1n;
  refused(ENOMEM, [ENOMEM], { memsize: all, fields: { 64: 1_000_000, 68: 65_536 } });
  refused(ENOMEM, [ENOMEM], { memsize: all, fields: { 64: 525_000 } });
  register({ memsize: all, fields: { 64: 520_000 } });
  expect([...table.regions.values()][0]!.info.memsize).toBeLessThanOrEqual(EXTMEM_BYTES_MAX);
});

test('the same memory of the same user is the same region, as long as a port lies in it', () => {
  const number = 2n ** 63n + 1n;
  const first = memIdOf(register({ ...LARGE, number }));
  expect(memIdOf(register({ ...LARGE, name: 'vale0:b', number }))).toBe(first);
  // The region's own file, as it is where it has taken the place of the memory.
  const { fd } = [...table.regions.values()][0]!.info;
  const inode = fstatSync(fd, { bigint: true }).ino;
  expect(memIdOf(register({ ...LARGE, name: 'vale0:c', number: inode }))).toBe(first);
  expect(memIdOf(register({ name: 'vale0:d', number: number + 1n }))).not.toBe(first);
  expect(memIdOf(register({ name: 'vale0:e', number: 0n }))).not.toBe(first);
  expect(() => register({ name: 'vale0:f', number })).toThrow(
    expect.objectContaining({ errno: EBUSY, statuses: [EBUSY] }),
  );
  // Whoever came first may go.
  open[0]!.close();
  expect(memIdOf(register({ ...LARGE, number: inode }))).toBe(first);
  for (const application of open) application.close();
  expect(table.regions.size).toBe(0);
  register({ number: inode });
  expect(fstatSync([...table.regions.values()][0]!.info.fd, { bigint: true }).ino).not.toBe(inode);
});

test('nobody gets another user’s region by its memory, root neither', () => {
  const number = 2n ** 63n + 1n;
  const first = memIdOf(register({ number }));
  const { fd } = [...table.regions.values()][0]!.info;
  const inode = fstatSync(fd, { bigint: true }).ino;
  expect(memIdOf(register({ name: 'vale0:b', uid: 1001, number }))).not.toBe(first);
  expect(memIdOf(register({ name: 'vale0:c', uid: 1001, number: inode }))).not.toBe(first);
  expect(memIdOf(register({ name: 'vale0:d', uid: 0, number: inode }))).not.toBe(first);
});

test('a port that lies elsewhere does not move', () => {
  register({ number: 1n });
  const errors = ['vale0:a', 'vale0:a'].map((name, i) => {
    try {
      register({ name, number: BigInt(i + 2) });
      return 0;
    } catch (error) {
      return (error as RefusedOptions).errno;
    }
  });
  expect(errors).toEqual([EINVAL, EINVAL]);
  expect(table.regions.size).toBe(1);
});

test('a region is found by its id while a port lies in it, whoever came first', () => {
  const byId = (memId: number) => ({ body: (view: DataView) => view.setUint16(32, memId, true) });
  const first = memIdOf(register({ ...LARGE, number: 5n }));
  const plain = (name: string) => register({ name, options: [], ...byId(first) });
  expect(memIdOf(plain('vale0:b'))).toBe(first);
  open[0]!.close();
  expect(memIdOf(plain('vale0:c'))).toBe(first);
  // The option says more than an id.
  expect(memIdOf(register({ ...LARGE, name: 'vale0:d', number: 5n, ...byId(first + 1) }))).toBe(first);
  for (const application of open) application.close();
  expect(() => plain('vale0:b')).toThrow(/no region of this user/);
});
