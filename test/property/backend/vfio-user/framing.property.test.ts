// The same messages over a real socket, cut and joined anyhow: what the kick thread makes of the bytes is what was
// sent, with each message's own descriptors, whether or not it answers doorbells in between.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Complaints } from '../../../../backend/complaints.ts';
import { VfioUserServer } from '../../../../backend/vfio-user/server.ts';
import { Session } from '../../../../backend/vfio-user/session.ts';
import { dropFds } from '../../../../guest-driver/model/client.ts';
import { Framer } from '../../../../guest-driver/model/framer.ts';
import { encodeRegionAccess, VFIO_USER } from '../../../../guest-driver/model/messages.ts';
import { Engine } from '../../../../native/engine.ts';
import type { Kick } from '../../../../native/kick.ts';
import { Region } from '../../../../native/memory.ts';
import { Channel, closeFd, dup, memfdCreate } from '../../../../native/os.ts';
import { NullPort } from '../../../../native/ports.ts';
import { StatsArea } from '../../../../native/stats.ts';
import { createPtnet, PTNET } from '../../../../pci/index.ts';
import { openFds } from '../../../harness/descriptors.ts';
import { RecordingHooks, recordingLog } from '../../../protocol/recording.ts';
import { fakeBackend } from '../../../unit/pci/guest.ts';
import { fuzzing, holdAsync } from '../../surface.ts';
import { encode, type Sent, valid, version } from './arbitraries.ts';
import { Palette } from './descriptors.ts';

const run = { seed: 20_264, numRuns: 300 };
const RINGS = 4;

let folder: string;
let palette: Palette;
let kick: Kick;
let server: VfioUserServer;
/** What has descriptors that the garbage collector closes, and not while another test counts its own. */
const kept: unknown[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-framing-'));
  palette = new Palette();
  kick = VfioUserServer.createKick();
  server = new VfioUserServer(kick, recordingLog([]));
});
afterEach(async () => {
  await server.close();
  kick.close();
  palette.close();
  rmSync(folder, { recursive: true });
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A doorbell of a ring that is there, which the kick thread answers when it knows the window. */
const doorbell = fc.tuple(fc.nat(RINGS - 1), fc.constantFrom(1, 2, 4, 8)).map(([ring, count]): Sent => {
  const access = { region: 0, offset: BigInt(PTNET.KICK_BASE + 4 * ring), count };
  const payload = encodeRegionAccess(access, new Uint8Array(count));
  return { command: VFIO_USER.REGION_WRITE, flags: 0, errno: 0, sizeError: 0, payload, fds: [] };
});

/** A message, where its bytes are cut, and whether it follows the one before it in the same write. */
interface Piece {
  readonly message: Sent;
  readonly cuts: readonly number[];
  readonly joined: boolean;
  readonly pause: boolean;
}
const pieces: fc.Arbitrary<Piece[]> = fc.array(
  fc.record({
    message: fc.oneof({ weight: 2, arbitrary: valid }, { weight: 1, arbitrary: doorbell }),
    cuts: fc.array(fc.nat(60), { maxLength: 3 }),
    joined: fc.boolean(),
    pause: fc.boolean(),
  }),
  { minLength: 1, maxLength: 30, size: 'max' },
);

/** What a session answers when each message comes whole. */
function reference(sequence: readonly Piece[]): Map<number, string> {
  const answers = new Map<number, string>();
  const session = new Session({
    id: 1,
    device: createPtnet('vm1/net0', fakeBackend({ numTxRings: 2, numRxRings: 2 })),
    hooks: new RecordingHooks(),
    complaints: new Complaints(recordingLog([]), 'vm1/net0'),
    transport: {
      send: (bytes) => void answers.set(new DataView(bytes.buffer).getUint16(0, true), hex(bytes)),
      close: () => {},
    },
  });
  session.receive(encode(version, 0), []);
  for (const [i, { message }] of sequence.entries()) {
    session.receive(
      encode(message, i + 1),
      message.fds.map((kind) => dup(palette.fd(kind))),
    );
  }
  session.close();
  return answers;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

interface Segment {
  bytes: number[];
  readonly fds: readonly number[];
  readonly pause: boolean;
}

/** The writes that carry a sequence. A message's descriptors go with its first byte, which then begins a write. */
function segments(sequence: readonly Piece[]): Segment[] {
  const all: Segment[] = [{ bytes: [...encode(version, 0)], fds: [], pause: false }];
  for (const [i, { message, cuts, joined, pause }] of sequence.entries()) {
    const bytes = [...encode(message, i + 1)];
    const ends = [...new Set([...cuts, bytes.length])].filter((cut) => cut > 0 && cut <= bytes.length);
    let from = 0;
    for (const end of ends.sort((a, b) => a - b)) {
      const part = bytes.slice(from, end);
      const fds = from === 0 ? message.fds.map((kind) => palette.fd(kind)) : [];
      if (from === 0 && joined && fds.length === 0) all.at(-1)!.bytes.push(...part);
      else all.push({ bytes: part, fds, pause });
      from = end;
    }
  }
  return all;
}

/** A client that keeps what it hears. */
class Client {
  readonly answers = new Map<number, string>();
  closed = false;
  readonly channel: Channel;
  readonly #framer = new Framer();

  constructor(path: string) {
    this.channel = Channel.connect(path);
    this.channel.start(
      (bytes, fds) => {
        for (const message of this.#framer.push(bytes, fds)) {
          this.answers.set(message.header.msgId, hex(whole(message.header, message.payload)));
          dropFds(message);
        }
      },
      () => {
        this.closed = true;
      },
    );
  }

  async write(sequence: readonly Segment[]): Promise<void> {
    for (const { bytes, fds, pause } of sequence) {
      if (this.closed) return;
      this.channel.send(Uint8Array.from(bytes), fds);
      if (pause) await turn();
    }
  }

  close(): void {
    this.channel.close();
  }
}

function whole(
  header: { msgId: number; command: number; flags: number; errno: number },
  payload: Uint8Array,
): Uint8Array {
  const { msgId, command, flags, errno } = header;
  return encode({ command, flags, errno, sizeError: 0, payload, fds: [] }, msgId);
}

/** An attachment whose doorbells may be rung; nobody looks at its rings. */
function attach() {
  const shape = { id: 2, ifNum: 4, ifSize: 1024, ringNum: 16, ringSize: 20_480, bufNum: 8000, bufSize: 2048 };
  const engine = new Engine();
  const port = new NullPort(engine, new Region(shape), new StatsArea(16), {
    name: 'null:a',
    txRings: 2,
    rxRings: 2,
  });
  kept.push(engine, port);
  const csb = memfdCreate('csb', 8192);
  const place = (offset: bigint) => ({ fd: csb, offset });
  const options = { policy: 'notify', spinUs: 0, worker: 0 } as const;
  const attachment = engine.attach(port, place(0n), place(4096n), options);
  closeFd(csb);
  const rung = () => Array.from({ length: RINGS }, (_, ring) => port.counters(ring).kicks);
  return { attachment, rung };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

test.each(['by TypeScript', 'by the kick thread'])('doorbells answered %s', async (who) => {
  const { attachment, rung } = attach();
  const native = who === 'by the kick thread';
  const hooks = new RecordingHooks();
  hooks.on = (call) => {
    if (!native || call !== 'attach') return;
    const window = { region: 0, offset: PTNET.KICK_BASE, stride: 4 };
    kick.setDoorbells(hooks.session!.id, window, attachment.doorbellTarget);
  };
  const backend = fakeBackend({ numTxRings: 2, numRxRings: 2 });
  const path = join(folder, 'net.sock');
  const exported = server.export(path, createPtnet('vm1/net0', backend), hooks);
  const before = openFds();
  await holdAsync(
    `framing, doorbells answered ${who}`,
    fc.asyncProperty(pieces, async (sequence) => {
      const wanted = reference(sequence);
      const client = new Client(path);
      await client.write(segments(sequence));
      await until(() => client.answers.size === wanted.size || client.closed);
      expect(client.answers).toEqual(wanted);
      client.close();
      await until(() => exported.session === undefined);
      expect(openFds()).toEqual(before);
    }),
    run,
  );
  const kicks = rung().reduce((sum, count) => sum + count, 0);
  if (!native) expect(kicks).toBe(0);
  else if (!fuzzing) expect(kicks).toBeGreaterThan(200);
  attachment.detach();
});

test('any bytes with any descriptors: the server hangs up or waits for more, and the next client is served', async () => {
  const path = join(folder, 'net.sock');
  const exported = server.export(path, createPtnet('vm1/net0', fakeBackend()), new RecordingHooks());
  const before = openFds();
  const noise = fc.array(
    fc.record({
      bytes: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        fc.tuple(valid, fc.integer({ min: -40, max: 40 })).map(([message, sizeError]) => {
          return encode({ ...message, sizeError }, 1);
        }),
        fc.constant(encode(version, 0)),
      ),
      fds: fc.array(fc.constantFrom('memory', 'eventfd', 'socket', 'device'), { maxLength: 20 }),
      pause: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  );
  let hungUp = 0;
  await holdAsync(
    'framing, any bytes',
    fc.asyncProperty(noise, async (writes) => {
      const client = new Client(path);
      const sent = writes.map(({ bytes, fds, pause }) => {
        return { bytes: [...bytes], fds: fds.map((kind) => palette.fd(kind)), pause };
      });
      await client.write(sent).catch(() => {});
      await turn();
      hungUp += client.closed ? 1 : 0;
      client.close();
      const next = new Client(path);
      await next.write(segments([]));
      await until(() => next.answers.size === 1);
      next.close();
      await until(() => exported.session === undefined);
      expect(openFds()).toEqual(before);
    }),
    { ...run, numRuns: 300 },
  );
  if (!fuzzing) expect(hungUp).toBeGreaterThan(0);
});
