// The commands that say whether something is right, as the command line has them: check, explain, doctor.
import type { Command } from 'commander';
import { type CheckCommandOptions, check } from './check.ts';
import { doctor } from './doctor.ts';
import { explain } from './explain.ts';
import type { Io } from './io.ts';
import { notWell } from './verdict.ts';

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

export function addCheckCommands(program: Command, io: Io): void {
  program
    .command('check')
    .description(
      'say of a configuration what is well, what may not be meant, and what cannot work on this machine',
    )
    .argument('<file>', 'the configuration (YAML)')
    .option('--run-dir <folder>', "where the devices' sockets go, instead of the file's run-dir")
    .option(
      '--command <vm=file>',
      "a file with the QEMU command that starts a VM, such as a script; may be given for each VM (default: what 'ptnet plan' prints)",
      collect,
      [],
    )
    .option(
      '--live',
      'start a host of the file in a folder of its own, with a driver model on every device, and try every register, interrupt, doorbell and path',
      false,
    )
    .option(
      '--vm',
      'the same with QEMU and test guests in the first four VMs: QEMU and a kernel are fetched from Debian the first time (root)',
      false,
    )
    .option(
      '--attached',
      'look at the VMs that run and are attached now, as they were started, and ask their host for a second what it counts; their traffic goes on undisturbed',
      false,
    )
    .option('--all', 'show what passed too', false)
    .option('--json', 'print all findings as one JSON object', false)
    .addHelpText(
      'after',
      `
Exit codes: 0 no failure (warnings do not count), 1 a failure, 2 the command line is wrong or the file cannot be read.
Each finding has an id: 'ptnet explain ID' says more, and docs/checks.md has all.

Examples:
  ptnet check host.yaml
  ptnet check host.yaml --live
  ptnet check host.yaml --command vm1=start-vm1.sh --all
  ptnet check host.yaml --json | jq '.findings[] | select(.status != "pass")'`,
    )
    .action(async (file: string, options: CheckCommandOptions) => {
      if (!(await check(file, options, io))) throw notWell();
    });
  program
    .command('explain')
    .description("say what a check of 'ptnet check' looks at, why, and what to do")
    .argument('[id]', 'of a check; all of them are listed when it is left out')
    .option('--json', 'print one JSON object', false)
    .addHelpText('after', '\nExamples:\n  ptnet explain\n  ptnet explain shared-memory')
    .action((id: string | undefined, options: { json: boolean }) => explain(id, options, io));
  program
    .command('doctor')
    .description(
      'say what this machine has and lacks, to be pasted into a bug report: no names, no addresses',
    )
    .option('--json', 'print one JSON object', false)
    .addHelpText(
      'after',
      '\nExit code 0, whatever is lacking.\n\nExamples:\n  ptnet doctor\n  ptnet doctor --json > machine.json',
    )
    .action((options: { json: boolean }) => doctor(options, io));
}
