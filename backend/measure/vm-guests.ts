// Guests that are real VMs: QEMU, a Linux kernel and the in-VM agent, started once for all measurements.
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { getQemu } from '../../vm-images/fetch.ts';
import type { AgentResult } from '../../vm-images/machine/agent.ts';
import { whyNoKvm } from '../../vm-images/machine/kvm.ts';
import { Vm } from '../../vm-images/machine/vm.ts';
import { socketPath } from '../sockets.ts';
import type { Guests, Loop, LoopOutcome, Part, RunningLoop } from './guests.ts';
import type { ModelGuests } from './model-guests.ts';
import { type BeginningLoop, startInOrder } from './order.ts';
import { type DeviceEnd, nameOf } from './path.ts';
import { guestCpu } from './placement.ts';
import type { Scene } from './scene.ts';

/** The VMs share the machine's CPUs: one that has nothing to do soon leaves its CPU to the others. */
const PATIENCE = '--spin-us 20';
const MEMORY = '256M';

/** A VM of the host and the sockets of its devices, the memory device first. */
export interface VmSockets {
  readonly name: string;
  readonly machine: 'pc' | 'q35';
  readonly sockets: readonly string[];
  /** That its threads stay on once it has booted. */
  readonly cpu?: number;
  /** In the order of their sockets. */
  readonly devices: readonly string[];
}

type Booted = ReadonlyMap<string, { readonly vm: Vm; readonly devices: readonly string[] }>;

export interface VmGuestsOptions {
  readonly accel: 'kvm' | 'tcg';
  /** Who drives ends that are in no VM. */
  readonly models: ModelGuests;
  /** Ends the VMs, also while they boot. */
  readonly signal: AbortSignal;
}

export class VmGuests implements Guests {
  readonly kind = 'vm';
  readonly #vms: Booted;
  readonly #models: ModelGuests;

  private constructor(vms: Booted, models: ModelGuests) {
    this.#vms = vms;
    this.#models = models;
  }

  /** Boots them, all at once. */
  static async start(
    wanted: readonly VmSockets[],
    { accel, models, signal }: VmGuestsOptions,
  ): Promise<VmGuests> {
    const vms = new Map<string, { vm: Vm; devices: readonly string[] }>();
    const guests = new VmGuests(vms, models);
    signal.addEventListener('abort', () => void guests.close());
    try {
      for (const { name, machine, sockets, devices } of wanted) {
        signal.throwIfAborted();
        const options = { name: `ptnet-${name}`, machine, accel, memory: MEMORY, sockets, logDir: tmpdir() };
        vms.set(name, { vm: await Vm.start(options), devices });
      }
      await Promise.all([...vms.values()].map(({ vm }) => vm.ready()));
      // Not while they boot, which wants every CPU.
      for (const { name, cpu } of wanted) if (cpu !== undefined) await place(vms.get(name)!.vm, cpu);
      return guests;
    } catch (error) {
      await guests.close();
      throw error;
    }
  }

  async start(parts: readonly Part[]): Promise<RunningLoop[]> {
    const inVms = parts.flatMap(({ end }) => (end.kind === 'device' ? [end.vm] : []));
    if (new Set(inVms).size < inVms.length)
      throw new Error(
        `${parts.map(({ end }) => nameOf(end)).join(' and ')}: in one VM, whose agent does one thing at a time: driver models can do both`,
      );
    return await startInOrder(parts, {
      inVm: (end, loop) => this.#start(end, loop),
      held: (others) => this.#models.held(others),
    });
  }

  async close(): Promise<void> {
    await this.#models.close();
    await Promise.all([...this.#vms.values()].map(({ vm }) => vm.stop()));
  }

  #start(end: DeviceEnd, loop: Loop): BeginningLoop {
    const { vm, devices } = this.#vms.get(end.vm)!;
    const device = devices.indexOf(end.device);
    let now = { sent: 0, received: 0 };
    let runs = (): void => {};
    const first = new Promise<void>((resolve) => {
      runs = resolve;
    });
    const onProgress = (line: string): void => {
      // The agent says so before the first packet, too.
      runs();
      const [, json] = /(\{.*\})/.exec(line) ?? [];
      if (json !== undefined) now = JSON.parse(json) as typeof now;
    };
    const done = vm.agent(commandOf(loop, device), { onProgress }).then((result) => outcomeOf(loop, result));
    done.then(runs, runs);
    return { done, began: first, progress: () => now, stop: () => {} };
  }
}

async function place({ pid }: Vm, cpu: number): Promise<void> {
  await execa('taskset', ['--all-tasks', '--cpu-list', '--pid', `${cpu}`, `${pid}`]);
}

/**
 * Boots test guests for VMs of a scene, fetching what they are made of where it is missing.
 * @param onBoot told by what, before they boot
 */
export async function startVms(
  scene: Scene,
  names: readonly string[],
  signal: AbortSignal,
  onBoot: (by: string) => void = () => {},
): Promise<{ guests: VmGuests; by: string }> {
  const qemu = await getQemu();
  const whyNot = await whyNoKvm(qemu);
  signal.throwIfAborted();
  const by = `QEMU ${qemu.version}, ${whyNot === undefined ? 'KVM' : 'software emulation'}`;
  onBoot(by);
  const wanted = names.map((name, i): VmSockets => {
    const { machine, devices } = scene.config.vms.get(name)!;
    const named = devices.map((device) => device.name);
    const sockets = ['mem', ...named].map((device) => socketPath(scene.config.runDir, name, device));
    const cpu = scene.host ? guestCpu(scene.config.engine, i) : undefined;
    return { name, machine, sockets, devices: named, ...(cpu !== undefined && { cpu }) };
  });
  const accel = whyNot === undefined ? 'kvm' : 'tcg';
  return { guests: await VmGuests.start(wanted, { accel, models: scene.models(), signal }), by };
}

/** As the agent's usage has it. */
export function commandOf(loop: Loop, device: number): string {
  const { op, count, seconds, idleMs, size, frags, burst, payload, dst, rate } = loop;
  const flags = Object.entries({
    device,
    count,
    seconds,
    'idle-ms': idleMs,
    size,
    frags,
    burst,
    payload,
    dst,
    rate,
  }).flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`]));
  return [op, ...flags, PATIENCE, '--progress'].join(' ');
}

interface Counted {
  readonly packets: number;
  readonly lost?: number;
  readonly corrupt?: number;
}

type Times = NonNullable<LoopOutcome['latency']>;

function outcomeOf({ op }: Loop, result: AgentResult): LoopOutcome {
  const sent = result.sent as Counted | undefined;
  const received = result.received as Counted | undefined;
  const { roundTrip, service, kicked } = result as AgentResult & Times;
  const none = { count: 0, p50: 0, p99: 0, p999: 0, max: 0 };
  return {
    sent: (sent?.packets ?? 0) - Number(result.pending ?? 0),
    received: received?.packets ?? 0,
    lost: received?.lost ?? 0,
    corrupt: received?.corrupt ?? 0,
    seconds: Number(result.seconds),
    kicks: Number(result.kicks),
    interrupts: Number(result.interrupts),
    ...(op === 'ping' && { latency: { roundTrip, service, kicked, wakeUp: none } }),
  };
}
