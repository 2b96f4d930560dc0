/** A VM with one of Debian's kernels, a shell and network tools: runs commands in it and watches its kernel's log for what must not be there. */

import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type CpioEntry, writeCpio } from '../../vm-images/cpio.ts';
import type { LinuxKernel, LinuxName } from '../../vm-images/linux.ts';
import { getLinuxGuest } from '../../vm-images/linux-image.ts';
import { PANIC } from '../../vm-images/machine/agent.ts';
import { VmError } from '../../vm-images/machine/errors.ts';
import { Vm, type VmOptions } from '../../vm-images/machine/vm.ts';
import { GuestShell } from './guest-shell.ts';

/** Commands that can run at once. */
const SHELLS = 4;
const COMMAND_TIMEOUT_MS = 120_000;
const CONNECT_ATTEMPTS = 100;
const CONNECT_PAUSE_MS = 50;

/** Of 5 and worse are warnings, which `quiet` hides. The checks are those that Debian's kernels have: see docs/hacking.md. */
const APPEND = 'loglevel=5';
export const CHECKS = 'slub_debug=FZPU kfence.sample_interval=10 init_on_free=1';
/** Printed when a guest takes commands: after its start, and when it has slept. */
export const AWAKE = 'PTNET-READY';

/** What the kernel prints when something of it is broken. */
const TROUBLE =
  /\b(BUG\b|WARNING:|Oops\b|general protection|UBSAN|KASAN|KFENCE|refcount_t:|list_(add|del) corruption|INFO: (task|rcu)|rcu: INFO|soft lockup|NETDEV WATCHDOG|page_pool_release_retry|unregister_netdevice: waiting|Call Trace|scheduling while atomic|Object poison overwritten|Redzone overwritten)/;

export interface LinuxVmOptions extends Omit<VmOptions, 'init' | 'initramfs' | 'kernel'> {
  readonly release: LinuxName;
  /** Put behind the image. */
  readonly files?: readonly CpioEntry[];
  /** Whether the guest has what kexec() starts, on two disks. */
  readonly kexec?: boolean;
}

export interface CommandOptions {
  readonly timeoutMs?: number;
  /** Its standard input. */
  readonly input?: Uint8Array;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Also while nobody listens there yet, for some time. */
export async function connectTo(
  path: string,
  attempts = CONNECT_ATTEMPTS,
): Promise<ReturnType<typeof connect>> {
  const socket = connect(path);
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return socket;
  } catch (error) {
    if (attempts === 0) throw error;
    await new Promise((resolve) => setTimeout(resolve, CONNECT_PAUSE_MS));
    return await connectTo(path, attempts - 1);
  }
}

/** QEMU's arguments for the ports of the shells, on sockets in `folder`. */
export const shellArguments = (folder: string): string[] => [
  ...['-device', 'virtio-serial-pci,id=shells'],
  ...Array.from({ length: SHELLS }, (_, i) => [
    ...['-chardev', `socket,id=shell${i},path=${join(folder, `shell${i}`)},server=on,wait=off`],
    ...['-device', `virtserialport,bus=shells.0,chardev=shell${i},name=shell${i}`],
  ]).flat(),
];

/** QEMU's arguments for disks with the kernel and the initramfs, in that order. */
const kexecArguments = (...files: readonly string[]): string[] =>
  files.flatMap((file, i) => [
    ...['-drive', `file=${file},format=raw,if=none,readonly=on,id=disk${i}`],
    ...['-device', `virtio-blk-pci,drive=disk${i}`],
  ]);

/** An image with more files behind it, at `out`. */
export async function writeImage(image: string, files: readonly CpioEntry[], out: string): Promise<string> {
  await pipeline(createReadStream(image), createWriteStream(out));
  await pipeline([writeCpio(files)], createWriteStream(out, { flags: 'a' }));
  return out;
}

interface Parts {
  readonly shells: readonly GuestShell[];
  readonly folder: string;
  readonly initramfs: string;
}

export class LinuxVm {
  readonly vm: Vm;
  readonly kernel: LinuxKernel;
  /** Lines of the kernel's log that no test may cause. */
  readonly trouble: string[] = [];
  readonly #shells: readonly GuestShell[];
  readonly #folder: string;
  readonly #initramfs: string;
  readonly #idle: GuestShell[];
  readonly #waiting: ((shell: GuestShell) => void)[] = [];

  private constructor(vm: Vm, kernel: LinuxKernel, { shells, folder, initramfs }: Parts) {
    this.vm = vm;
    this.kernel = kernel;
    this.#shells = shells;
    this.#idle = [...shells];
    this.#folder = folder;
    this.#initramfs = initramfs;
    vm.console.onLine((line) => {
      if (TROUBLE.test(line)) this.trouble.push(line);
      if (line.includes(PANIC)) this.#fail(line);
    });
    void vm.exited.then(() => this.#fail('QEMU has ended'));
  }

  /** Resolves when QEMU runs; the guest is still booting. */
  static async start(options: LinuxVmOptions): Promise<LinuxVm> {
    const { release, files = [], kexec = false, append = '', qemuArguments = [], ...rest } = options;
    const { kernel, initramfs: image } = await getLinuxGuest(release);
    const folder = mkdtempSync(join(tmpdir(), 'ptnet-linux-'));
    try {
      const initramfs = files.length === 0 ? image : await writeImage(image, files, join(folder, 'image'));
      const vm = await Vm.start({
        memory: '512M',
        ...rest,
        kernel: kernel.image,
        initramfs,
        append: `${APPEND} ${append}`,
        qemuArguments: [
          ...shellArguments(folder),
          ...(kexec ? kexecArguments(kernel.image, initramfs) : []),
          ...qemuArguments,
        ],
      });
      const sockets = await Promise.all(
        Array.from({ length: SHELLS }, (_, i) => connectTo(join(folder, `shell${i}`))),
      );
      const shells = sockets.map((socket) => new GuestShell(options.name, socket));
      return new LinuxVm(vm, kernel, { shells, folder, initramfs });
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get name(): string {
    return this.vm.name;
  }

  /** Waits until the guest takes commands. */
  async ready(): Promise<void> {
    await this.vm.ready();
    await this.#greeted();
  }

  /** Runs a script of a shell and returns how it ended, whatever it was. */
  async attempt(script: string, options: CommandOptions = {}): Promise<CommandResult> {
    const { code, stdout, stderr } = await this.#run(script, options);
    return { code, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  /** Runs a script of a shell; what it printed, without the last line's end. @throws VmError when it fails. */
  async run(script: string, options: CommandOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.attempt(script, options);
    if (code === 0) return stdout.replace(/\n$/, '');
    throw this.vm.console.error(`'${script}' ended with ${code}: ${stderr.trim() || stdout.trim()}`);
  }

  /** The contents of a file of the guest. */
  async read(path: string): Promise<Buffer> {
    const { code, stdout, stderr } = await this.#run(`cat '${path}'`, {});
    if (code !== 0) throw this.vm.console.error(`${path}: ${stderr}`);
    return stdout;
  }

  async write(path: string, contents: Uint8Array): Promise<void> {
    await this.run(`cat > '${path}'`, { input: contents });
  }

  /** Has `restart` make the guest start again, and waits until it takes commands. */
  async restarts(restart: () => Promise<unknown>): Promise<void> {
    for (const shell of this.#shells) shell.restart();
    const from = this.vm.console.position;
    await restart();
    await this.vm.console.waitFor(AWAKE, { from, timeoutMs: COMMAND_TIMEOUT_MS });
    await this.#greeted();
  }

  /** Has the running kernel start the same one again, without firmware, and waits until it takes commands. */
  async kexec(): Promise<void> {
    const [kernel, initramfs] = [this.kernel.image, this.#initramfs].map((file) => statSync(file).size);
    await this.run(`modprobe virtio_blk
head -c ${kernel} /dev/vda > /root/kernel
head -c ${initramfs} /dev/vdb > /root/initramfs
kexec --load /root/kernel --initrd=/root/initramfs --reuse-cmdline
rm /root/kernel /root/initramfs`);
    await this.restarts(() => this.run('kexec --exec').catch(() => {}));
  }

  /** Has the guest restart itself, which shuts its devices down first, and waits until it takes commands. */
  async reboot(): Promise<void> {
    await this.restarts(() => this.run('reboot -f').catch(() => {}));
  }

  /** @throws VmError when the kernel's log has something that must not be there. */
  expectWell(): void {
    if (this.trouble.length === 0) return;
    this.vm.keepLogs();
    throw this.vm.console.error(`its kernel is not well:\n${this.trouble.join('\n')}`);
  }

  async stop(): Promise<void> {
    await this.vm.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Ends what runs; nothing can be run any more. */
  #fail(what: string): void {
    const error = this.vm.console.error(what);
    for (const shell of this.#shells) shell.fail(error);
  }

  async #greeted(): Promise<void> {
    await Promise.all(this.#shells.map((shell) => shell.ready()));
  }

  /** One that is idle, first come, first served; `#giveBack` is for when it has run. */
  #take(): GuestShell | Promise<GuestShell> {
    return this.#idle.shift() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  #giveBack(shell: GuestShell): void {
    const next = this.#waiting.shift();
    if (next) next(shell);
    else this.#idle.push(shell);
  }

  async #run(script: string, { timeoutMs = COMMAND_TIMEOUT_MS, input }: CommandOptions) {
    const shell = await this.#take();
    const timer = setTimeout(() => {
      this.vm.keepLogs();
      shell.fail(this.vm.console.error(`'${script}' gave no result in ${timeoutMs / 1000} s`));
    }, timeoutMs);
    try {
      return await shell.run(script, input);
    } catch (error) {
      if (error instanceof VmError) throw error;
      throw this.vm.console.error(`'${script}': ${(error as Error).message}`);
    } finally {
      clearTimeout(timer);
      this.#giveBack(shell);
    }
  }
}
