/** Where a test's network commands run: in a guest or in a namespace of the machine, with the same programs of Debian's. */
import { execa } from 'execa';
import { userlandCommand } from '../../vm-images/userland.ts';
import type { LinuxVm } from './linux-vm.ts';
import type { Netns } from './netns.ts';

const COMMAND_TIMEOUT_MS = 120_000;
const LISTEN_ATTEMPTS = 200;
const LISTEN_PAUSE_S = 0.1;

export interface Place {
  readonly name: string;
  /** Runs a script of a shell, in which ip, iperf3, ping and socat can be used; what it printed. @throws when it fails. */
  run(script: string, timeoutMs?: number): Promise<string>;
  /** Resolves when somebody listens on that port of any address. @throws when nobody does for a while. */
  listening(protocol: 'tcp' | 'udp', port: number): Promise<void>;
}

/** /proc's tables have port numbers in hexadecimal; of TCP's only those in state LISTEN (0A) are meant. */
async function listening(run: Place['run'], protocol: 'tcp' | 'udp', port: number): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const state = protocol === 'tcp' ? '0A' : '07';
  await run(`n=0
until grep -qE '^ *[0-9]+: [0-9A-F]+:${hex} [0-9A-F]+:0000 ${state} ' /proc/net/${protocol} /proc/net/${protocol}6; do
  n=$((n + 1))
  [ $n -lt ${LISTEN_ATTEMPTS} ] || { echo "nobody listens on ${protocol} port ${port}" >&2; exit 1; }
  sleep ${LISTEN_PAUSE_S}
done`);
}

export function inGuest(vm: LinuxVm): Place {
  const run: Place['run'] = (script, timeoutMs = COMMAND_TIMEOUT_MS) => vm.run(script, { timeoutMs });
  return { name: vm.name, run, listening: (...port) => listening(run, ...port) };
}

/** Debian's own programs under their names, but for `ip`, which the machine has. */
const FUNCTIONS = ['iperf3', 'socat', 'ping'];

async function functions(): Promise<string> {
  const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
  const lines = FUNCTIONS.map(async (name) => {
    const command = await userlandCommand(`usr/bin/${name}`);
    return `${name}() { ${command.map(quoted).join(' ')} "$@"; }\n`;
  });
  return (await Promise.all(lines)).join('');
}

export function inNetns(netns: Netns, name = 'host'): Place {
  const run: Place['run'] = async (script, timeout = COMMAND_TIMEOUT_MS) => {
    const [program, ...args] = [...netns.within, 'sh', '-c', `${await functions()}${script}`];
    const { stdout } = await execa(program!, args, { timeout, stdin: 'ignore' });
    return stdout;
  };
  return { name, run, listening: (...port) => listening(run, ...port) };
}
