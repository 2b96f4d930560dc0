// `ptnet up`: runs a host from a configuration file in the foreground.
import type { HostConfig } from '../config/host-config.ts';
import { loadConfig } from '../config/load.ts';
import { DEFAULT_RUN_DIR } from '../config/run-dir.ts';
import { configWarnings } from '../config/warnings.ts';
import { type AttachedVm, attachedVms } from '../hypervisor/attach.ts';
import type { Launcher } from '../hypervisor/launcher.ts';
import { formatCommand, qemuArguments } from '../hypervisor/qemu.ts';
import type { HostPrograms } from '../programs/programs.ts';
import { becomeGuard } from './guard.ts';
import type { Io } from './io.ts';
import { launcherHere } from './qemu-here.ts';

/** The part of a host that this command uses. */
export interface RunningHost {
  /** As it is now. */
  readonly config: HostConfig;
  /** The VMs that are attached now. */
  readonly attached: readonly string[];
  stats(): unknown;
  /** What programs run on it; a host that runs none has none. */
  readonly programs?: HostPrograms;
  close(): Promise<void>;
}

/** Instead of a configuration: the one that the host has which runs there, and is taken over. */
export interface AsItRuns {
  readonly runDir: string;
}

export interface HostOptions {
  /** SIGHUP makes it read the file again; else a terminal that is closed ends it, as it ends other programs. */
  readonly rereads?: boolean;
  /** Goes on in the place of the host that runs there. */
  readonly takeOver?: boolean;
  /** Is kept by who has started it for the case that it dies. */
  readonly keep?: boolean;
  /** What is printed is for programs. */
  readonly json?: boolean;
  /** The host that has started this process to go on in its place. */
  readonly startedBy?: number | undefined;
  /** Options of `ptnet upgrade` for a process that goes on in its place as it is. */
  readonly successor?: readonly string[];
}

/** A configuration, or what gives it where the host has none yet. */
export type StartHost = (
  config: HostConfig | AsItRuns | (() => HostConfig),
  options: HostOptions & { verbose: boolean; file?: string; overrides: { runDir?: string } },
) => Promise<RunningHost>;

export interface UpOptions {
  readonly json: boolean;
  readonly verbose: boolean;
  /** Seconds between two objects of counters; undefined: none. */
  readonly stats?: number;
  readonly runDir?: string;
  readonly takeover?: boolean;
  /** Is kept by who has started it, and goes on with what one that has died has left. */
  readonly keep?: boolean;
  readonly guard?: boolean;
  readonly startedBy?: number;
}

/** A VM as `--json` prints it; scripts read these keys. */
interface AttachPlan {
  readonly name: string;
  readonly program: string;
  readonly args: string[];
  readonly devices: readonly { name: string; port?: string; socketPath: string }[];
}

export async function up(file: string, options: UpOptions, io: Io, startHost: StartHost): Promise<void> {
  const overrides = options.runDir === undefined ? {} : { runDir: options.runDir };
  const load = () => {
    const config = loadConfig(file, overrides);
    for (const warning of configWarnings(config)) io.err(`warning: ${file}: ${warning}\n`);
    return config;
  };
  if (options.guard) {
    // What is wrong with it is said before anything is started.
    load();
    return becomeGuard();
  }
  const given = { ...hostOptions(options), file, overrides };
  // A file that is wrong by now does not stand in the way of a host that goes on.
  const config = options.keep ? load : load();
  await serve(options, io, () =>
    startHost(config, { ...given, ...(options.takeover && { takeOver: true }) }),
  );
}

function hostOptions({ verbose, keep = false, json, stats }: UpOptions) {
  const successor = [
    ...(keep ? ['--keep'] : []),
    ...(verbose ? ['--verbose'] : []),
    ...(json ? ['--json'] : []),
    ...(stats === undefined ? [] : ['--stats', String(stats)]),
  ];
  return { verbose, keep, json, rereads: true, successor };
}

/** `ptnet upgrade`: without a file the host's configuration stays, also what was changed since it was read from one. */
export async function upgrade(
  file: string | undefined,
  options: UpOptions,
  io: Io,
  startHost: StartHost,
): Promise<void> {
  if (file !== undefined) return up(file, { ...options, takeover: true }, io, startHost);
  const { runDir = DEFAULT_RUN_DIR } = options;
  await serve({ ...options, takeover: true }, io, () =>
    startHost(
      { runDir },
      { ...hostOptions(options), overrides: { runDir }, takeOver: true, startedBy: options.startedBy },
    ),
  );
}

async function serve(options: UpOptions, io: Io, start: () => Promise<RunningHost>): Promise<void> {
  // Whoever waits for one that goes on does not wait for QEMU to be looked for.
  const going = options.keep || options.takeover ? await start() : undefined;
  const launcher = await launcherHere();
  const host = going ?? (await start());
  const timer = options.stats === undefined ? undefined : setInterval(report, options.stats * 1000);
  function report(): void {
    io.out(`${JSON.stringify(host.stats())}\n`);
  }
  try {
    const plans = attachedVms(host.config).map((vm) => attachPlan(vm, launcher));
    if (options.json) io.out(`${JSON.stringify({ vms: plans })}\n`);
    // Where results go to stdout, what is for people goes to stderr.
    const say = options.json || options.stats !== undefined ? io.err : io.out;
    say(describe(plans, launcher));
    await io.untilStopped();
  } finally {
    clearInterval(timer);
    await host.close();
  }
}

function attachPlan(vm: AttachedVm, { program, prefix, accels }: Launcher): AttachPlan {
  return {
    name: vm.name,
    program,
    args: [...prefix, ...qemuArguments(vm, accels)],
    devices: vm.devices.map(({ name, port, socketPath }) => ({
      name,
      ...(port !== undefined && { port }),
      socketPath,
    })),
  };
}

function describe(plans: readonly AttachPlan[], { notes }: Launcher): string {
  const vms = plans.map(({ name, program, args, devices }) => {
    const ports = devices.flatMap((device) =>
      device.port === undefined ? [] : [`${device.name} is ${device.port}`],
    );
    return `# ${name}: ${ports.join(', ')}\n${formatCommand(program, args)}\n\n`;
  });
  const intro = `# Start each VM with its own disk added, or by 'ptnet run'.\n${notes.map((note) => `# ${note}\n`).join('')}\n`;
  return `${intro}${vms.join('')}# The host is running; Ctrl-C ends it.\n`;
}
