// Registers `ptnet exec`.
import { type Command, CommanderError } from 'commander';
import type { ExecOptions } from '../applications/environment.ts';
import { exec } from './exec.ts';
import { VERDICT } from './verdict.ts';

export function addExecCommand(program: Command): void {
  program
    .command('exec')
    .description('run a program of this machine that uses netmap, with a running host behind /dev/netmap')
    .argument('<program>', 'the program; a dynamically linked one')
    .argument('[arguments...]', 'its arguments, behind --')
    .option('--socket <path>', "the host's socket, instead of the one in PTNETMAP or in the run-dir")
    .option('--run-dir <folder>', "the host's run-dir", '/run/ptnetmap')
    .option('--debug', 'let the library say on stderr why /dev/netmap cannot be opened', false)
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The exit code is the program's own. The same without this command:
  LD_PRELOAD=.../native/preload/build/libptnetmap.so PTNETMAP=/run/ptnetmap/netmap.sock PROGRAM

Examples:
  ptnet exec -- pkt-gen -i vale0:app -f tx
  ptnet exec --run-dir /tmp/pt -- bridge -i vale0:a -i vale1:b`,
    )
    .action(async (name: string, args: readonly string[], options: ExecOptions) => {
      const code = await exec(name, args, options);
      // Its code is ours, whatever it means.
      if (code !== 0) throw new CommanderError(code, VERDICT, '');
    });
}
