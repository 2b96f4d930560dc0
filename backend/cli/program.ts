// The `ptnet` command: its options, its help and its exit codes.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { ConfigurationError } from '../errors.ts';
import type { Io } from './io.ts';
import { HYPERVISORS, type PlanOptions, plan } from './plan.ts';
import { type StartHost, type UpOptions, up } from './up.ts';

/** Exit codes: what the user has to change is told from what went wrong on the way. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

function seconds(value: string): number {
  const number = Number(value);
  if (!(number >= 0.1 && number <= 3600))
    throw new InvalidArgumentError('A number of seconds from 0.1 to 3600 would be right.');
  return number;
}

function createProgram(io: Io, startHost: StartHost): Command {
  const program = new Command('ptnet')
    .description('netmap ports for virtual machines, without a kernel module or a patched hypervisor')
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err });
  program
    .command('up')
    .description('run a host from a configuration file until SIGINT or SIGTERM')
    .argument('<file>', 'the configuration (YAML), see docs/configuration.md and examples/')
    .option('--stats <seconds>', 'print the counters of every ring as a JSON object, each <seconds>', seconds)
    .option('--run-dir <folder>', "where the devices' sockets go, instead of the file's run-dir")
    .option('--json', 'print the VMs with their QEMU arguments as one JSON object', false)
    .option('--verbose', 'log what the devices do', false)
    .addHelpText('after', '\nText for people goes to stderr when --stats or --json print to stdout.')
    .action((file: string, options: UpOptions) => up(file, options, io, startHost));
  program
    .command('plan')
    .description(
      'print what attaches VMs to a host of this configuration, ready to paste; nothing is started',
    )
    .argument('<file>', 'the configuration (YAML)')
    .argument('[vm]', 'one VM; all of them when it is left out')
    .addOption(new Option('--for <hypervisor>', 'whose arguments').choices(HYPERVISORS).default('qemu'))
    .option('--run-dir <folder>', "where the devices' sockets are, instead of the file's run-dir")
    .option('--json', 'print one JSON object', false)
    .addHelpText(
      'after',
      '\nExamples:\n  ptnet plan examples/vale.yaml vm1\n  ptnet plan examples/vale.yaml vm1 --for libvirt > vm1.xml',
    )
    .action((file: string, vm: string | undefined, options: PlanOptions) => plan(file, vm, options, io));
  return program;
}

/** Runs the command line `args` and returns the exit code. */
export async function run(args: readonly string[], io: Io, startHost: StartHost): Promise<number> {
  try {
    await createProgram(io, startHost).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    io.err(`ptnet: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof ConfigurationError ? EXIT_USAGE : EXIT_FAILED;
  }
}
