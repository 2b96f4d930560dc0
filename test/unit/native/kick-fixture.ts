// What tests of the kick thread share: a folder, a recorder of its events, an attachment to ring, and threads as clients.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Attachment, Engine } from '../../../native/engine.ts';
import { Kick } from '../../../native/kick.ts';
import { packageRoot } from '../../../native/load.ts';
import { Region } from '../../../native/memory.ts';
import { closeFd, memfdCreate } from '../../../native/os.ts';
import { NullPort } from '../../../native/ports.ts';
import { StatsArea } from '../../../native/stats.ts';

export const ADDON = join(packageRoot(), 'native/build/Release/ptnetmap.node');

export const turn = () => new Promise((resolve) => setImmediate(resolve));
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'ptnet-kick-'));

  at(name: string): string {
    return join(this.path, name);
  }
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A kick thread whose events are written down: `connect 1`, `message 13 +2` (size 13, two descriptors), `disconnect 71`. */
export class RecordedKick {
  readonly events: string[] = [];
  readonly messages: Uint8Array[] = [];
  session = 0;
  /** Takes the descriptors of messages; by default they are closed. */
  take: (fds: number[]) => void = (fds) => {
    for (const fd of fds) closeFd(fd);
  };
  onMessage: (session: number, message: Uint8Array) => void = () => {};
  readonly kick: Kick = new Kick({
    connect: (listener, session) => {
      this.session = session;
      this.events.push(`connect ${listener}`);
    },
    message: (session, message, fds) => {
      this.events.push(`message ${message.length}${fds.length > 0 ? ` +${fds.length}` : ''}`);
      this.messages.push(message);
      this.take(fds);
      this.onMessage(session, message);
    },
    disconnect: (session, errno) => {
      this.events.push(`disconnect ${errno}`);
      this.kick.release(session);
    },
  });
}

// Made once: the descriptors of an engine and a region go when the garbage collector takes them, at any time.
const shape = { id: 2, ifNum: 4, ifSize: 1024, ringNum: 16, ringSize: 20_480, bufNum: 4000, bufSize: 2048 };
const engine = new Engine();
const port = new NullPort(engine, new Region(shape), new StatsArea(4), { name: 'null:kick' });

/** A port with one tx and one rx ring, attached: what doorbells ring. */
export function attach(): { attachment: Attachment; kicks(ring: number): number } {
  const fd = memfdCreate('csb', 8192, { seal: true });
  const options = { policy: 'notify', spinUs: 0, worker: 0 } as const;
  const attachment = engine.attach(port, { fd, offset: 0n }, { fd, offset: 4096n }, options);
  closeFd(fd);
  const before = [0, 1].map((ring) => port.counters(ring).kicks);
  return { attachment, kicks: (ring) => port.counters(ring).kicks - before[ring]! };
}

/** REGION_WRITE of 4 bytes. */
export function regionWrite(msgId: number, offset: number, region = 0, flags = 0): Uint8Array {
  const bytes = new Uint8Array(36);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, msgId, true);
  view.setUint16(2, 10, true);
  view.setUint32(4, 36, true);
  view.setUint32(8, flags, true);
  view.setBigUint64(16, BigInt(offset), true);
  view.setUint32(24, region, true);
  view.setUint32(28, 4, true);
  return bytes;
}

/** Runs a script with the addon as `addon` in a thread of its own, until its first message. */
export async function startThread(script: string, data: object): Promise<Worker> {
  const head = `
    const { parentPort, workerData } = require('node:worker_threads');
    const addon = require(workerData.addon);
  `;
  const worker = new Worker(head + script, { eval: true, workerData: { addon: ADDON, ...data } });
  await once(worker, 'message');
  return worker;
}
