// Guests that are real VMs: QEMU, a Linux kernel and the in-VM agent, started once for all paths.

import type { Host } from '../backend/host.ts';
import type { AgentResult } from '../test/harness/agent.ts';
import { Vm } from '../test/harness/vm.ts';
import { type Guests, NOBODY, type Receiver, type Traffic } from './guests.ts';
import type { End } from './paths.ts';

/** The serial line and the agent's start take far less than this; a sender that starts early is only blocked or dropped. */
const LISTEN_MS = 300;
/** The VMs share the machine's CPUs: one that has nothing to do soon leaves its CPU to the others. */
const PATIENCE = '--spin-us 20';

export class VmGuests implements Guests {
  readonly kind = 'vm';
  readonly #vms: ReadonlyMap<string, Vm>;

  private constructor(vms: ReadonlyMap<string, Vm>) {
    this.#vms = vms;
  }

  static async start(host: Host): Promise<VmGuests> {
    const vms = new Map<string, Vm>();
    const guests = new VmGuests(vms);
    try {
      for (const { name, memory, devices } of host.vms) {
        const sockets = devices.map((device) => device.socketPath);
        vms.set(name, await Vm.start({ name: `demo-${name}`, memory, sockets }));
      }
      await Promise.all([...vms.values()].map((vm) => vm.ready()));
      return guests;
    } catch (error) {
      await guests.close();
      throw error;
    }
  }

  async send(end: End, { seconds, dst }: { seconds: number; dst: string }): Promise<Traffic> {
    const command = `send --device ${end.device} --seconds ${seconds} --payload full --dst ${dst} ${PATIENCE}`;
    return traffic(await this.#vm(end).agent(command));
  }

  async announce(end: End): Promise<void> {
    await this.#vm(end).agent(`send --device ${end.device} --count 1 --payload full --dst ${NOBODY}`);
  }

  async receive(end: End, options: { seconds: number; idleMs?: number }): Promise<Receiver> {
    const idle = options.idleMs === undefined ? '' : ` --idle-ms ${options.idleMs}`;
    const command = `receive --device ${end.device} --payload full --seconds ${options.seconds}${idle} ${PATIENCE}`;
    const job = this.#vm(end).agentStart(command);
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
    return { done: job.done.then(traffic) };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#vms.values()].map((vm) => vm.stop()));
  }

  #vm(end: End): Vm {
    return this.#vms.get(end.vm)!;
  }
}

interface Counted {
  readonly packets: number;
  readonly lost?: number;
  readonly corrupt?: number;
}

function traffic(result: AgentResult): Traffic {
  const sent = result.sent as Counted | undefined;
  const received = result.received as Counted | undefined;
  return {
    sent: (sent?.packets ?? 0) - Number(result.pending ?? 0),
    received: received?.packets ?? 0,
    lost: received?.lost ?? 0,
    corrupt: received?.corrupt ?? 0,
    seconds: Number(result.seconds),
  };
}
