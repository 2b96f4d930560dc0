// Captures, replayers and bridges on the ports of a host: found by name, served as the host serves its devices, ended with it.
import type { AttachOptions } from '../../native/engine.ts';
import type { Watchable, Ways } from '../../native/monitors.ts';
import type { Port } from '../../native/ports.ts';
import { Bridge, Capture, type CaptureOptions, Replay, type ReplayOptions } from '../../native/programs.ts';
import type { EngineConfig } from '../config/host-config.ts';
import { parsePortName, portNameProblem } from '../config/port-name.ts';
import type { WorkerPool } from '../datapath/engine.ts';
import { ConfigurationError } from '../errors.ts';
import type { PortTable } from '../ports/table.ts';
import { type Leasable, Leases, type ProgramState } from './leases.ts';

export type { ProgramKind, ProgramState } from './leases.ts';

/** What somebody may ask for. */
export type ProgramRequest =
  | {
      readonly kind: 'capture';
      readonly port: string;
      readonly direction: 'tx' | 'rx' | 'both';
      readonly options: CaptureOptions;
    }
  | { readonly kind: 'replay'; readonly port: string; readonly options: ReplayOptions }
  | { readonly kind: 'bridge'; readonly a: string; readonly b: string };

/** The programs of a host, for who uses it. */
export interface HostPrograms {
  /**
   * Starts one, which runs until it has ended, is stopped, or nobody has asked for it for 10 seconds.
   * @throws ConfigurationError, also when 32 are there already
   */
  start(request: ProgramRequest): ProgramState;
  readonly states: ProgramState[];
  /** undefined: there is none of that number, or none any more. */
  ask(id: number): ProgramState | undefined;
  /** A capture has written all that it has seen when its state says that it has ended. */
  stop(id: number): ProgramState | undefined;
}

/** Each has a thread, and a capture 16 MiB: also one that was stopped, until its file lets it end. */
export const PROGRAMS_MAX = 32;

export class Programs implements HostPrograms {
  readonly #pool: WorkerPool;
  readonly #ports: PortTable;
  readonly #engine: () => EngineConfig;
  readonly #leases = new Leases();
  readonly #running = new Set<Leasable>();
  /** Stopped, and not over yet. */
  readonly #ending = new Set<Leasable>();

  /** @param engine how the host serves now. */
  constructor(pool: WorkerPool, ports: PortTable, engine: () => EngineConfig) {
    this.#pool = pool;
    this.#ports = ports;
    this.#engine = engine;
  }

  start(request: ProgramRequest): ProgramState {
    for (const program of this.#ending) if (hasEnded(program)) this.#ending.delete(program);
    if (this.#running.size + this.#ending.size >= PROGRAMS_MAX)
      throw new ConfigurationError(
        `${PROGRAMS_MAX} captures, replayers and bridges are there already: one of them ended first would be right`,
      );
    const [ports, program] = this.#make(request);
    this.#running.add(program);
    const id = this.#leases.add(request.kind, ports, program, () => {
      program.stop();
      this.#running.delete(program);
      this.#ending.add(program);
    });
    return this.#leases.ask(id)!;
  }

  get states(): ProgramState[] {
    return this.#leases.states;
  }

  ask(id: number): ProgramState | undefined {
    return this.#leases.ask(id);
  }

  stop(id: number): ProgramState | undefined {
    return this.#leases.stop(id);
  }

  /** Those that look at a port or member, or are its client, as a message names them. */
  usersOf(name: string): string[] {
    return this.#leases.running.flatMap(({ id, kind, ports }) =>
      ports.some((port) => watchedBy(port).name === name) ? [`a ${kind} (program ${id})`] : [],
    );
  }

  /** Ends all of them. */
  close(): void {
    this.#leases.close();
    for (const program of this.#running) program.stop();
    this.#running.clear();
  }

  #make(request: ProgramRequest): [ports: string[], program: Leasable] {
    const { engine } = this.#pool;
    if (request.kind === 'capture') {
      const { port, direction, options } = request;
      const { watched, only } = this.#watched(port);
      const ways = only ?? { tx: direction !== 'rx', rx: direction !== 'tx' };
      return [[port], explained(() => new Capture(engine, watched, ways, options))];
    }
    if (request.kind === 'replay') {
      const { port, options } = request;
      const free = this.#free(port);
      return [[port], this.#serve((service) => new Replay(engine, free, service, options))];
    }
    const { a, b } = request;
    const ends = [this.#free(a), this.#free(b)] as const;
    return [[a, b], this.#serve((service) => new Bridge(engine, ...ends, service))];
  }

  #watched(text: string): { watched: Watchable; only?: Ways } {
    const { name, only } = watchedBy(text);
    return { watched: this.#ports.watchable(name), ...(only && { only }) };
  }

  #free(name: string): Port {
    const port = this.#ports.watchable(name);
    if (!('rings' in port))
      throw new ConfigurationError(
        `${name}: a member of a switch, which has no rings: a port of a device would be right`,
      );
    return port;
  }

  /** No kick comes to the event loop: where the host serves its devices inline, a worker serves this. */
  #serve<P>(start: (service: AttachOptions) => P): P {
    const { policy, spinUs } = this.#engine();
    const worker = this.#pool.place();
    try {
      return explained(() => start({ policy: policy === 'inline' ? 'notify' : policy, spinUs, worker }));
    } finally {
      // It is served there all the same: who comes later may choose the worker, too.
      this.#pool.release(worker);
    }
  }
}

/** A bridge is over when it was stopped. */
const hasEnded = ({ stats }: Leasable): boolean => !('ended' in stats) || stats.ended;

/** A monitor's name says whom it looks at, and which way. */
function watchedBy(text: string): { name: string; only?: Ways } {
  const parsed = portNameProblem(text) === undefined ? parsePortName(text) : undefined;
  if (parsed?.kind !== 'monitor') return { name: text };
  return { name: parsed.parent, only: { tx: parsed.flags !== 'r', rx: parsed.flags !== 't' } };
}

/** Whatever says no speaks of what was asked for. */
function explained<P>(start: () => P): P {
  try {
    return start();
  } catch (error) {
    throw new ConfigurationError((error as Error).message, { cause: error });
  }
}
