// The guest's loops against the engine itself, without a device between them: two readings of one protocol must agree.
import { afterEach, expect, test } from 'vitest';
import { type LoopOptions, startDuo, startLoop } from '../../../../guest-driver/addon/index.ts';
import { type Attachment, Engine } from '../../../../native/engine.ts';
import { Region } from '../../../../native/memory.ts';
import { closeFd, type Mapping, mapFd, memfdCreate, socketPair } from '../../../../native/os.ts';
import { createPipe, NullPort, type Port } from '../../../../native/ports.ts';
import { StatsArea } from '../../../../native/stats.ts';

const PAGE = 4096;
const COUNT = 200_000n;
const REGION = { id: 9, ifNum: 8, ifSize: 1024, ringNum: 24, ringSize: 20480, bufNum: 8192, bufSize: 2048 };

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** A guest of `port`: its mapped region, its CSB, and the attachment that serves it without ever parking. */
class Guest {
  readonly attachment: Attachment;
  readonly port: Port;
  readonly #region: Mapping;
  readonly #csb: Mapping;
  readonly #socket: number;

  constructor(engine: Engine, port: Port) {
    this.port = port;
    const { fd, barSize } = port.region.info;
    this.#region = mapFd(fd, { length: barSize, writable: true });
    const csbFd = memfdCreate('csb', 2 * PAGE, { seal: true });
    this.#csb = mapFd(csbFd, { length: 2 * PAGE, writable: true });
    const [socket, peer] = socketPair();
    this.#socket = socket;
    this.attachment = engine.attach(
      port,
      { fd: csbFd, offset: 0n },
      { fd: csbFd, offset: BigInt(PAGE) },
      { policy: 'poll', spinUs: 50, worker: 0 },
    );
    cleanups.push(() => {
      this.attachment.detach();
      this.#region.unmap();
      this.#csb.unmap();
      for (const open of [csbFd, socket, peer]) closeFd(open);
    });
  }

  start(op: LoopOptions['op'], more: Partial<LoopOptions> = {}) {
    return startLoop({ op, ...this.rings(), seconds: 20, ...more });
  }

  /** What a loop is told of the port. */
  rings() {
    const { txRings, rxRings, nifpOfs } = this.port.info;
    return {
      region: { address: this.#region.address, size: BigInt(this.port.region.info.memsize) },
      nifpOfs,
      csb: { guestToHost: this.#csb.address, hostToGuest: this.#csb.address + BigInt(PAGE) },
      numTxRings: txRings,
      numRxRings: rxRings,
      doorbell: { fd: this.#socket, region: 0, base: 128, wait: false },
    };
  }
}

function nullGuest(rings: number): { guest: Guest; port: NullPort } {
  const engine = new Engine();
  const stats = new StatsArea(64);
  const shape = { name: 'null:t', txRings: rings, rxRings: rings, txSlots: 256, rxSlots: 256 };
  const port = new NullPort(engine, new Region(REGION), stats, shape);
  return { guest: new Guest(engine, port), port };
}

test.each([
  { payload: 'none', frags: 1, size: 60 },
  { payload: 'stamp', frags: 1, size: 60 },
  { payload: 'full', frags: 1, size: 1514 },
  { payload: 'full', frags: 3, size: 4000 },
] as const)(
  "what the guest sends at level '$payload', $size bytes in $frags, the sink finds good",
  async (level) => {
    const { guest, port } = nullGuest(2);
    port.setVerify(level.payload);
    const result = await guest.start('send', { count: COUNT, ...level }).done;
    expect(result).toMatchObject({ stopped: 'count', sent: { packets: COUNT }, pending: 0n });
    const counters = [0, 1].map((ring) => port.counters(ring));
    expect(counters[0]!.packets + counters[1]!.packets).toBe(Number(COUNT));
    for (const ring of counters) expect(ring).toMatchObject({ lost: 0, late: 0, corrupt: 0 });
  },
);

test.each(['none', 'stamp', 'full'] as const)(
  "what the source brings at level '%s' the guest finds good",
  async (payload) => {
    const { guest, port } = nullGuest(2);
    port.setSource({ packets: COUNT / 2n, size: 61, payload, rate: 0, stream: 3 });
    const result = await guest.start('receive', { count: COUNT, payload }).done;
    expect(result.stopped).toBe('count');
    expect(result.received).toEqual({ packets: COUNT, bytes: COUNT * 61n, lost: 0n, late: 0n, corrupt: 0n });
  },
);

test('a pipe carries every packet once and in order, there and, through an echo, back', async () => {
  const engine = new Engine();
  const shape = { name: 'p', txRings: 2, rxRings: 2, txSlots: 128, rxSlots: 128 };
  const master = createPipe(new Region(REGION), new StatsArea(64), shape, 'q');
  const { slave } = master;
  const sender = new Guest(engine, master);
  const echoer = new Guest(engine, slave);
  const echo = echoer.start('echo', { count: COUNT, payload: 'full' });
  const duplex = sender.start('duplex', { count: COUNT, payload: 'full', size: 75 });
  expect(await echo.done).toMatchObject({
    stopped: 'count',
    sent: { packets: COUNT },
    received: { packets: COUNT, lost: 0n, late: 0n, corrupt: 0n },
  });
  expect(await duplex.done).toMatchObject({
    stopped: 'count',
    received: { packets: COUNT, bytes: COUNT * 75n, lost: 0n, late: 0n, corrupt: 0n },
  });
});

test('a ping and an echo at the ends of a pipe take turns in one thread: each packet comes back and is timed', async () => {
  const engine = new Engine();
  const shape = { name: 'p', txRings: 1, rxRings: 1, txSlots: 128, rxSlots: 128 };
  const master = createPipe(new Region(REGION), new StatsArea(64), shape, 'q');
  const { slave } = master;
  const [pinger, echoer] = [new Guest(engine, master), new Guest(engine, slave)];
  const [ping, echo] = startDuo(
    { op: 'ping', ...pinger.rings(), count: 5000n },
    { op: 'echo', ...echoer.rings() },
  );
  const clean = { packets: 5000n, lost: 0n, late: 0n, corrupt: 0n };
  const pinged = await ping.done;
  expect(pinged).toMatchObject({ stopped: 'count', sent: { packets: 5000n }, received: clean, pending: 0n });
  expect(await echo.done).toMatchObject({ stopped: 'stop', sent: { packets: 5000n }, received: clean });
  expect(pinged.latency!.roundTrip.count).toBe(5000);
});
