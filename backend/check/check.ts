// The check of a configuration: what it says, what this machine makes of it, and whether a host of it does what it says.
import type { HostConfig } from '../config/host-config.ts';
import { ControlError } from '../control/index.ts';
import { askHost, lookAtSaid } from './attached/asked.ts';
import { lookAtAttached, seenNow } from './attached/attached.ts';
import { readCommands, runningVms } from './attached/running.ts';
import { type Finding, warn } from './finding.ts';
import type { Machine } from './machine/machine.ts';
import { readMachine } from './machine/read.ts';
import { checkConfig } from './static.ts';

export interface CheckOptions {
  /** By a VM's name: the words of the QEMU command that starts it, where that is not the printed one. */
  readonly commands?: ReadonlyMap<string, readonly string[]>;
  /** Start a host of it in a folder of its own, with driver models on its devices, and try every path. */
  readonly live?: boolean;
  /** The same with QEMU and test guests: four VMs at most. QEMU and a kernel are fetched from Debian where they are not there. */
  readonly vm?: boolean;
  /** Look at the VMs that run and are attached, as they were started, and ask their host for a second how they fare. */
  readonly attached?: boolean;
  /** What is being tried. */
  readonly onProgress?: (what: string) => void;
  /** Ends what has been started; then the iteration fails with its reason. */
  readonly signal?: AbortSignal;
}

/** Each finding as it is made; the configuration has been loaded, so the file by itself is well. */
export async function* check(config: HostConfig, options: CheckOptions = {}): AsyncGenerator<Finding> {
  const { signal = new AbortController().signal, onProgress = () => {} } = options;
  const machine = await readMachine();
  if (options.attached) {
    yield* checkAttached(config, machine, options.commands);
    onProgress(`asking the host in '${config.runDir}'`);
    yield* checkAsked(config, signal);
  } else yield* checkConfig(config, machine, options.commands);
  if (!options.live && !options.vm) return;
  // Only who wants guests loads what they are made of.
  const { checkLive, checkVms } = await import('./live/live.ts');
  if (options.live) yield* checkLive(config, { signal, onProgress });
  if (options.vm) yield* checkVms(config, { signal, onProgress });
}

/** That a host serves the sockets is what is wanted here. */
function* checkAttached(
  config: HostConfig,
  machine: Machine,
  given: CheckOptions['commands'] = new Map(),
): Generator<Finding> {
  const running = runningVms(config, readCommands());
  const started = [...running].filter(([, { program }]) => program !== 'cloud-hypervisor');
  const commands = new Map([...started.map(([name, { command }]) => [name, command] as const), ...given]);
  yield* checkConfig(config, machine, commands).filter(({ id }) => id !== 'run-dir');
  yield* lookAtAttached(config, seenNow(machine.listening, running));
}

/** Whoever may not ask still has what the kernel says. */
async function* checkAsked(config: HostConfig, signal: AbortSignal): AsyncGenerator<Finding> {
  try {
    yield* lookAtSaid(config, await askHost(config.runDir, signal));
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    yield warn('attached-file', 'host', `the host was not asked: ${error.message}`, 'a user who may ask it');
  }
}
