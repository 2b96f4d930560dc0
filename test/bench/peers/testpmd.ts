// DPDK's testpmd as a peer: two processes on a processor each, one sends to the other over vhost-user or memif.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hugepages } from '../../harness/hugepages.ts';
import { Netns } from '../../harness/netns.ts';
import type { MeasureOptions } from '../measure.ts';
import { BRIDGED_CABLES, bridged } from '../plans.ts';
import { KERNEL_PATHS, type KernelPath, type Scenario } from '../scenarios.ts';
import type { Peer } from './peer.ts';
import { whyNoTap } from './tap-joint.ts';
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
  /** Those that meet in the kernel. */
  readonly kernel?: {
    /** Ours that do the like. */
    readonly paths: readonly KernelPath[];
    /** The commands that set up a namespace for them, and what is done there at the end. */
    readonly network: string;
    connect?(net: Netns): Promise<void>;
  };
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

/** Taps, as ours are. */
export const NET_TAP: Joint = {
  name: 'testpmd-net-tap',
  vdevs: () => ['net_tap0,iface=b', 'net_tap0,iface=a'],
  kernel: {
    paths: ['guest-to-guest-tap'],
    network: bridged([]),
    connect: async (net) => {
      for (const name of ['a', 'b']) await net.ip(`link set dev ${name} master br0 up`);
    },
  },
};

/** Of its ring: with the usual 512 much is lost whenever testpmd waits for its processor. */
const FRAMES = 4096;

/** Interfaces whose packets go through mapped rings. */
export const AF_PACKET: Joint = {
  name: 'testpmd-af-packet',
  vdevs: () => [`net_af_packet0,iface=b,framecnt=${FRAMES}`, `net_af_packet0,iface=a,framecnt=${FRAMES}`],
  kernel: { paths: ['guest-to-guest-tap', 'guest-to-guest-af-packet'], network: BRIDGED_CABLES },
};

/** The same interfaces by AF_XDP: it takes the first queue, and there is no other. */
export const AF_XDP: Joint = {
  name: 'testpmd-af-xdp',
  vdevs: () => ['net_af_xdp0,iface=b', 'net_af_xdp0,iface=a'],
  kernel: { paths: ['guest-to-guest-af-xdp'], network: BRIDGED_CABLES },
};

export class TestpmdPeer implements Peer {
  readonly name: string;
  readonly #joint: Joint;
  #folder: string | undefined;
  #net: Netns | undefined;
  #pair: readonly [TestpmdProcess, TestpmdProcess] | undefined;

  constructor(joint: Joint) {
    this.#joint = joint;
    this.name = joint.name;
  }

  sizes(sizes: readonly number[]): readonly number[] {
    return sizes.filter((size) => size <= SIZE_MAX);
  }

  /** Both are processes at rings in shared memory, as the driver models are, or both at interfaces of the kernel's; a VM is something else. */
  comparesWith({ path, vm }: Pick<Scenario, 'path' | 'vm'>): boolean {
    const paths: readonly string[] = this.#joint.kernel?.paths ?? [];
    const inKernel = KERNEL_PATHS.some((each) => each === path);
    return !vm && (inKernel ? paths.includes(path) : paths.length === 0);
  }

  async available(): Promise<string | undefined> {
    if (this.#joint.kernel !== undefined) {
      const why = await whyNoTap();
      if (why !== undefined) return why;
    }
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
    await this.#net?.close();
    this.#net = undefined;
    hugepages.giveBack();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  async #start(): Promise<readonly [TestpmdProcess, TestpmdProcess]> {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'ptnetmap-testpmd-'));
    const [receiving, sending] = this.#joint.vdevs(join(this.#folder, 'socket'));
    const { kernel } = this.#joint;
    if (kernel !== undefined) this.#net = await Netns.open(kernel.network);
    const where = this.#net ? { within: this.#net.within } : {};
    const receiver = await TestpmdProcess.start({
      cpu: 0,
      vdevs: [receiving],
      forwardMode: 'rxonly',
      ...where,
    });
    try {
      const sender = await TestpmdProcess.start({
        cpu: 1,
        vdevs: [sending],
        forwardMode: 'txonly',
        ...where,
      });
      if (this.#net) await kernel?.connect?.(this.#net);
      return [receiver, sender];
    } catch (error) {
      await receiver.quit();
      throw error;
    }
  }
}
