// DPDK's testpmd in a real VM as a peer: on virtio-net, whose other end is a testpmd on the host.
import { execa } from 'execa';
import { vmPrerequisites } from '../../../vm-images/fetch.ts';
import { Vm } from '../../../vm-images/machine/vm.ts';
import { hugepages } from '../../harness/hugepages.ts';
import type { MeasureOptions } from '../measure.ts';
import type { PairPath, Scenario } from '../scenarios.ts';
import type { Peer } from './peer.ts';
import { SIZE_MAX } from './testpmd.ts';
import { guestFiles, virtioArguments } from './testpmd-guest.ts';
import { TestpmdProcess, testpmdMissing } from './testpmd-process.ts';
import { measureBetween, Testpmd } from './testpmd-prompt.ts';
import type { OpenJoint, VmJoint } from './vm-joint.ts';

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
  readonly joint: OpenJoint;
}

async function startGuest(vm: Vm): Promise<Testpmd> {
  await execa('taskset', ['--all-tasks', '--cpu-list', '--pid', `${VM_CPU}`, `${vm.pid}`]);
  const guest = new Testpmd(vm.console);
  await guest.ready(BOOT_MS_MAX);
  return guest;
}

/** The host's testpmd comes first: over vhost-user, QEMU connects to it. */
async function startPair({ name, txQueue, open }: VmJoint): Promise<Pair> {
  const joint = await open();
  const within = joint.within ?? [];
  let host: TestpmdProcess | undefined;
  let vm: Vm | undefined;
  try {
    host = await TestpmdProcess.start({ cpu: HOST_CPU, vdevs: [joint.vdev], forwardMode: 'io', within });
    vm = await Vm.start({
      name,
      memory: '512M',
      initramfs: await guestFiles(),
      qemuArguments: [...joint.netdev, ...virtioArguments(txQueue)],
      within,
    });
    return { host, vm, guest: await startGuest(vm), joint };
  } catch (error) {
    vm?.keepLogs();
    await vm?.stop();
    await host?.quit();
    await joint.close();
    throw error;
  }
}

/** One VM for both directions: started when it is first wanted. */
export class TestpmdVm {
  readonly joint: VmJoint;
  #available: Promise<string | undefined> | undefined;
  #pair: Promise<Pair> | undefined;

  constructor(joint: VmJoint) {
    this.joint = joint;
  }

  /** Fetches what is missing, so that nothing is while others are measured. @return why it cannot run here. */
  available(): Promise<string | undefined> {
    this.#available ??= whyNot(this.joint);
    return this.#available;
  }

  /** A start that failed is not tried again: booting takes long. */
  start(): Promise<Pair> {
    this.#pair ??= startPair(this.joint);
    return this.#pair;
  }

  async stop(): Promise<void> {
    const pair = await this.#pair?.catch(() => undefined);
    this.#pair = undefined;
    if (pair) {
      await pair.vm.stop();
      await pair.host.quit();
      await pair.joint.close();
    }
    hugepages.giveBack();
  }
}

async function whyNot(joint: VmJoint): Promise<string | undefined> {
  const missing = (await testpmdMissing()) ?? (await joint.whyNot());
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
    this.name = `${vm.joint.name}-${direction}`;
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
