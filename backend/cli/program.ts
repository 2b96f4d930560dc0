// The `ptnet` command: its options, its help and its exit codes.
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_RUN_DIR } from '../config/run-dir.ts';
import { ConfigurationError } from '../errors.ts';
import { packageVersion } from '../package-files.ts';
import { addCheckCommands } from './check-commands.ts';
import { completion, SHELLS, type Shell } from './completion.ts';
import { addControlCommands } from './control/commands.ts';
import { addExecCommand } from './exec-command.ts';
import { DEFAULT_EXAMPLE, DEFAULT_FILE, type InitOptions, init } from './init.ts';
import { EXIT_FAILED, EXIT_USAGE, type Io } from './io.ts';
import { HYPERVISORS, type PlanOptions, plan } from './plan.ts';
import { addProgramCommands } from './programs.ts';
import { registerMeasure, registerRun, registerTry } from './traffic-commands.ts';
import { type StartHost, type UpOptions, up, upgrade } from './up.ts';
import { VERDICT } from './verdict.ts';

export { EXIT_FAILED, EXIT_USAGE };

const EXIT_CODES = `
Exit codes:
  0  it did what was asked; of what runs until it is stopped: a signal has stopped it
  ${EXIT_FAILED}  something failed on the way
  ${EXIT_USAGE}  the command line or the file is wrong`;

function seconds(value: string): number {
  const number = Number(value);
  if (!(number >= 0.1 && number <= 3600))
    throw new InvalidArgumentError('A number of seconds from 0.1 to 3600 would be right.');
  return number;
}

/** What the commands need of the world, and the commands. */
export function createProgram(io: Io, startHost: StartHost): Command {
  const program = new Command('ptnet')
    .description('netmap ports for virtual machines, without a kernel module or a patched hypervisor')
    .version(packageVersion())
    .enablePositionalOptions()
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err });
  registerInit(program, io);
  registerUp(program, io, startHost);
  registerUpgrade(program, io, startHost);
  registerPlan(program, io);
  addCheckCommands(program, io);
  registerRun(program, io, startHost);
  registerTry(program, io);
  registerMeasure(program, io);
  addControlCommands(program, io);
  registerCompletion(program, io);
  addExecCommand(program);
  addProgramCommands(program, io, startHost);
  return program;
}

function registerInit(program: Command, io: Io): void {
  program
    .command('init')
    .description('write a commented configuration file to begin with')
    .argument('[file]', "where it goes; '-' is stdout", DEFAULT_FILE)
    .option('--example <name>', 'which of the examples', DEFAULT_EXAMPLE)
    .option('--list', 'print the examples instead', false)
    .option('--force', 'replace a file that is there', false)
    .option('--json', 'print one JSON object', false)
    .addHelpText('after', '\nExamples:\n  ptnet init --list\n  ptnet init --example pipe pipe.yaml')
    .action((file: string, options: InitOptions) => init(file, options, io));
}

function registerCompletion(program: Command, io: Io): void {
  program
    .command('completion')
    .description("print what a shell needs to complete ptnet's commands, options and files")
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n  source <(ptnet completion bash)\n  source <(ptnet completion zsh)\n  ptnet completion fish | source',
    )
    .action((shell: Shell) => io.out(completion(shell, program)));
}

function registerUp(program: Command, io: Io, startHost: StartHost): void {
  program
    .command('up')
    .description('run a host from a configuration file until SIGINT or SIGTERM')
    .argument('<file>', 'the configuration (YAML), see docs/configuration.md and examples/')
    .option('--stats <seconds>', 'print the counters of every ring as a JSON object, each <seconds>', seconds)
    .option('--run-dir <folder>', "where the devices' sockets go, instead of the file's run-dir")
    .option('--takeover', 'go on in the place of the host that runs in that run-dir, under its VMs', false)
    .addOption(
      new Option('--guard', 'start it under a guard: when it is killed, another one goes on under its VMs')
        .default(false)
        .conflicts(['takeover', 'keep']),
    )
    .addOption(
      new Option(
        '--keep',
        'the same where systemd keeps descriptors (FileDescriptorStoreMax), or another one that speaks sd_notify(3)',
      )
        .default(false)
        .conflicts('takeover'),
    )
    .option('--json', 'print the VMs with their QEMU arguments as one JSON object', false)
    .option('--verbose', 'log what the devices do', false)
    .addHelpText(
      'after',
      '\nText for people goes to stderr when --stats or --json print to stdout.\n\nExamples:\n  ptnet up examples/null.yaml --stats 1\n  ptnet up --json host.yaml | jq .vms',
    )
    .action((file: string, options: UpOptions) => up(file, options, io, startHost));
}

function registerUpgrade(program: Command, io: Io, startHost: StartHost): void {
  program
    .command('upgrade')
    .description('go on in the place of a host that runs, under its VMs, until SIGINT or SIGTERM')
    .argument(
      '[file]',
      'the configuration (YAML), applied as it is taken over; its own stays when it is left out',
    )
    .option('--stats <seconds>', 'print the counters of every ring as a JSON object, each <seconds>', seconds)
    .option(
      '--run-dir <folder>',
      `of the host that is meant, instead of the file's run-dir (without a file: ${DEFAULT_RUN_DIR})`,
    )
    // As a host starts the process that goes on in its place.
    .addOption(new Option('--keep').default(false).hideHelp())
    .addOption(new Option('--started-by <pid>').argParser(Number).hideHelp())
    .option(
      '--json',
      'print the VMs with their QEMU arguments as one JSON object; of a host that starts the process itself, its pid',
      false,
    )
    .option('--verbose', 'log what the devices do', false)
    .addHelpText('after', '\nExamples:\n  ptnet upgrade\n  ptnet upgrade /etc/ptnetmap/ptnet.yaml')
    .action((file: string | undefined, options: UpOptions) => upgrade(file, options, io, startHost));
}

function registerPlan(program: Command, io: Io): void {
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
}

/** Runs the command line `args` and returns the exit code. */
export async function run(args: readonly string[], io: Io, startHost: StartHost): Promise<number> {
  try {
    await createProgram(io, startHost).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 || error.code === VERDICT ? error.exitCode : EXIT_USAGE;
    io.err(`ptnet: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof ConfigurationError ? EXIT_USAGE : EXIT_FAILED;
  }
}
