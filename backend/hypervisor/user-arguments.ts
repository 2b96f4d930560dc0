// What a user adds to a VM's QEMU command line: which of it is not the user's to say, and what it makes of the console.
import { ConfigurationError } from '../errors.ts';

/** QEMU takes `-m` and `--m` alike. */
const nameOf = (arg: string): string | undefined => /^--?([a-z][\w-]*)$/i.exec(arg)?.[1];

/** Options that are the file's business, by what would be right instead. */
const OURS: Readonly<Record<string, (vm: string) => string>> = {
  m: (vm) => `'memory' of ${vm} in the file would be right`,
  machine: (vm) => `'machine' of ${vm} in the file would be right`,
  M: (vm) => `'machine' of ${vm} in the file would be right`,
  name: (vm) => `the VM's name in the file, ${vm}, would be right`,
  daemonize: () => "'ptnet run' ends with QEMU: 'ptnet up' and 'ptnet plan' would be right",
};

/** With any of these the user has said where screen, serial line and monitor go. */
const CONSOLES = [
  'nographic',
  'display',
  'curses',
  'serial',
  'monitor',
  'mon',
  'qmp',
  'qmp-pretty',
  'nodefaults',
];
const ACCELS = ['accel', 'enable-kvm', 'no-kvm'];

/** @throws ConfigurationError for what contradicts the devices: the memory that they see, the machine that they are in. */
export function checkUserArguments(args: readonly string[], vm: string): void {
  for (const [i, arg] of args.entries()) {
    const name = nameOf(arg);
    const right = name === undefined || !Object.hasOwn(OURS, name) ? undefined : OURS[name];
    if (right) throw new ConfigurationError(`${arg}: not for the command line: ${right(vm)}`);
    if (name === 'object' && /(^|,)id=mem(,|$)/.test(args[i + 1] ?? ''))
      throw new ConfigurationError(
        `${arg} ${args[i + 1]}: 'mem' is the VM's own memory: another id would be right`,
      );
  }
}

const hasAny = (args: readonly string[], names: readonly string[]): boolean =>
  args.some((arg) => names.includes(nameOf(arg) ?? ''));

export const saysAccel = (args: readonly string[]): boolean => hasAny(args, ACCELS);

/** The serial line and, behind Ctrl-A, the monitor on the terminal: where a user has not said otherwise. */
export const consoleArguments = (args: readonly string[]): string[] =>
  hasAny(args, CONSOLES) ? [] : ['-nographic'];
