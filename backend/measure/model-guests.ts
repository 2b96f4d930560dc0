// Guests that are processes: a driver model for each VM that takes part, a netmap application for each port of one.
import type { ApplicationJob, GuestJob, JobResult } from '../../guest-driver/model/job.ts';
import { type SpawnedGuest, spawnGuest } from '../../guest-driver/model/spawn.ts';
import { execEnvironment } from '../applications/environment.ts';
import {
  type Guests,
  type Loop,
  type LoopOutcome,
  type Part,
  PROGRESS_MS,
  type RunningLoop,
} from './guests.ts';
import { type BeginningLoop, startInOrder } from './order.ts';
import { type ApplicationEnd, nameOf } from './path.ts';

/** Where an end's devices are: the memory device of its VM, and its own. */
export interface Sockets {
  readonly memdev: string;
  readonly ptnet: string;
}

/** Where an end is driven: at the sockets of its devices, or by way of the host's socket for applications. */
export type Place = Sockets | { readonly applications: string };

/** What makes a switch know an address: whoever sends does it by that. */
const QUIET = ['receive', 'echo'];

export class ModelGuests implements Guests {
  readonly kind = 'model';
  readonly #placeOf: (end: Part['end']) => Place;
  readonly #hint: string;
  readonly #cpuOf: (i: number) => number | undefined;
  readonly #running = new Set<SpawnedGuest>();

  /**
   * @param hint what may be wrong where an end cannot be had
   * @param cpuOf the CPU of the i-th process
   */
  constructor(
    placeOf: (end: Part['end']) => Place,
    { hint, cpuOf }: { hint: string; cpuOf: (i: number) => number | undefined },
  ) {
    this.#placeOf = placeOf;
    this.#hint = hint;
    this.#cpuOf = cpuOf;
  }

  async start(parts: readonly Part[]): Promise<RunningLoop[]> {
    return await startInOrder(parts, this);
  }

  /** Starts their processes, which wait. @return for each part what lets its process begin; @throws as start() does */
  async held(parts: readonly Part[]): Promise<(() => BeginningLoop)[]> {
    // In the order of the parts: a group stands where its first part does.
    const keys = [...new Set(parts.map((part) => this.#keyOf(part)))];
    const groups = keys.map((key, i) => ({ of: parts.filter((part) => this.#keyOf(part) === key), i }));
    const spawned = new Map<number, SpawnedGuest>();
    try {
      // Applications announce themselves first, to a switch on which nobody listens yet.
      for (const applications of [true, false]) {
        const now = groups.filter(({ of: [part] }) => (part!.end.kind === 'application') === applications);
        for (const { of, i } of now) spawned.set(i, this.#spawn(of, i));
        await Promise.all(now.map(({ i }) => spawned.get(i)!.ready));
      }
    } catch (error) {
      for (const guest of spawned.values()) guest.kill();
      const ends = parts.map(({ end }) => nameOf(end)).join(', ');
      const hint = parts.every(({ end }) => end.kind === 'application') ? '' : this.#hint;
      throw new Error(`${ends}: ${(error as Error).message}${hint}`, { cause: error });
    }
    return parts.map((part) => {
      const { of, i: group } = groups.find((candidate) => candidate.of.includes(part))!;
      const guest = spawned.get(group)!;
      const i = of.indexOf(part);
      return () => {
        guest.go();
        const done = guest.done.then((results) => outcomeOf(part, results[i]!));
        done.catch(() => {});
        return {
          done,
          began: guest.began,
          progress: () => guest.progress[i] ?? { sent: 0, received: 0 },
          stop: () => guest.stop(),
        };
      };
    });
  }

  async close(): Promise<void> {
    for (const guest of this.#running) guest.stop();
    await Promise.allSettled([...this.#running].map((guest) => guest.done));
  }

  /** Parts with the same are one process's. */
  #keyOf({ end }: Part): string {
    const place = this.#placeOf(end);
    return 'memdev' in place ? place.memdev : nameOf(end);
  }

  #spawn(parts: readonly Part[], i: number): SpawnedGuest {
    const cpu = this.#cpuOf(i);
    const at = cpu === undefined ? {} : { cpu };
    const [first] = parts;
    const place = this.#placeOf(first!.end);
    const guest =
      'memdev' in place
        ? spawnGuest(this.#guestJob(place.memdev, parts), at)
        : spawnGuest(applicationJob(first!.end as ApplicationEnd, first!.loop), {
            ...at,
            env: execEnvironment({ socket: place.applications, runDir: '', debug: false }, process.env),
          });
    this.#running.add(guest);
    guest.done.catch(() => {}).finally(() => this.#running.delete(guest));
    return guest;
  }

  #guestJob(memdev: string, parts: readonly Part[]): GuestJob {
    return {
      memdev,
      ptnet: parts.map(({ end }) => (this.#placeOf(end) as Sockets).ptnet),
      loops: parts.map(({ loop }, port) => ({ ...SLEEPING, ...loop, port })),
      prefault: true,
      ...HELD,
    };
  }
}

/** The loops sleep when they have nothing to do, so the guests leave the cores to each other and to the host. */
const SLEEPING = { sleep: true };
const HELD = { hold: true, progressMs: PROGRESS_MS };

function applicationJob({ port, mac }: ApplicationEnd, loop: Loop): ApplicationJob {
  const announce = port.startsWith('vale') && QUIET.includes(loop.op);
  return { netmap: port, loop: { ...SLEEPING, src: mac, ...loop }, announce, ...HELD };
}

function outcomeOf({ end }: Part, result: JobResult): LoopOutcome {
  const { error, sent, received, pending, seconds, kicks, interrupts, latency } = result;
  if (error !== undefined) throw new Error(`${nameOf(end)}: ${error}`);
  return {
    sent: sent.packets - pending,
    received: received.packets,
    lost: received.lost,
    corrupt: received.corrupt,
    seconds,
    kicks,
    interrupts,
    ...(latency && { latency }),
  };
}
