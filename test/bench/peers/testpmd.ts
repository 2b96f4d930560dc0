// DPDK's testpmd as a peer: two processes on a processor each, one sends to the other over vhost-user or memif.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hugepages } from '../../harness/hugepages.ts';
import type { MeasureOptions } from '../measure.ts';
import type { Scenario } from '../scenarios.ts';
import type { Peer } from './peer.ts';
import { TestpmdProcess, testpmdMissing } from './testpmd-process.ts';
import { measureBetween } from './testpmd-prompt.ts';

/** Two processes of 128 MiB, and some for what they map beside it. */
const HUGEPAGES = 160;
/** testpmd's own counters are read over a pipe: over less time that would show. */
const SECONDS_MIN = 0.5;
/** Longer ones take several mbufs, which is another program. */
export const SIZE_MAX = 1514;

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
  #pair: readonly [TestpmdProcess, TestpmdProcess] | undefined;

  constructor(joint: Joint) {
    this.#joint = joint;
    this.name = joint.name;
  }

  sizes(sizes: readonly number[]): readonly number[] {
    return sizes.filter((size) => size <= SIZE_MAX);
  }

  /** Both are processes at rings in shared memory, as the driver models are; a VM is something else. */
  comparesWith({ vm }: Pick<Scenario, 'path' | 'vm'>): boolean {
    return !vm;
  }

  async available(): Promise<string | undefined> {
    return (await testpmdMissing()) ?? hugepages.lend(HUGEPAGES);
  }

  /** The pair is started once; it forwards only while it is measured. */
  async measure(size: number, { seconds, signal }: MeasureOptions): Promise<number> {
    this.#pair ??= await this.#start();
    const [receiver, sender] = this.#pair;
    return await measureBetween(sender, receiver, size, { seconds: Math.max(SECONDS_MIN, seconds), signal });
  }

  async close(): Promise<void> {
    for (const process of this.#pair?.toReversed() ?? []) await process.quit();
    this.#pair = undefined;
    hugepages.giveBack();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  async #start(): Promise<readonly [TestpmdProcess, TestpmdProcess]> {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'ptnetmap-testpmd-'));
    const [receiving, sending] = this.#joint.vdevs(join(this.#folder, 'socket'));
    const receiver = await TestpmdProcess.start({ cpu: 0, vdev: receiving, forwardMode: 'rxonly' });
    try {
      return [receiver, await TestpmdProcess.start({ cpu: 1, vdev: sending, forwardMode: 'txonly' })];
    } catch (error) {
      await receiver.quit();
      throw error;
    }
  }
}
