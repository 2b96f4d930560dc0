// The vfio-user server under any sequence of messages: each command gets its one answer, nothing throws, nothing is
// left open, and the next client finds a clean device.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ExportedDevice, VfioUserServer } from '../../../../backend/vfio-user/server.ts';
import {
  decodeHeader,
  MESSAGE_FLAG,
  MESSAGE_TYPE,
  VFIO_USER,
} from '../../../../guest-driver/model/messages.ts';
import { dup, inspectFd } from '../../../../native/os.ts';
import { createPtnet, type PtnetDevice } from '../../../../pci/index.ts';
import { openFds } from '../../../harness/descriptors.ts';
import { type LogLine, RecordingHooks, recordingLog } from '../../../protocol/recording.ts';
import { type FakeBackend, fakeBackend } from '../../../unit/pci/guest.ts';
import { fuzzing, hold } from '../../surface.ts';
import { encode, type Sent, type Step, steps, version } from './arbitraries.ts';
import { corpus } from './corpus.ts';
import { Palette } from './descriptors.ts';

const run = { seed: 20_261, numRuns: 1000 };
const LISTENER = 1;
const EIO = 5;

let palette: Palette;
beforeEach(() => {
  palette = new Palette();
});
afterEach(() => palette.close());

interface Answer {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** A server on a transport of the test's own, and one client after the other. */
class Bench {
  readonly backend: FakeBackend = fakeBackend();
  readonly device: PtnetDevice = createPtnet('vm1/net0', this.backend);
  readonly hooks = new RecordingHooks();
  readonly log: LogLine[] = [];
  readonly server: VfioUserServer;
  readonly at: ExportedDevice;
  readonly answers: Answer[] = [];
  /** Messages that were dealt with. */
  done = 0;
  readonly released = new Set<number>();
  client = 0;
  #msgId = 0;

  constructor() {
    const kick = {
      listen: () => LISTENER,
      unlisten: () => {},
      send: (id: number, bytes: Uint8Array) => void this.answers.push({ id, bytes: bytes.slice() }),
      release: (id: number) => void this.released.add(id),
      countersOf: () => ({ refused: 0, starved: 0, heldFds: 0, maxFds: 64, closingFds: 0 }),
    };
    this.server = new VfioUserServer(kick, recordingLog(this.log));
    this.at = this.server.export('/none', this.device, this.hooks);
  }

  get session() {
    return this.hooks.session!;
  }

  get open(): boolean {
    return this.client !== 0 && !this.released.has(this.client);
  }

  connect(): void {
    this.client += 1;
    this.server.connect(LISTENER, this.client);
    this.send(version);
    expect(this.session.state).toBe('attached');
  }

  /** What waits for a later turn of the event loop comes now. */
  #drained(act: () => void): void {
    const { session } = this.at;
    act();
    while (session?.step());
  }

  /** Sends it and checks what has to come back. */
  send(message: Sent): void {
    this.#msgId = (this.#msgId + 1) & 0xffff;
    const bytes = encode(message, this.#msgId);
    this.answers.length = 0;
    const fds = message.fds.map((kind) => dup(palette.fd(kind)));
    const done = this.done;
    this.#drained(() => this.server.message(this.client, bytes, fds, () => this.done++));
    // A session that has ended need not say so any more.
    if (this.open) expect(this.done).toBe(done + 1);
    const wanted =
      message.sizeError === 0 &&
      (message.flags & MESSAGE_TYPE.MASK) !== MESSAGE_TYPE.REPLY &&
      (message.flags & MESSAGE_FLAG.NO_REPLY) === 0;
    expect(this.answers).toHaveLength(wanted ? 1 : 0);
    for (const answer of this.answers) this.#check(answer, message);
  }

  #check({ id, bytes }: Answer, { command }: Sent): void {
    expect(id).toBe(this.client);
    const header = decodeHeader(bytes);
    expect(header).toMatchObject({ msgId: this.#msgId, command, size: bytes.length });
    const refused = header.flags === (MESSAGE_TYPE.REPLY | MESSAGE_FLAG.ERROR);
    if (!refused) expect(header).toMatchObject({ flags: MESSAGE_TYPE.REPLY, errno: 0 });
    else expect(bytes).toHaveLength(16);
    if (refused) expect(header.errno).toBeGreaterThan(0);
    // EIO is what an error of our own is answered with.
    expect(header.errno).not.toBe(EIO);
  }

  hangUp(): void {
    this.#drained(() => this.server.disconnect(this.client, 0));
    expect(this.open).toBe(false);
  }
}

/** Everything that a guest can read of its device. */
function visible(device: PtnetDevice): string {
  const dump = [0, 2].map((bar) => {
    const bytes = new Uint8Array(device.bars[bar]!.size);
    device.readBar(bar, 0, bytes);
    return Buffer.from(bytes).toString('hex');
  });
  const config = new Uint8Array(256);
  device.config.read(0, config);
  return [...dump, Buffer.from(config).toString('hex')].join('\n');
}

function checkTable(bench: Bench): void {
  const { maps } = bench.session.dma;
  for (const [i, map] of maps.entries()) {
    expect(map.size).toBeGreaterThan(0n);
    const next = maps[i + 1];
    if (next !== undefined) expect(map.address + map.size).toBeLessThanOrEqual(next.address);
    if (map.fd >= 0) expect(inspectFd(map.fd).kind).toBe('memory');
  }
  for (const { fd } of bench.session.irqs.msix) if (fd >= 0) expect(inspectFd(fd).kind).toBe('eventfd');
}

function checkClean(bench: Bench): void {
  const pristine = createPtnet('vm1/net0', fakeBackend());
  expect(visible(bench.device)).toBe(visible(pristine));
  expect(bench.device.serving).toBe(false);
  expect(bench.session.dma.maps).toEqual([]);
  const none = { fd: -1, masked: false, pending: false, maskFd: -1, unmaskFd: -1 };
  const { irqs } = bench.session;
  for (const interrupt of [...irqs.msix, irqs.err, irqs.req]) expect(interrupt).toEqual(none);
}

function perform(bench: Bench, step: Step): void {
  if (step.kind === 'send') bench.send(step.message);
  else bench.hangUp();
  if (bench.open) checkTable(bench);
  else {
    bench.connect();
    checkClean(bench);
  }
}

test('one answer for each command, no error of our own, nothing left behind, the next client starts clean', () => {
  const reached = { maps: 0, memory: 0, creates: 0, interrupts: 0, sessions: 0, refusals: new Set<string>() };
  hold(
    'session',
    fc.property(steps, (sequence) => {
      const before = openFds();
      const bench = new Bench();
      bench.connect();
      for (const step of sequence) {
        perform(bench, step);
        reached.maps = Math.max(reached.maps, bench.session.dma.maps.length);
        reached.memory += bench.session.dma.maps.some(({ fd }) => fd >= 0) ? 1 : 0;
        reached.interrupts += bench.session.irqs.msix.some(({ fd }) => fd >= 0) ? 1 : 0;
      }
      reached.creates += bench.backend.calls.filter((call) => call.startsWith('create')).length;
      reached.sessions += bench.client;
      for (const { fields } of bench.log) if (fields.event) reached.refusals.add(String(fields.event));
      bench.hangUp();
      void bench.server.close();
      expect(bench.log.filter(({ level }) => level === 'error')).toEqual([]);
      expect(openFds()).toEqual(before);
    }),
    { ...run, examples: corpus },
  );
  if (fuzzing) return;
  // The generator must get to the interesting states, or this test shows nothing.
  expect(reached.maps).toBeGreaterThan(3);
  expect(reached.memory).toBeGreaterThan(1000);
  expect(reached.interrupts).toBeGreaterThan(1000);
  expect(reached.creates).toBeGreaterThan(50);
  expect(reached.sessions).toBeGreaterThan(500);

  for (const errno of ['EBADF', 'EACCES', 'EINVAL', 'EEXIST']) {
    expect([...reached.refusals]).toContain(`vfio-user-dma-map-${errno.toLowerCase()}`);
  }
  expect([...reached.refusals]).toContain('vfio-user-device-set-irqs-ebadf');
  expect([...reached.refusals]).toContain('vfio-user-dma-unmap-enoent');
});

test('before VERSION every command is refused, and the session ends with it', () => {
  hold(
    'session before VERSION',
    fc.property(steps, (sequence) => {
      const before = openFds();
      const bench = new Bench();
      for (const step of sequence) {
        if (step.kind !== 'send' || step.message.command === VFIO_USER.VERSION) continue;
        if (!bench.open) {
          bench.client += 1;
          bench.server.connect(LISTENER, bench.client);
        }
        bench.send(step.message);
        const isReply = (step.message.flags & MESSAGE_TYPE.MASK) === MESSAGE_TYPE.REPLY;
        expect(bench.open).toBe(isReply && step.message.sizeError === 0);
      }
      expect(bench.backend.calls).toEqual([]);
      expect(bench.hooks.calls).toEqual([]);
      void bench.server.close();
      expect(openFds()).toEqual(before);
    }),
    { ...run, numRuns: 100, examples: corpus },
  );
});
