// The host's end of virtio-net over vhost-user in Linux guests: one testpmd that is the device of each, and forwards between two of them or one and a tap.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hugepages } from '../harness/hugepages.ts';
import type { Netns } from '../harness/netns.ts';
import { TestpmdProcess, testpmdMissing } from './peers/testpmd-process.ts';

/** Of testpmd, which takes 128 MiB, and some for what it maps beside it. */
const HUGEPAGES = 80;
const CPU = 0;

export interface VhostUserLinks {
  /** Between a guest and the host's kernel; also the name of the tap. */
  readonly host: string;
  /** Between two guests. */
  readonly guests: string;
}

/** Of a link, at one guest. */
const socketOf = (folder: string, link: string, guest: number): string => join(folder, `${link}${guest}`);

export class VhostUser {
  readonly #folder: string;
  readonly #testpmd: TestpmdProcess;

  private constructor(folder: string, testpmd: TestpmdProcess) {
    this.#folder = folder;
    this.#testpmd = testpmd;
  }

  /** Why it cannot be had here; undefined when it can. */
  static async whyNot(): Promise<string | undefined> {
    if (process.getuid?.() !== 0) return 'a testpmd that is a vhost-user backend must be run by root';
    return (await testpmdMissing()) ?? hugepages.lend(HUGEPAGES);
  }

  /** Before the VMs, which connect to it. @throws Error with testpmd's last words when it does not come up. */
  static async start(net: Netns, links: VhostUserLinks): Promise<VhostUser> {
    const folder = mkdtempSync(join(tmpdir(), 'ptnetmap-vhost-'));
    const vhost = (link: string, guest: number) => `iface=${socketOf(folder, link, guest)},queues=1`;
    try {
      const testpmd = await TestpmdProcess.start({
        cpu: CPU,
        // Forwarded in pairs: the first two, the last two.
        vdevs: [
          `net_vhost0,${vhost(links.host, 0)}`,
          `net_tap0,iface=${links.host}`,
          `net_vhost1,${vhost(links.guests, 0)}`,
          `net_vhost2,${vhost(links.guests, 1)}`,
        ],
        forwardMode: 'io',
        within: net.within,
      });
      return new VhostUser(folder, testpmd);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** QEMU's arguments for the netdev of a link, at one guest. */
  netdev(link: string, guest: number): string[] {
    return [
      ...['-chardev', `socket,id=${link}-socket,path=${socketOf(this.#folder, link, guest)}`],
      ...['-netdev', `vhost-user,id=${link},chardev=${link}-socket`],
    ];
  }

  /** It polls, and so takes a processor, only while this runs. */
  async forwarding<T>(run: () => Promise<T>): Promise<T> {
    await this.#testpmd.tell('start');
    try {
      return await run();
    } finally {
      await this.#testpmd.tell('stop');
    }
  }

  async close(): Promise<void> {
    await this.#testpmd.quit();
    rmSync(this.#folder, { recursive: true, force: true });
    hugepages.giveBack();
  }
}
