// `ptnet run`: one VM of a file, started: its host if none serves it, QEMU with the user's image, and the end of both.
import { getQemu, locateQemu, type Qemu } from '../../vm-images/fetch.ts';
import { loadConfig } from '../config/load.ts';
import { configWarnings } from '../config/warnings.ts';
import { PtnetError } from '../errors.ts';
import { type AttachedVm, attachedVms } from '../hypervisor/attach.ts';
import { QEMU_VERSION_MIN } from '../hypervisor/launcher.ts';
import { qemuArguments } from '../hypervisor/qemu.ts';
import { selectVms } from '../hypervisor/select-vms.ts';
import { checkUserArguments, consoleArguments, saysAccel } from '../hypervisor/user-arguments.ts';
import { isServed } from '../sockets.ts';
import type { Io } from './io.ts';
import { runQemu } from './qemu-child.ts';
import { launcherOf, missing } from './qemu-here.ts';
import type { RunningHost, StartHost } from './up.ts';

export interface RunOptions {
  readonly fetch: boolean;
  readonly verbose: boolean;
  readonly runDir?: string;
}

/** How often it looks whether the other VMs of its host have gone. */
const LOOK_MS = 500;

/** @param args QEMU's, the user's own. */
export async function runVm(
  file: string,
  name: string,
  args: readonly string[],
  options: RunOptions,
  io: Io,
  startHost: StartHost,
): Promise<void> {
  const overrides = options.runDir === undefined ? {} : { runDir: options.runDir };
  const config = loadConfig(file, overrides);
  const vm = selectVms(attachedVms(config), name, file)[0]!;
  checkUserArguments(args, name);
  const launcher = await launcherOf(await findQemu(options));
  const ours = qemuArguments(vm, saysAccel(args) ? [] : launcher.accels);
  const command = [launcher.program, ...launcher.prefix, ...ours, ...consoleArguments(args), ...args];
  const served = isServed(vm.devices[0]!.socketPath);
  let host: RunningHost | undefined;
  if (!served) {
    for (const warning of configWarnings(config)) io.err(`warning: ${file}: ${warning}\n`);
    host = await startHost(config, { verbose: options.verbose, file, overrides });
  }
  try {
    const where = served ? `the host that runs in ${config.runDir}` : 'a host of its own';
    io.err(`ptnet: ${name}: ${launcher.notes.join('; ')}; ${where}\n`);
    const exit = await runQemu(command, io);
    if (host) await othersGone(host, vm, io);
    if (exit.exitCode !== 0 && !exit.asked) {
      const how = exit.signal ?? `exit code ${exit.exitCode}`;
      const hint = served ? `; a VM that is attached to this host already cannot be attached once more` : '';
      throw new PtnetError('ERR_QEMU', `${name}: QEMU ended with ${how}: it says why above${hint}`);
    }
  } finally {
    await host?.close();
  }
}

async function findQemu({ fetch }: RunOptions): Promise<Qemu> {
  if (fetch) return await getQemu();
  const qemu = await locateQemu();
  if ('version' in qemu) return qemu;
  throw new PtnetError(
    'ERR_NO_QEMU',
    `${missing(qemu.why)}: QEMU ${QEMU_VERSION_MIN} or newer on the PATH would be right, or --fetch, which unpacks Debian's into the cache (root, on a Debian)`,
  );
}

/** Those that have used this host would lose their devices with it. */
async function othersGone(host: RunningHost, vm: AttachedVm, io: Io): Promise<void> {
  const others = (): string[] => host.attached.filter((name) => name !== vm.name);
  if (others().length === 0) return;
  io.err(
    `ptnet: ${vm.name} has ended; the host stays for ${others().join(', ')}, until they end or Ctrl-C ends it\n`,
  );
  let stopped = false;
  void io.untilStopped().then(() => {
    stopped = true;
  });
  while (!stopped && others().length > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
