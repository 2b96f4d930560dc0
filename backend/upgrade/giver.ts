// The host that is to be taken over: listens for who wants to, stands still for him, and ends when he serves, or goes on as if nothing had been asked.
import { handover } from '../../native/handover.ts';
import { closeFd, peerCredentials, type Watch, watchReadable } from '../../native/os.ts';
import type { Complaints } from '../complaints.ts';
import type { HostConfig } from '../config/host-config.ts';
import type { Host } from '../host.ts';
import { VERSION } from '../version.ts';
import { describe, type KeptWith } from './describe.ts';
import { resumeMembers, suspendMembers } from './interfaces.ts';
import { obstacles } from './obstacles.ts';
import { type Manager, Renewal } from './renewal.ts';
import { PROTOCOL, STATE } from './state.ts';
import { HandoverError, Wire } from './wire.ts';

/** For all of it, from the first word to the last; what it takes longer is given up. */
const PATIENCE_MS = 5000;
/** For what clients have sent already to be dealt with. */
const SETTLE_MS = 2000;
/** For one that was killed to be seen to have ended. */
const KILLED_MS = 1000;
const EXIT_FAILED = 1;
/** For one that is refused to say what it wants. */
const DISMISSED_MS = 1000;

export interface GiverOptions {
  readonly host: Host;
  /** In the run-dir. */
  readonly path: string;
  readonly complaints: Complaints;
  /** Why this host must not be taken over, whatever it has; none: it may. */
  readonly forbidden?: string | undefined;
  /** The file that it is read from. */
  readonly file?: string | undefined;
  /** Sockets of the host's own, by name. */
  own(): ReadonlyMap<string, number>;
  /** What it is kept with for the case that it dies; undefined: it is not. */
  kept?(): KeptWith | undefined;
  /** Who would take its end for the service's; none: whoever asks is the one who goes on. */
  readonly manager?: Manager | undefined;
  /** Ends the process at once, with nothing undone. */
  end(code: number): void;
  readonly patienceMs?: number;
}

/** What its regions depend on: who has what of them changes with the configuration, and by programs. */
interface Moment {
  readonly config: HostConfig;
  readonly connections: number | undefined;
}

export class Giver {
  readonly #options: GiverOptions;
  readonly #socket: number;
  readonly #watch: Watch;
  /** One at a time. */
  #talk: { readonly wire: Wire; watch?: Watch; timer?: NodeJS.Timeout } | undefined;
  /** Until it has ended; then the one that goes on is a process that this one has started. */
  #renewal: Renewal | undefined;
  /** When it was drafted last. */
  #drafted: Moment | undefined;
  #closed = false;

  /** @param socket that listens at `path` already. @throws SystemError */
  constructor(options: GiverOptions, socket?: number) {
    this.#options = options;
    this.#socket = socket ?? handover.packetsListen(options.path, 0o600);
    this.#watch = watchReadable(this.#socket, () => this.#greet());
  }

  /** It listens; for who goes on with it. */
  get socket(): number {
    return this.#socket;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#hangUp();
    this.#renewal?.close();
    this.#watch.close();
    closeFd(this.#socket);
  }

  #greet(): void {
    const fd = handover.packetsAccept(this.#socket);
    if (fd === undefined) return;
    const wire = new Wire(fd);
    const { uid, pid } = peerCredentials(fd);
    const mine = process.geteuid?.();
    const busy = this.#talk !== undefined || (this.#renewal !== undefined && this.#renewal.pid !== pid);
    if (busy || (uid !== 0 && uid !== mine)) {
      const why = busy ? 'another process is taking it over' : `uid ${uid} is neither root nor ${mine}`;
      dismiss(wire, why);
      return;
    }
    const patience = this.#options.patienceMs ?? PATIENCE_MS;
    wire.deadline = performance.now() + patience;
    this.#talk = { wire, timer: setTimeout(() => this.#hangUp(), patience) };
    this.#await((wire) => this.#plan(wire));
  }

  /** What has come is dealt with by `then`, on the event loop; between two messages everybody is served. */
  #await(then: (wire: Wire) => void): void {
    const talk = this.#talk;
    if (talk === undefined) return;
    talk.watch = watchReadable(talk.wire.fd, () => {
      talk.watch?.close();
      delete talk.watch;
      try {
        then(talk.wire);
      } catch (error) {
        this.#failed(talk.wire, error as Error);
      }
    });
  }

  #hangUp(): void {
    const talk = this.#talk;
    this.#talk = undefined;
    if (talk === undefined) return;
    clearTimeout(talk.timer);
    talk.watch?.close();
    talk.wire.close();
  }

  #refuse(wire: Wire, why: string): void {
    this.#renewal?.because(why);
    say(wire, { kind: 'refused', why });
  }

  #failed(wire: Wire, error: Error): void {
    this.#refuse(wire, error.message);
    this.#options.complaints.add(
      'takeover failed',
      `a takeover came to nothing: ${error.message}: this process goes on`,
      {
        details: { err: error },
      },
    );
    this.#hangUp();
  }

  #plan(wire: Wire): void {
    const hello = wire.receive();
    if (hello === undefined) {
      this.#hangUp();
      return;
    }
    if (hello.kind !== 'hello') throw new HandoverError(`${hello.kind}: hello was expected`);
    const { host, forbidden, manager, own, file, kept } = this.#options;
    const lines = forbidden === undefined ? obstacles(host) : [forbidden];
    if (hello.protocol !== PROTOCOL || hello.state !== STATE)
      lines.unshift(
        `it speaks version ${PROTOCOL} of this protocol, with state ${STATE}, not ${hello.protocol} with ${hello.state}`,
      );
    const { startedBy } = hello;
    if (startedBy !== undefined && startedBy !== process.pid)
      lines.push(
        `process ${startedBy}, which has started it to go on in its place, is not the host any more`,
      );
    const renews = manager !== undefined && this.#renewal === undefined;
    if (renews && hello.file)
      lines.push(
        "it is managed, and starts with its own file: 'ptnet upgrade' without one would be right, and SIGHUP when that has changed",
      );
    if (lines.length > 0) {
      this.#refuse(wire, lines.join('\n'));
      this.#hangUp();
      return;
    }
    if (renews) {
      this.#renew(wire, manager);
      return;
    }
    this.#drafted = this.#now();
    wire.send({ kind: 'plan', protocol: PROTOCOL, state: STATE, version: VERSION, pid: process.pid });
    const { state, fds } = describe(host, own(), { as: 'draft', file, kept: kept?.() });
    wire.sendState('draft', JSON.stringify(state), fds);
    this.#await((wire) => void this.#go(wire));
  }

  /** Whoever asks hears how it ends; the next who comes is the one that is started here. */
  #renew(wire: Wire, manager: Manager): void {
    clearTimeout(this.#talk?.timer);
    this.#talk = undefined;
    wire.deadline = Number.POSITIVE_INFINITY;
    const { host, complaints } = this.#options;
    this.#renewal = new Renewal(wire, manager.start(host.config.runDir), (why) => {
      this.#renewal = undefined;
      complaints.add('takeover failed', `an upgrade came to nothing: ${why}: this process goes on`);
    });
  }

  #now(): Moment {
    const { config, insides } = this.#options.host;
    return { config, connections: insides.applications?.counted.door.connections };
  }

  async #go(wire: Wire): Promise<void> {
    const { host, complaints } = this.#options;
    try {
      const go = wire.receive();
      if (go === undefined) return this.#hangUp();
      if (go.kind !== 'go') throw new HandoverError(`${go.kind}: go was expected`);
      const { applications, kick } = host.insides;
      applications?.pause();
      kick.pause();
      try {
        await this.#settle();
        if (this.#closed) return;
        this.#give(wire);
      } finally {
        if (!this.#closed) {
          kick.resume();
          applications?.resume();
        }
      }
    } catch (error) {
      if (this.#closed) return;
      if (this.#talk?.wire === wire) this.#failed(wire, error as Error);
      else complaints.add('takeover failed', `a takeover came to nothing: ${(error as Error).message}`);
    }
  }

  /** What was read before the kick thread stood still is dealt with, in turn with everything else. */
  async #settle(): Promise<void> {
    const { kick, server } = this.#options.host.insides;
    const until = performance.now() + SETTLE_MS;
    while (!kick.settled(server.sessions)) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (this.#closed) return;
      if (this.#talk === undefined) throw new HandoverError('it took too long');
      if (performance.now() > until)
        throw new HandoverError('a client does not read what it has been answered');
    }
  }

  /** The event loop does not turn before it is over: nothing changes meanwhile but by this. Returns when it came to nothing. */
  #give(wire: Wire): void {
    const { host, own, end, file, kept, manager } = this.#options;
    const drafted = this.#drafted;
    // A file can say what could be said then.
    const lines = obstacles(host, drafted?.config);
    if (lines.length > 0) throw new HandoverError(lines.join('\n'));
    const { broker } = host.insides;
    let handed = false;
    try {
      suspendMembers(host);
      broker.suspend();
      const { config, connections } = this.#now();
      const same = config === drafted?.config && connections === drafted.connections;
      const as = same ? 'as drafted' : 'state';
      const { state, fds } = describe(host, own(), { as, file, kept: kept?.() });
      wire.sendState('state', JSON.stringify(state), fds);
      const answer = wire.receive();
      if (answer === undefined) throw new HandoverError('the new process ended before it had everything');
      if (answer.kind !== 'prepared')
        throw new HandoverError(
          answer.kind === 'failed' ? answer.why : `${answer.kind}: prepared was expected`,
        );
      if (manager?.keeps) {
        const heard = this.#hand(manager);
        handed = true;
        if (!heard)
          throw new HandoverError('its manager does not say whether it has heard which process goes on');
      }
      wire.send({ kind: 'commit' });
      if (!this.#otherServes(wire))
        throw new HandoverError('the new process ended, or was ended, before it served anybody');
    } catch (error) {
      // There is no way back: the end of that process has another one started, which goes on with the same.
      if (handed) {
        end(EXIT_FAILED);
        return;
      }
      broker.resume();
      resumeMembers(host);
      throw error;
    }
    try {
      if (manager && !manager.keeps) this.#hand(manager);
    } catch (error) {
      this.#options.complaints.add('not heard', (error as Error).message, { level: 'error' });
    }
    this.#renewal?.succeeded();
    end(0);
  }

  /** @returns whether it is known that it was heard. @throws HandoverError when it was not */
  #hand(manager: Manager): boolean {
    try {
      return manager.succeed(this.#renewal!.pid);
    } catch (error) {
      throw new HandoverError(`its manager does not hear which process goes on: ${(error as Error).message}`);
    }
  }

  /** Behind the commit. Whoever does not say it in time is ended: only then is it known that it never will. */
  #otherServes(wire: Wire): boolean {
    const { pid } = peerCredentials(wire.fd);
    wire.deadline = performance.now() + (this.#options.patienceMs ?? PATIENCE_MS);
    for (;;) {
      try {
        const message = wire.receive();
        if (message === undefined) return false;
        if (message.kind === 'serving') return true;
      } catch {
        // Too late, or no message: what it has said before it ended is still read.
      }
      kill(pid);
      wire.deadline = performance.now() + KILLED_MS;
    }
  }
}

function say(wire: Wire, message: Parameters<Wire['send']>[0]): void {
  try {
    wire.send(message);
  } catch {
    // Whoever asked has gone.
  }
}

/** Hangs up when it has said something: an end with something unread is an error, which comes before what was said to it. */
function dismiss(wire: Wire, why: string): void {
  say(wire, { kind: 'refused', why });
  const end = () => {
    watch.close();
    clearTimeout(timer);
    wire.deadline = performance.now();
    try {
      wire.receive();
    } catch {
      // Nothing, or no message.
    }
    wire.close();
  };
  const watch = watchReadable(wire.fd, end);
  const timer = setTimeout(end, DISMISSED_MS).unref();
}

/** 0 is one that cannot be seen from here. */
function kill(pid: number): void {
  if (pid <= 0) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, or is another user's: its end is waited for.
  }
}
