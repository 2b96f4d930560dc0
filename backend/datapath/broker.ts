// broker: the table (device, ring) -> (worker, attachment), and the policy of each attachment.
import type { Attachment, CsbPlace, PolicyName } from '../../native/engine.ts';
import type { Kick } from '../../native/kick.ts';
import { closeFd } from '../../native/os.ts';
import type { Port } from '../../native/ports.ts';
import type { WorkerPool } from './engine.ts';
import { unwireDoorbells, wireDoorbells } from './kick.ts';
import { type Vector, wireInterrupts } from './notify.ts';

export interface Policy {
  readonly policy: PolicyName;
  /** How long an idle ring is polled before it is parked (policy adaptive). */
  readonly spinUs: number;
  /** Which worker; undefined: the one with the fewest attachments. */
  readonly worker?: number | undefined;
}

/** One served device: everything that has to be undone when it stops. */
export interface Binding {
  readonly attachment: Attachment;
  readonly session: number;
  readonly worker: number;
  readonly policy: Policy;
}

export interface BindRequest {
  /** The device's name, for the table. */
  readonly device: string;
  readonly port: Port;
  readonly session: number;
  readonly csb: { readonly guestToHost: CsbPlace; readonly hostToGuest: CsbPlace };
  readonly vectors: readonly Vector[];
  /** Eventfds of the doorbells, when the client asked for them. */
  readonly doorbells: readonly number[];
  readonly policy: Policy;
}

export class Broker {
  readonly #pool: WorkerPool;
  readonly #kick: Kick;
  readonly #table = new Map<string, Binding>();

  constructor(pool: WorkerPool, kick: Kick) {
    this.#pool = pool;
    this.#kick = kick;
  }

  /** What is being served now. */
  get table(): ReadonlyMap<string, Binding> {
    return this.#table;
  }

  /**
   * Starts serving: interrupts first, so that none is missed, then the rings, then the doorbells.
   * @throws Error with `errno`, negative, when the port is in use or guest memory cannot be mapped.
   */
  bind(request: BindRequest): Binding {
    const { policy, port, session } = request;
    const worker = policy.worker ?? this.#pool.place();
    const options = { policy: policy.policy, spinUs: policy.spinUs, worker };
    let attachment: Attachment | undefined;
    try {
      attachment = this.#pool.engine.attach(port, request.csb.guestToHost, request.csb.hostToGuest, options);
      wireInterrupts(attachment, request.vectors.slice(0, port.rings));
      if (request.doorbells.length > 0) attachment.setDoorbells(request.doorbells);
      // Policy inline has no native reader: its kicks come through the device model.
      if (policy.policy !== 'inline') wireDoorbells(this.#kick, session, attachment);
    } catch (error) {
      attachment?.detach();
      if (policy.worker === undefined) this.#pool.release(worker);
      throw error;
    }
    const binding = { attachment, session, worker, policy };
    this.#table.set(request.device, binding);
    return binding;
  }

  /** Eventfds for the doorbells of `count` rings, for a session's client; none when so many cannot be had. */
  eventfds(session: number, count: number): number[] {
    const fds: number[] = [];
    try {
      while (fds.length < count) fds.push(this.#kick.eventfd(session));
      return fds;
    } catch {
      for (const fd of fds) closeFd(fd);
      return [];
    }
  }

  /** Stops serving: doorbells first, then the rings. */
  unbind(device: string): void {
    const binding = this.#table.get(device);
    if (!binding) return;
    this.#table.delete(device);
    if (binding.policy.policy !== 'inline') unwireDoorbells(this.#kick, binding.session);
    binding.attachment.detach();
    if (binding.policy.worker === undefined) this.#pool.release(binding.worker);
  }
}
