// broker: the table (device, ring) -> (worker, attachment), and the policy of each attachment.
import type { Attachment, CsbPlace, PolicyName } from '../../native/engine.ts';
import type { Kick } from '../../native/kick.ts';
import { closeFd } from '../../native/os.ts';
import type { OffsetPart, OffsetsAsked, OffsetsGiven, Port } from '../../native/ports.ts';
import type { WorkerPool } from './engine.ts';
import { unwireDoorbells, wireDoorbells } from './kick.ts';
import { type Vector, wireInterrupts } from './notify.ts';

export interface Policy {
  readonly policy: PolicyName;
  /** How long an idle ring is polled before it is parked (policy adaptive). */
  readonly spinUs: number;
}

/** What is served as one: a port, or both ends of a pipe. */
interface Place {
  worker: number;
  attachments: number;
}

/** One served device: everything that has to be undone when it stops. */
export interface Binding {
  readonly attachment: Attachment;
  readonly port: Port;
  readonly session: number | undefined;
  readonly policy: Policy;
}

export interface BindRequest {
  /** The device's name, for the table. */
  readonly device: string;
  readonly port: Port;
  /** Whose doorbells the kick thread reads; undefined: they come another way. */
  readonly session?: number;
  readonly csb: { readonly guestToHost: CsbPlace; readonly hostToGuest: CsbPlace };
  readonly vectors: readonly Vector[];
  /** Eventfds of the doorbells, when the client asked for them. */
  readonly doorbells: readonly number[];
  readonly policy: Policy;
  /** Bytes of virtio-net header before each packet. */
  readonly vnetHdrLen: number;
  /** Whether the client takes it that packets begin where buffers do, as a VM does. */
  readonly plain: boolean;
}

/** Policy inline needs none; the engine does not look at the number. */
const NO_WORKER = 0;

export class Broker {
  readonly #pool: WorkerPool;
  readonly #kick: Kick;
  readonly #table = new Map<string, Binding>();
  readonly #places = new Map<Port, Place>();

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
   * @param resumesOn the worker, of what another process has served: nothing is, and nothing is written, before resume().
   * @throws Error with `errno`, negative, when the port is in use or guest memory cannot be mapped.
   */
  bind(request: BindRequest, resumesOn?: number): Binding {
    const { policy, port, session, vnetHdrLen, plain } = request;
    const resumes = resumesOn === undefined ? {} : { resumes: true };
    const options = {
      ...policy,
      worker: this.#enter(port, policy, resumesOn),
      vnetHdrLen,
      plain,
      ...resumes,
    };
    let attachment: Attachment | undefined;
    try {
      attachment = this.#pool.engine.attach(port, request.csb.guestToHost, request.csb.hostToGuest, options);
      wireInterrupts(attachment, request.vectors.slice(0, port.rings));
      if (request.doorbells.length > 0) attachment.setDoorbells(request.doorbells);
      // Policy inline has no native reader: its kicks come through the device model.
      if (session !== undefined && policy.policy !== 'inline') wireDoorbells(this.#kick, session, attachment);
    } catch (error) {
      attachment?.detach();
      this.#leave(port);
      throw error;
    }
    const binding = { attachment, port, session, policy };
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

  /** Serves nobody for a while. No doorbell comes meanwhile: the kick thread stands still. */
  suspend(): void {
    for (const { attachment } of this.#table.values()) attachment.suspend();
  }
  resume(): void {
    for (const { attachment } of this.#table.values()) attachment.resume();
  }

  /** Stops serving: doorbells first, then the rings. */
  unbind(device: string): void {
    const binding = this.#table.get(device);
    if (!binding) return;
    this.#table.delete(device);
    if (binding.session !== undefined && binding.policy.policy !== 'inline')
      unwireDoorbells(this.#kick, binding.session);
    binding.attachment.detach();
    this.#leave(binding.port);
  }

  /** The worker of what is served with this port; undefined: none, because nobody drives it or policy is inline. */
  workerOf(port: Port): number | undefined {
    return this.#places.get(port.servedAs)?.worker;
  }

  /** Changes policy, spin time and worker of a device; false when it is not being served. */
  setPolicy(device: string, policy: Policy & { worker: number }): boolean {
    const binding = this.#table.get(device);
    if (!binding) return false;
    binding.attachment.setPolicy(policy);
    this.#table.set(device, { ...binding, policy: { policy: policy.policy, spinUs: policy.spinUs } });
    const place = this.#places.get(binding.port.servedAs)!;
    this.#pool.move(place.worker, policy.worker);
    place.worker = policy.worker;
    return true;
  }

  /** @throws Error with `code` EBUSY when rings have offsets that are not enough. */
  setOffsets(parts: readonly OffsetPart[], asked: OffsetsAsked): OffsetsGiven {
    return this.#pool.engine.setOffsets(parts, asked);
  }

  /** @returns the worker of what is served with this port. */
  #enter(port: Port, { policy }: Policy, on?: number): number {
    if (policy === 'inline') return NO_WORKER;
    const place = this.#places.get(port.servedAs) ?? { worker: this.#pool.place(on), attachments: 0 };
    place.attachments++;
    this.#places.set(port.servedAs, place);
    return place.worker;
  }

  #leave(port: Port): void {
    const place = this.#places.get(port.servedAs);
    if (!place || --place.attachments > 0) return;
    this.#places.delete(port.servedAs);
    this.#pool.release(place.worker);
  }
}
