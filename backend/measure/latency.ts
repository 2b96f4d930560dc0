// Latencies at a load: one guest sends packets with their times in them, the other sends them back.
import { ConfigurationError } from '../errors.ts';
import type { Loop, LoopOutcome, Part } from './guests.ts';
import { nameOf, type Path } from './path.ts';
import { emptied, macOf, type TrialContext } from './trial.ts';

/** ns */
export type Percentiles = NonNullable<LoopOutcome['latency']>['roundTrip'];

/** Packets per second, or a share of the highest rate at which packets come back. */
export type Load = { readonly pps: number } | { readonly share: number };

export interface LatencyOutcome {
  readonly path: string;
  /**
   * `round trip`: from when a packet should have been sent until its echo was seen. `service`: from its publication until the
   * host had taken it, where nobody answers.
   */
  readonly what: 'round trip' | 'service';
  readonly load: string;
  /** Packets sent per second. */
  readonly pps: number;
  readonly times: Percentiles;
}

const HIGHEST_SECONDS = 0.3;
/** Nobody's first touch of a buffer is in the times. */
const WARM_UP_SECONDS = 0.05;
/**
 * An echo that nobody can stop, in a VM or in the process of its pinger, ends after so long and some packets' time. A pinger that
 * misses packets waits for them in between, half a second at a time.
 */
const IDLE_MS = 2000;
const IDLE_PACKETS = 3;
const PATIENCE_S = 10;
const SIZE_MIN = 60;
/** So few that a percentile in a hundred means something within a second. */
const RATE_MIN = 1000;

export const loadText = (load: Load): string =>
  'pps' in load ? `${load.pps} pps` : `${Number((load.share * 100).toFixed(1))} %`;

export class LatencyMeter {
  readonly #context: TrialContext;
  /** By path: packets per second that came back. */
  readonly #highest = new Map<string, number>();

  constructor(context: TrialContext) {
    this.#context = context;
  }

  async measure(path: Path, load: Load, seconds: number): Promise<LatencyOutcome> {
    if (path.from.kind === 'host')
      throw new ConfigurationError(
        `'${path.text}': the host's source has no times in its packets: '${nameOf(path.to)} -> host' would be right`,
      );
    const pps = 'pps' in load ? load.pps : Math.max(RATE_MIN, load.share * (await this.#highestRate(path)));
    const { sent, times } = await this.#ping(path, pps, seconds);
    return {
      path: path.text,
      what: path.to.kind === 'host' ? 'service' : 'round trip',
      load: loadText(load),
      pps: sent,
      times,
    };
  }

  async #highestRate(path: Path): Promise<number> {
    const known = this.#highest.get(path.text);
    if (known !== undefined) return known;
    const { sent, received } = await this.#ping(path, undefined, HIGHEST_SECONDS);
    const rate = path.to.kind === 'host' ? sent : received;
    this.#highest.set(path.text, rate);
    return rate;
  }

  async #ping(path: Path, rate: number | undefined, seconds: number) {
    const ends = endsOf(path);
    await emptied(this.#context, ends);
    const ping: Part = {
      end: ends[0]!,
      loop: {
        op: 'ping',
        size: SIZE_MIN,
        dst: macOf(path.to),
        seconds,
        ...(rate !== undefined && { rate }),
        ...(path.to.kind !== 'host' && { warmUp: WARM_UP_SECONDS }),
      },
    };
    const outcome = ends.length > 1 ? await this.#answered(ping, ends[1]!) : await this.#alone(ping);
    // Echoes that came late, and what nobody has sent back.
    for (const end of ends) this.#context.used.add(nameOf(end));
    const { sent, received, seconds: took, latency } = outcome;
    if (!latency) throw new Error(`${nameOf(path.from)}: timed nothing`);
    const { roundTrip, service, kicked } = latency;
    const unanswered = service.count > 0 ? service : kicked;
    return {
      sent: sent / took,
      received: received / took,
      times: path.to.kind === 'host' ? unanswered : roundTrip,
    };
  }

  async #alone(ping: Part): Promise<LoopOutcome> {
    const [running] = await this.#context.guests.start([ping]);
    return await running!.done;
  }

  async #answered(ping: Part, end: Part['end']): Promise<LoopOutcome> {
    const { seconds = 0, rate } = ping.loop;
    const idleMs = Math.ceil(IDLE_MS + (rate === undefined ? 0 : (IDLE_PACKETS * 1000) / rate));
    const loop: Loop = { op: 'echo', payload: 'stamp', seconds: seconds + PATIENCE_S, idleMs };
    const [echoing, pinging] = await this.#context.guests.start([{ end, loop }, ping]);
    try {
      return await pinging!.done;
    } finally {
      echoing!.stop();
      await echoing!.done;
    }
  }
}

/** Who drives a device or an interface: the one that pings first. */
function endsOf({ from, to }: Path): Part['end'][] {
  const ends = nameOf(from) === nameOf(to) ? [from] : [from, to];
  return ends.filter((end) => end.kind !== 'host');
}
