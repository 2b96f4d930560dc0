// The process that takes a host over: asks for it, builds all of it beside the one that serves, and serves when that one has let go.
import { handover } from '../../native/handover.ts';
import type { HostConfig } from '../config/host-config.ts';
import { ConfigurationError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Logger } from '../log.ts';
import { isServed } from '../sockets.ts';
import { VERSION } from '../version.ts';
import { hasEnded } from './process.ts';
import { type Rebuilt, readDraft, rebuild, type TakenKept } from './rebuild.ts';
import { type Message, PROTOCOL, STATE } from './state.ts';
import { HandoverError, Wire } from './wire.ts';

const PATIENCE_MS = 5000;
/** More than the host there takes before it gives that up. */
const RENEWAL_MS = 45_000;
/** A process that the kernel is taking apart: its descriptors go a little before it does. */
const DYING_MS = 2000;

export interface TakerOptions<T> {
  readonly path: string;
  readonly runDir: string;
  /** A socket of the host that is not for this: it tells whether one runs there. */
  readonly controlPath: string;
  readonly log: Logger;
  /** What takes its time and can be known before anybody waits for it, of a host of this configuration. */
  rehearse?(running: HostConfig): void;
  /** Whatever is to serve beside the host, ready to, before the other one lets go; its clients may not be there yet. What it throws ends it all. */
  complete(built: Omit<Rebuilt, 'go' | 'kept'>): T;
  /** The host with its clients, which nobody has served yet, and what it is to be kept with: what it throws ends it all. */
  check(host: Host, kept: TakenKept | undefined): void;
  /** Brings a configuration of its own. */
  readonly file: boolean;
  /** The host that has started this process to go on in its place. */
  readonly startedBy?: number | undefined;
  /** The host there has started a process that goes on, and has ended. Does not return. */
  renewed(pid: number): never;
  /** The other one has let go: from now on a signal is for a host that serves. */
  beforeServing?(): void;
  readonly patienceMs?: number;
}

/**
 * What complete() gave; its host serves when this returns, and the event loop has not turned meanwhile. @throws ConfigurationError with
 * a line for people: the other host goes on. The process is to end then by exitNow(), with nothing undone: what it has is that host's too.
 */
export function takeOver<T>({ path, runDir, controlPath, log, ...options }: TakerOptions<T>): T {
  const wire = new Wire(connect(path, runDir, controlPath));
  wire.deadline = performance.now() + (options.patienceMs ?? PATIENCE_MS);
  try {
    const { file, startedBy } = options;
    // Whoever refuses may have hung up before this arrives: what it has said is read then.
    say(wire, { kind: 'hello', protocol: PROTOCOL, state: STATE, version: VERSION, file, startedBy });
    const answer = wire.receive();
    if (answer?.kind === 'renewing') {
      wire.deadline = performance.now() + RENEWAL_MS;
      return options.renewed(expect(wire.receive(), 'renewed').pid);
    }
    const plan = expect(answer, 'plan');
    // Whether it lives is all that tells whether it has let go, if it says nothing any more.
    if (hasEnded(plan.pid, 0)) throw new HandoverError(`process ${plan.pid}: cannot be seen from here`);
    const drafted = wire.receiveState(expect(wire.receive(), 'draft'));
    const draft = readDraft(drafted.text, drafted.fds, { runDir, log });
    options.rehearse?.(draft.config);
    const early = draft.built && { completed: options.complete(draft.built) };
    say(wire, { kind: 'go' });
    const { text, fds } = wire.receiveState(expect(wire.receive(), 'state'));
    const { rebuilt, completed } = prepare(wire, () => {
      const rebuilt = rebuild(text, fds, draft, { runDir, log });
      const { completed } = early ?? { completed: options.complete(rebuilt) };
      options.check(rebuilt.host, rebuilt.kept);
      return { rebuilt, completed };
    });
    // It may have been killed meanwhile, and everything is here: what it answers, or that it cannot, is what counts.
    say(wire, { kind: 'prepared' });
    awaitCommit(wire, plan.pid, rebuilt.kept !== undefined);
    options.beforeServing?.();
    // First this: until it is said the other one may go on, if this process ends.
    say(wire, { kind: 'serving' });
    rebuilt.go();
    wire.close();
    return completed;
  } catch (error) {
    const why =
      error instanceof HandoverError ? error.message : `a fault of ours: ${(error as Error).message}`;
    throw new ConfigurationError(`${runDir}: not taken over, the host there goes on: ${why}`, {
      cause: error,
    });
  }
}

function connect(path: string, runDir: string, controlPath: string): number {
  try {
    return handover.packetsConnect(path);
  } catch (error) {
    const why = isServed(controlPath)
      ? "a host is there, but not one that can be taken over: one that 'ptnet up' has started would be right"
      : "no host is there: 'ptnet up FILE', which starts one, would be right";
    throw new ConfigurationError(`${runDir}: ${why}`, { cause: error });
  }
}

function expect<Kind extends Message['kind']>(
  message: Message | undefined,
  kind: Kind,
): Extract<Message, { kind: Kind }> {
  if (message === undefined) throw new HandoverError('the host there ended');
  if (message.kind === 'refused' || message.kind === 'failed') throw new HandoverError(message.why);
  if (message.kind !== kind) throw new HandoverError(`${message.kind}: ${kind} was expected`);
  return message as Extract<Message, { kind: Kind }>;
}

function prepare<T>(wire: Wire, build: () => T): T {
  try {
    return build();
  } catch (error) {
    const { message } = error as Error;
    say(wire, { kind: 'failed', why: message.slice(0, 10_000) });
    throw new HandoverError(message, { cause: error });
  }
}

/** Until the other one has let go, or is no more: what it had is ours then, and nobody else's. */
function awaitCommit(wire: Wire, pid: number, kept: boolean): void {
  const message = wire.receive();
  if (message !== undefined) {
    expect(message, 'commit');
    return;
  }
  // Another process is started for one that has died.
  if (kept) throw new HandoverError('the host there has ended, and is kept');
  // Who hangs up and lives goes on himself.
  if (!hasEnded(pid, DYING_MS)) throw new HandoverError('the host there has hung up');
}

function say(wire: Wire, message: Message): void {
  try {
    wire.send(message);
  } catch {
    // It has gone, and need not know.
  }
}
