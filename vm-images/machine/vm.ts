/** A test VM: QEMU with vfio-user devices, a Debian kernel and the in-VM agent. */

import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CpioEntry } from '../cpio.ts';
import { getKernel, getQemu } from '../fetch.ts';
import { buildInitramfs, writeInitramfs } from '../initramfs.ts';
import { Agent, type AgentJob, type AgentOptions, type AgentResult, READY } from './agent.ts';
import { agentBinary } from './agent-binary.ts';
import { Console } from './console.ts';
import { VmError } from './errors.ts';
import { Logs } from './logs.ts';
import { type Machine, qemuArguments } from './qemu-args.ts';
import { type Exit, QemuProcess } from './qemu-process.ts';
import { type Qmp, QmpListener } from './qmp.ts';

const START_TIMEOUT_MS = 30_000;
/** Boot takes 4 s of an idle core; test machines are not idle. */
const BOOT_TIMEOUT_MS = 120_000;
const QUIT_TIMEOUT_MS = 5_000;
const GIVE_UP_MS = 2_000;

export interface VmOptions {
  readonly name: string;
  readonly machine?: Machine;
  readonly memory?: string;
  readonly smp?: number;
  /** Default: software emulation, which is everywhere. */
  readonly accel?: 'kvm' | 'tcg';
  /** vfio-user sockets, one device each: the memory device first. */
  readonly sockets?: readonly string[];
  /** The folder in which this VM's log folder is made; default: logs/ of the project. */
  readonly logDir?: string;
  /** A static program to run as /init; default: the agent, built when it is missing or stale. */
  readonly init?: string;
  /** The whole initramfs, instead of one with only `init`: what is in it, or the path of one that is there. */
  readonly initramfs?: readonly CpioEntry[] | string;
  /** The path of a bzImage, instead of the usual one. */
  readonly kernel?: string;
  /** Added to QEMU's command line. */
  readonly qemuArguments?: readonly string[];
  /** Added to the kernel's command line. */
  readonly append?: string;
  /** A command that QEMU is run with and that becomes QEMU, such as one that enters a namespace. */
  readonly within?: readonly string[];
}

/** Sockets and initramfs of VMs that were not stopped, removed when this process ends. */
const folders = new Set<string>();
process.on('exit', () => [...folders].forEach(removeFolder));

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

interface Parts {
  readonly options: VmOptions;
  readonly machine: Machine;
  readonly process: QemuProcess;
  readonly qmp: Qmp;
  readonly logs: Logs;
  readonly folder: string;
}

/** The path of the initramfs. */
async function makeInitramfs({ initramfs, init }: VmOptions, out: string): Promise<string> {
  if (typeof initramfs === 'string') return initramfs;
  if (initramfs) await writeInitramfs(initramfs, out);
  else await buildInitramfs(init ?? (await agentBinary()), out);
  return out;
}

/** Starts QEMU and waits until it has taken its command line: it connects to the monitor before it opens devices. */
async function launch(options: VmOptions, folder: string, logs: Logs): Promise<Parts> {
  const machine = options.machine ?? 'pc';
  const [qemu, kernel, initramfs] = await Promise.all([
    getQemu(),
    options.kernel ?? getKernel(),
    makeInitramfs(options, join(folder, 'initramfs.gz')),
  ]);
  const qmpSocket = join(folder, 'qmp');
  const listener = await QmpListener.listen(qmpSocket);
  const process = QemuProcess.spawn(
    qemu,
    qemuArguments({
      machine,
      memory: options.memory ?? '256M',
      smp: options.smp ?? 1,
      accel: options.accel ?? 'tcg',
      kernel,
      initramfs,
      ...(options.append !== undefined && { append: options.append }),
      sockets: options.sockets ?? [],
      more: options.qemuArguments ?? [],
      qmpSocket,
    }),
    logs,
    options.within,
  );
  const record = (line: string) => logs.append('qmp.log', `${line}\n`);
  try {
    const qmp = await Promise.race([listener.accept(record), failure(options.name, process)]);
    return { options, machine, process, qmp, logs, folder };
  } catch (error) {
    throw await explain(options.name, process, error);
  } finally {
    listener.close();
  }
}

/** A QEMU that gives up closes the monitor first: what it printed then says more than the closed connection. */
async function explain(name: string, process: QemuProcess, error: unknown): Promise<unknown> {
  const timer = setTimeout(() => process.kill('SIGKILL'), GIVE_UP_MS);
  const exit = await process.exited;
  clearTimeout(timer);
  return exit.signal === 'SIGKILL'
    ? error
    : new VmError(`${name}: ${process.describe(exit)}`, { cause: error });
}

async function failure(name: string, process: QemuProcess): Promise<never> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, START_TIMEOUT_MS, `no answer on its monitor in ${START_TIMEOUT_MS / 1000} s`);
  });
  const why = await Promise.race([late, process.exited.then((exit) => process.describe(exit))]);
  clearTimeout(timer);
  throw new VmError(`${name}: ${why}`);
}

export class Vm {
  readonly name: string;
  readonly machine: Machine;
  readonly console: Console;
  readonly qmp: Qmp;
  /** Resolves when QEMU has ended, however it did. */
  readonly exited: Promise<Exit>;
  readonly #parts: Parts;
  readonly #agent: Agent;
  #failed = false;
  #boot: Promise<void> | undefined;

  private constructor(parts: Parts) {
    this.name = parts.options.name;
    this.machine = parts.machine;
    this.console = new Console(parts.process.stdout, parts.process.stdin, {
      name: this.name,
      record: (bytes) => parts.logs.append('console.log', bytes),
    });
    this.#agent = new Agent(this.name, this.console);
    this.qmp = parts.qmp;
    this.exited = parts.process.exited;
    this.#parts = parts;
    void this.exited.then((exit) => this.#agent.fail(this.console.error(parts.process.describe(exit))));
  }

  /** Resolves when QEMU runs and has connected to all devices; the guest is still booting. */
  static async start(options: VmOptions): Promise<Vm> {
    // Not below the log folder: a Unix socket's path is short.
    const folder = await mkdtemp(join(tmpdir(), 'ptnet-vm-'));
    folders.add(folder);
    const logs = new Logs(options.name, options.logDir);
    try {
      return new Vm(await launch(options, folder, logs));
    } catch (error) {
      removeFolder(folder);
      if (error instanceof Error) error.message += `\nlogs: ${logs.folder}`;
      throw error;
    }
  }

  get pid(): number {
    return this.#parts.process.pid;
  }

  get logFolder(): string {
    return this.#parts.logs.folder;
  }

  /** Waits until the agent takes commands; returns at once when it does already. */
  async ready(options: { timeoutMs?: number } = {}): Promise<void> {
    this.#boot ??= this.#waitReady(0, options.timeoutMs);
    await this.#boot;
  }

  /** Runs a command of the agent; rejects with an AgentError when it says `ok: false`. */
  agent(command: string, options?: AgentOptions): Promise<AgentResult> {
    return this.#orKeepLogs(this.agentStart(command, options).done);
  }

  /** Starts a command of the agent; commands run one after another. */
  agentStart(command: string, options?: AgentOptions): AgentJob {
    return this.#agent.start(command, options);
  }

  /** Has the guest restart itself and waits until the agent is back. */
  async reboot(): Promise<void> {
    this.#boot = this.#waitReady(this.console.position);
    this.console.writeLine('reboot');
    await this.#boot;
  }

  /** Resets the machine as a reset button does, without the guest's help, and waits until the agent is back. */
  async reset(): Promise<void> {
    this.#boot = this.#waitReady(this.console.position);
    await this.qmp.command('system_reset');
    await this.#boot;
  }

  /** Has the guest switch itself off and waits until QEMU has ended. */
  async poweroff(): Promise<Exit> {
    this.console.writeLine('poweroff');
    return await this.exited;
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#parts.process.kill(signal);
  }

  /** Tells that the test failed: the logs stay. */
  keepLogs(): void {
    this.#failed = true;
  }

  /** Ends QEMU if it still runs, and removes the logs unless something went wrong. */
  async stop(): Promise<void> {
    this.qmp.command('quit').catch(() => {});
    const timer = setTimeout(() => this.kill('SIGKILL'), QUIT_TIMEOUT_MS);
    await this.exited;
    clearTimeout(timer);
    this.qmp.close();
    removeFolder(this.#parts.folder);
    if (!this.#failed) this.#parts.logs.remove();
  }

  #waitReady(from: number, timeoutMs = BOOT_TIMEOUT_MS): Promise<void> {
    const ready = this.#orKeepLogs(this.#agentReady(from, timeoutMs));
    // Its failure may be looked at later, or never when the test fails for another reason first.
    ready.catch(() => {});
    return ready;
  }

  async #agentReady(from: number, timeoutMs: number): Promise<void> {
    const end = await this.console.waitFor(READY, { from, timeoutMs });
    await this.console.waitFor('\n', { from: end, timeoutMs });
  }

  async #orKeepLogs<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.keepLogs();
      throw error;
    }
  }
}

/** Runs `test` with a VM that is ready, and stops the VM afterwards; when `test` throws, the logs stay. */
export async function withVm<T>(options: VmOptions, test: (vm: Vm) => Promise<T>): Promise<T> {
  const vm = await Vm.start(options);
  try {
    await vm.ready();
    return await test(vm);
  } catch (error) {
    vm.keepLogs();
    if (error instanceof Error) error.message += `\nlogs: ${vm.logFolder}`;
    throw error;
  } finally {
    await vm.stop();
  }
}
