// DPDK's testpmd in a real VM as a peer: on virtio-net over vhost-user, whose other end is a testpmd on the host.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { vmPrerequisites } from '../../../vm-images/fetch.ts';
import { hugepages } from '../../harness/hugepages.ts';
import { Vm } from '../../harness/vm.ts';
import type { MeasureOptions } from '../measure.ts';
import type { PairPath, Scenario } from '../scenarios.ts';
import type { Peer } from './peer.ts';
import { SIZE_MAX, VHOST_USER } from './testpmd.ts';
import { guestFiles, virtioArguments } from './testpmd-guest.ts';
import { TestpmdProcess, testpmdMissing } from './testpmd-process.ts';
import { measureBetween, Testpmd } from './testpmd-prompt.ts';

/** Of the host's testpmd: 128 MiB, and some for what it maps beside it. The guest has its own. */
const HUGEPAGES = 80;
/** A look at the guest's counters takes some tens of milliseconds of a busy guest. */
const SECONDS_MIN = 1;
const BOOT_MS_MAX = 120_000;
/** Both ends poll: on one processor they would take turns, and a ring would be all that arrives in a turn. */
const HOST_CPU = 0;
const VM_CPU = 1;

interface Pair {
  readonly host: TestpmdProcess;
  readonly guest: Testpmd;
  readonly vm: Vm;
  readonly folder: string;
}

async function startGuest(vm: Vm): Promise<Testpmd> {
  await execa('taskset', ['--all-tasks', '--cpu-list', '--pid', `${VM_CPU}`, `${vm.pid}`]);
  const guest = new Testpmd(vm.console);
  await guest.ready(BOOT_MS_MAX);
  return guest;
}

/** The host's testpmd comes first: QEMU connects to it. */
async function startPair(): Promise<Pair> {
  const folder = mkdtempSync(join(tmpdir(), 'ptnetmap-testpmd-'));
  const socket = join(folder, 'socket');
  let host: TestpmdProcess | undefined;
  let vm: Vm | undefined;
  try {
    const vdev = VHOST_USER.vdevs(socket)[0];
    host = await TestpmdProcess.start({ cpu: HOST_CPU, vdev, forwardMode: 'io' });
    vm = await Vm.start({
      name: 'testpmd',
      memory: '512M',
      initramfs: await guestFiles(),
      qemuArguments: virtioArguments(socket),
    });
    return { host, vm, guest: await startGuest(vm), folder };
  } catch (error) {
    vm?.keepLogs();
    await vm?.stop();
    await host?.quit();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** One VM for both directions: started when it is first wanted. */
export class TestpmdVm {
  #available: Promise<string | undefined> | undefined;
  #pair: Promise<Pair> | undefined;

  /** Fetches what is missing, so that nothing is while others are measured. @return why it cannot run here. */
  available(): Promise<string | undefined> {
    this.#available ??= whyNot();
    return this.#available;
  }

  /** A start that failed is not tried again: booting takes long. */
  start(): Promise<Pair> {
    this.#pair ??= startPair();
    return this.#pair;
  }

  async stop(): Promise<void> {
    const pair = await this.#pair?.catch(() => undefined);
    this.#pair = undefined;
    if (pair) {
      await pair.vm.stop();
      await pair.host.quit();
      rmSync(pair.folder, { recursive: true, force: true });
    }
    hugepages.giveBack();
  }
}

async function whyNot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'a testpmd that is a vhost-user backend must be run by root';
  const missing = await testpmdMissing();
  if (missing !== undefined) return missing;
  const vms = await vmPrerequisites();
  if (!vms.ok) return vms.why;
  try {
    await guestFiles();
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
  return hugepages.lend(HUGEPAGES);
}

/** Who sends; and our own path of the same direction. */
export type Direction = 'vm-to-host' | 'host-to-vm';
const PATHS: Readonly<Record<Direction, PairPath>> = {
  'vm-to-host': 'guest-to-host',
  'host-to-vm': 'host-to-guest',
};

export class TestpmdVmPeer implements Peer {
  readonly name: string;
  readonly #direction: Direction;
  readonly #vm: TestpmdVm;

  constructor(direction: Direction, vm: TestpmdVm) {
    this.name = `testpmd-${direction}`;
    this.#direction = direction;
    this.#vm = vm;
  }

  sizes(sizes: readonly number[]): readonly number[] {
    return sizes.filter((size) => size <= SIZE_MAX);
  }

  comparesWith({ path, vm }: Pick<Scenario, 'path' | 'vm'>): boolean {
    return vm && path === PATHS[this.#direction];
  }

  available(): Promise<string | undefined> {
    return this.#vm.available();
  }

  async measure(size: number, { seconds, signal }: MeasureOptions): Promise<number> {
    const { host, guest } = await this.#vm.start();
    const [sender, receiver] = this.#direction === 'vm-to-host' ? [guest, host] : [host, guest];
    await sender.tell('set fwd txonly');
    await receiver.tell('set fwd rxonly');
    return await measureBetween(sender, receiver, size, { seconds: Math.max(SECONDS_MIN, seconds), signal });
  }

  close(): Promise<void> {
    return this.#vm.stop();
  }
}
