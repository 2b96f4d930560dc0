// DPDK's testpmd as a peer: two processes on a processor each, one sends to the other over vhost-user or memif.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { MeasureOptions } from '../measure.ts';
import { hugepages } from './hugepages.ts';
import type { Peer } from './peer.ts';
import { TESTPMD, Testpmd } from './testpmd-process.ts';

/** Two processes of 128 MiB, and some for what they map beside it. */
const HUGEPAGES = 160;
/** testpmd's own counters are read over a pipe: over less time that would show. */
const SECONDS_MIN = 0.5;
const FIRST_PACKET_MS_MAX = 10_000;
/** Longer ones take several mbufs, which is another program. */
const SIZE_MAX = 1514;

export interface Joint {
  readonly name: string;
  /** The devices of the receiver, which listens, and of the sender. */
  vdevs(socket: string): readonly [string, string];
}

export const VHOST_USER: Joint = {
  name: 'testpmd-vhost-user',
  vdevs: (socket) => [
    `net_vhost0,iface=${socket},queues=1`,
    `net_virtio_user0,path=${socket},queues=1,queue_size=1024`,
  ],
};

export const MEMIF: Joint = {
  name: 'testpmd-memif',
  vdevs: (socket) => [
    `net_memif0,role=server,id=0,socket=${socket},socket-abstract=no,rsize=11`,
    `net_memif0,role=client,id=0,socket=${socket},socket-abstract=no,rsize=11`,
  ],
};

export class TestpmdPeer implements Peer {
  readonly name: string;
  readonly #joint: Joint;
  #folder: string | undefined;
  #pair: readonly [Testpmd, Testpmd] | undefined;

  constructor(joint: Joint) {
    this.#joint = joint;
    this.name = joint.name;
  }

  sizes(sizes: readonly number[]): readonly number[] {
    return sizes.filter((size) => size <= SIZE_MAX);
  }

  async available(): Promise<string | undefined> {
    const { code } = await execa(TESTPMD, ['--version'], { reject: false, stdin: 'ignore' });
    if (code === 'ENOENT') return `${TESTPMD} is not installed: on Debian it is in the package dpdk-dev`;
    return hugepages.lend(HUGEPAGES);
  }

  /** The pair is started once; it forwards only while it is measured. */
  async measure(size: number, { seconds, signal }: MeasureOptions): Promise<number> {
    this.#pair ??= await this.#start();
    const [receiver, sender] = this.#pair;
    await sender.tell(`set txpkts ${size}`);
    await receiver.tell('start');
    await sender.tell('start');
    try {
      const before = await receiver.received();
      const deadline = performance.now() + FIRST_PACKET_MS_MAX;
      while ((await receiver.received()) === before) {
        if (performance.now() > deadline) throw new Error(`${this.name}: no packet arrived`);
        await sleep(20, undefined, { signal });
      }
      await sleep(100, undefined, { signal });
      const first = await receiver.received();
      const start = performance.now();
      await sleep(Math.max(SECONDS_MIN, seconds) * 1000, undefined, { signal });
      const last = await receiver.received();
      return ((last - first) * 1000) / (performance.now() - start);
    } finally {
      await sender.tell('stop');
      await receiver.tell('stop');
    }
  }

  async close(): Promise<void> {
    for (const process of this.#pair?.toReversed() ?? []) await process.quit();
    this.#pair = undefined;
    hugepages.giveBack();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  async #start(): Promise<readonly [Testpmd, Testpmd]> {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'ptnetmap-testpmd-'));
    const [receiving, sending] = this.#joint.vdevs(join(this.#folder, 'socket'));
    const receiver = await Testpmd.start({ cpu: 0, vdev: receiving, forwardMode: 'rxonly' });
    try {
      return [receiver, await Testpmd.start({ cpu: 1, vdev: sending, forwardMode: 'txonly' })];
    } catch (error) {
      await receiver.quit();
      throw error;
    }
  }
}
