// The engine and its attachments: a port's rings bound to a CSB and served by a worker.
import { type AttachOptions, addon, type CsbPlace, type Handle, type WorkerStats } from './addon.ts';
import { handover } from './handover.ts';
import { type Watch, watchReadable } from './os.ts';
import type { OffsetPart, OffsetsAsked, OffsetsGiven, Port } from './ports.ts';
import { sumOf } from './sum.ts';

export type { AttachOptions, CsbPlace, PolicyName, WorkerStats } from './addon.ts';

export class Engine {
  readonly handle: Handle<'engine'>;
  /** Of another process's workers, in whose place these serve. */
  #before: readonly WorkerStats[] = [];

  /** One worker (a native thread) for each entry, which lists the CPUs that it may run on; an empty one allows all. */
  constructor(cpus: readonly (readonly number[])[] = [[]]) {
    this.handle = addon.engineCreate(cpus);
  }

  get workers(): WorkerStats[] {
    return addon.engineStats(this.handle).map((now, i) => sumOf(now, this.#before[i]));
  }
  /** Counts on from what another process's workers have counted. */
  countOn(before: readonly WorkerStats[]): void {
    this.#before = before;
  }

  /**
   * To be called about once a second: raises again what a guest seems to have overlooked.
   * @returns how many interrupts had to be raised on threads of their own, in all, because the kernel gave no asynchronous
   * operation to raise them with.
   */
  tick(): number {
    return addon.engineTick(this.handle);
  }

  /** Descriptors that are not waited for any more, for an error: a line for each since the last call. */
  takeWatchErrors(): string[] {
    return addon.engineTakeWatchErrors(this.handle);
  }

  /**
   * Maps the CSB, writes the port's present indices into it and starts serving.
   * @throws Error with `code` EBUSY (the port has a client), EINVAL, or what mapping guest memory failed with.
   */
  attach(port: Port, guestToHost: CsbPlace, hostToGuest: CsbPlace, options: AttachOptions): Attachment {
    return new Attachment(addon.attach(this.handle, port.handle, guestToHost, hostToGuest, options));
  }

  /**
   * From now on, for those that have none yet: what they have stays.
   * @throws Error with `code` EBUSY, and nothing done, when one has offsets of fewer bits or up to less.
   */
  setOffsets(parts: readonly OffsetPart[], asked: OffsetsAsked): OffsetsGiven {
    const handles = parts.map(({ port, ...rings }) => ({ ...rings, port: port.handle }));
    return addon.portsSetOffsets(this.handle, handles, asked);
  }
}

export class Attachment {
  readonly handle: Handle<'attachment'>;

  /** Policy inline: what no doorbell tells of. */
  readonly #watch: Watch | undefined;

  constructor(handle: Handle<'attachment'>) {
    this.handle = handle;
    const fd = addon.attachmentWatchFd(handle);
    if (fd >= 0) this.#watch = watchReadable(fd, () => addon.attachmentServeWatched(handle));
  }

  /** Gives it up now, detached, not when the garbage collector comes: nobody may use it any more. */
  drop(): void {
    this.detach();
    addon.drop(this.handle);
  }
  /** Whoever gets it may drop it. */
  static dropTarget(target: object): void {
    addon.drop(target);
  }
  /** Hands what the reader of the sockets rings to whoever keeps a hold of it by itself. */
  lendTarget(take: (target: object) => void): void {
    const target = this.doorbellTarget;
    try {
      take(target);
    } finally {
      addon.drop(target);
    }
  }
  /** What the reader of the sockets rings. */
  get doorbellTarget(): object {
    return addon.attachmentTarget(this.handle);
  }
  /** The guest has truncated the file that its CSB lies in: nothing it writes there arrives any more. */
  get csbLost(): boolean {
    return addon.attachmentCsbLost(this.handle);
  }
  /** Policy inline: serves the ring here and now; true when something moved. */
  sync(ring: number): boolean {
    return addon.attachmentSync(this.handle, ring);
  }
  /** The same as a doorbell from a socket. */
  ring(ring: number): void {
    addon.attachmentRing(this.handle, ring);
  }
  /** Eventfds of the rings from `first`, -1 for none; duplicated here. */
  setInterrupts(first: number, fds: readonly number[]): void {
    addon.attachmentSetInterrupts(this.handle, first, fds);
  }
  /** Eventfds that ring the doorbells too, one a ring, -1 for none; duplicated here. */
  setDoorbells(fds: readonly number[]): void {
    addon.attachmentSetDoorbells(this.handle, fds);
  }
  /** Stops serving between two packets; the client notices nothing. Not with eventfds for doorbells, and not inline. */
  suspend(): void {
    handover.attachmentSuspend(this.handle);
  }
  /** Serves it, here and now: looks at every ring, and tells the client to do so too. */
  resume(): void {
    handover.attachmentResume(this.handle);
  }
  setPolicy(options: AttachOptions): void {
    addon.attachmentSetPolicy(this.handle, options);
  }
  /** Processes what the guest has published, then stops. The rings' indices stay with the port. */
  detach(): void {
    this.#watch?.close();
    addon.detach(this.handle);
  }
}
