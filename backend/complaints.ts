// Counts what a guest or a peer causes and logs it by cause, at a rate that nothing they do can raise.
import type { Logger } from './log.ts';

/** A peer cannot make more causes than this, whatever it sends; those of 32 rings and of its messages have room. */
const MAX_CAUSES = 512;
const OTHER = 'other';
/** A cause is said when its count has grown tenfold, or when it comes again after this long; what was not said by then is summed up. */
const QUIET_MS = 60_000;

type Level = 'debug' | 'info' | 'warn' | 'error';

interface Cause {
  count: number;
  /** The count that the last line was about, and when that was. */
  said: number;
  saidAt: number;
  text: string;
  level: Level;
}

/** What was complained of, for another process. */
export interface CauseState extends Omit<Cause, 'saidAt'> {
  readonly cause: string;
  readonly saidAgoMs: number;
}

export interface ComplaintOptions {
  readonly level?: Level;
  /** More fields of the log line. */
  readonly details?: object;
  /** How many there were; 1 when not given. */
  readonly times?: number;
  /** So many of this cause are said one by one, before it is said ever more rarely; 1 when not given. */
  readonly freely?: number;
}

/** The one way into the log for whatever a guest or a peer can cause, and the only one that the host's parts have: one for each device. */
export class Complaints {
  readonly #log: Logger;
  readonly #object: string;
  /** The same as fields of a line. */
  readonly #who: object;
  readonly #now: () => number;
  readonly #causes = new Map<string, Cause>();

  /** `object` is what every line begins with: the device and so the VM. */
  constructor(log: Logger, object: string, now: () => number = Date.now) {
    this.#log = log;
    this.#object = object;
    const [vm, device] = object.split('/');
    this.#who = device === undefined ? { object } : { vm, device };
    this.#now = now;
  }

  get counters(): Readonly<Record<string, number>> {
    const faults = [...this.#causes].filter(([, { level }]) => level === 'warn' || level === 'error');
    return Object.fromEntries(faults.map(([cause, { count }]) => [cause, count]));
  }

  get state(): CauseState[] {
    const now = this.#now();
    return [...this.#causes].map(([cause, { saidAt, ...rest }]) => ({
      cause,
      ...rest,
      saidAgoMs: Math.max(now - saidAt, 0),
    }));
  }

  /** Counts on from what another process has counted, and said. */
  countOn(causes: readonly CauseState[]): void {
    for (const { cause, saidAgoMs, ...rest } of causes)
      this.#causes.set(cause, { ...rest, saidAt: this.#now() - saidAgoMs });
  }

  add(cause: string, text: string, options: ComplaintOptions = {}): void {
    const { level = 'warn', details = {}, times = 1, freely = 1 } = options;
    const key = this.#causes.has(cause) || this.#causes.size < MAX_CAUSES ? cause : OTHER;
    const found = this.#causes.get(key) ?? { count: 0, said: 0, saidAt: 0, text, level };
    this.#causes.set(key, found);
    found.count += times;
    found.text = text;
    found.level = level;
    const now = this.#now();
    const due = found.count <= freely || found.count >= 10 * found.said || now - found.saidAt >= QUIET_MS;
    if (due) this.#say(key, found, now, details);
  }

  /** Says what was only counted so far, of causes that are not new. Call it now and then, and at the end. */
  sumUp({ all = false } = {}): void {
    const now = this.#now();
    for (const [key, cause] of this.#causes) {
      if (cause.count > cause.said && (all || now - cause.saidAt >= QUIET_MS)) this.#say(key, cause, now, {});
    }
  }

  #say(key: string, cause: Cause, now: number, details: object): void {
    const { count, text, level } = cause;
    cause.said = count;
    cause.saidAt = now;
    const times = count === 1 ? '' : ` (${count} times)`;
    this.#log[level](
      { event: eventOf(key), ...this.#who, count, ...details },
      `${this.#object}: ${text}${times}`,
    );
  }
}

/** What has happened, as a name that programs look for: `no-descriptor-left`. */
function eventOf(cause: string): string {
  return cause
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}
