// The commands that put VMs, or what stands for them, behind the ports of a file: run, try, measure.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Io } from './io.ts';
import type { MeasureCommandOptions } from './measure.ts';
import { bursts, loads, rates, share, sizes } from './measure-options.ts';
import { type RunOptions, runVm } from './run.ts';
import type { TryCommandOptions } from './try.ts';
import type { StartHost } from './up.ts';
import { notWell } from './verdict.ts';

const RUN_HELP = `
Memory, machine, accelerator (KVM where it works), devices and their timeouts are given. The guest's serial line is on the
terminal (Ctrl-A X ends QEMU), unless the arguments say where it goes.

Exit status: 0 when QEMU ended well, 1 when it did not, 2 when the file or the arguments are wrong.

Examples:
  ptnet run examples/vale.yaml vm1 -- disk.qcow2
  ptnet run examples/vale.yaml vm2 -- -kernel bzImage -append console=ttyS0 -initrd initrd.img`;

const TRY_HELP = `
The host is one of its own with the file's ports, which no other host may have open. The guests are small Linux machines with a
driver of ours; your own images and drivers are not needed. QEMU and a kernel are fetched from Debian the first time (root).

Exit status: 0 when every path carries packets, 1 when one does not, 2 when the file is wrong.

Examples:
  ptnet try examples/pipe.yaml
  ptnet try examples/vale.yaml vm1 vm2 --json`;

const MEASURE_HELP = `
When a host serves the file's sockets, its devices are used, as long as no VM has them; otherwise a host of its own with the
file's ports is, in a folder of its own. An end that is a port, as vale0:app, is a netmap application of this machine, where
the file has 'applications'. A line a second goes to stderr, the results to stdout.

Exit status: 0 when packets arrived, all of them as they were sent; 1 when not; 2 when the file or a path is wrong.

Examples:
  ptnet measure examples/vale.yaml
  ptnet measure examples/vale.yaml 'vm1/net0 -> vm2/net0' --size 60,1514 --ndr
  ptnet measure examples/null.yaml 'vm1/net0 -> host' 'host -> vm1/net0' --vm --json
  ptnet measure examples/pipe.yaml 'vm1/net0 <-> vm2/net0' --latency 10%,50%,90% --html pipe.html
  ptnet measure host.yaml 'vale0:app -> vm1/net0'`;

function seconds(value: string): number {
  const number = Number(value);
  if (!(number >= 0.1 && number <= 3600))
    throw new InvalidArgumentError('A number of seconds from 0.1 to 3600 would be right.');
  return number;
}

export function registerRun(program: Command, io: Io, startHost: StartHost): void {
  program
    .command('run')
    .description('start one VM: its host if none runs, QEMU on this terminal with your image; ends with QEMU')
    .argument('<file>', 'the configuration (YAML)')
    .argument('<vm>', 'a VM of the file')
    .argument('[qemu...]', "after --: QEMU's own arguments, an image for one")
    .option('--fetch', "unpack Debian's QEMU into the cache when none here has vfio-user-pci", false)
    .option('--run-dir <folder>', "where the devices' sockets are, instead of the file's run-dir")
    .option('--verbose', 'log what the devices do', false)
    .addHelpText('after', RUN_HELP)
    .action((file: string, vm: string, args: string[], options: RunOptions) =>
      runVm(file, vm, args, options, io, startHost),
    );
}

export function registerTry(program: Command, io: Io): void {
  program
    .command('try')
    .description(
      'boot test guests behind the ports of a file and send packets over every path: does it work?',
    )
    .argument('<file>', 'the configuration (YAML)')
    .argument('[vms...]', 'which VMs of the file; the first that reach each other when left out')
    .option('--seconds <seconds>', 'of packets on each path', seconds, 1)
    .option('--json', 'print one JSON object instead of the table', false)
    .addHelpText('after', TRY_HELP)
    .action(async (file: string, vms: string[], options: TryCommandOptions) => {
      const { tryFile } = await import('./try.ts');
      if (!(await tryFile(file, vms, options, io))) throw notWell();
    });
}

export function registerMeasure(program: Command, io: Io): void {
  program
    .command('measure')
    .description(
      'measure paths of a file, or of the host that serves it: rates, the highest one without loss, latencies',
    )
    .argument('<file>', 'the configuration (YAML)')
    .argument('[paths...]', "such as 'vm1/net0 -> host'; without any, those of the file are listed")
    .option('--vm', 'test guests of ours in real VMs, not driver models', false)
    .option('--size <list>', 'bytes of a packet, without CRC', sizes, [60])
    .option('--burst <list>', 'packets that a guest publishes at once', bursts, [256])
    .addOption(
      new Option(
        '--payload <what>',
        'what is written into each packet and checked: nothing, a number, every byte',
      )
        .choices(['none', 'stamp', 'full'])
        .default('stamp'),
    )
    .option('--seconds <seconds>', 'of each trial', seconds, 1)
    .option('--rate <list>', 'packets per second, as 500k or 1.5M; as many as go when left out', rates)
    .option('--ndr', 'search the highest rate without loss (RFC 2544), too', false)
    .option('--resolution <percent>', 'of that search', share, 0.01)
    .option('--loss <percent>', 'of packets that the search lets be missing', share, 0)
    .option('--latency <list>', 'time packets at these loads, too: 50%,10k', loads)
    .option('--run-dir <folder>', "where the sockets of a running host are, instead of the file's run-dir")
    .option('--json', 'print one JSON object instead of tables', false)
    .option('--csv <file>', 'write the rows as CSV, too')
    .option('--html <file>', 'write a page with plots, too')
    .addHelpText('after', MEASURE_HELP)
    .action(async (file: string, paths: string[], options: MeasureCommandOptions, command: Command) => {
      const { measureFile } = await import('./measure.ts');
      const { rawArgs } = command.parent as Command & { rawArgs: string[] };
      await measureFile(file, paths, options, ['ptnet', ...rawArgs], io);
    });
}
