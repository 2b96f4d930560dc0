// The commands that ask and change a running host: their options and their help.

import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { readConfigFile } from '../../config/read-file.ts';
import { createApp, openApi } from '../../control/app.ts';
import { ControlClient } from '../../control/index.ts';
import type { ServedTarget } from '../../control/target.ts';
import { examples } from '../examples.ts';
import type { Io } from '../io.ts';
import { apply } from './apply.ts';
import { assignments } from './assignments.ts';
import { type AttachFlags, attach, detach } from './attach.ts';
import { asked, type ChangeFlags, tell } from './change.ts';
import { fdbAdd, fdbFlush, fdbList, fdbRemove } from './fdb.ts';
import { KIND_NAMES, type KindName, ls } from './ls.ts';
import { set } from './set.ts';
import { show } from './show.ts';
import { type TopOptions, top } from './top.ts';
import { type ValeFlags, vale } from './vale.ts';

type Flags = { runDir?: string; json: boolean };
const encode = encodeURIComponent;

export function addControlCommands(program: Command, io: Io): void {
  const start = new Starter(program, io);
  addLooks(start, io);
  addChanges(start, io);
  addPlaces(start, io);
  addFdb(start, io);
  addVale(start, io);
  program
    .command('openapi')
    .description("print the OpenAPI document of a host's control API")
    .addHelpText('after', examples('ptnet openapi > ptnet.json'))
    .action(() => io.out(openApiText()));
}

/** The file docs/openapi.json. */
export function openApiText(): string {
  // Nothing is asked of a host for it.
  const app = createApp({} as ServedTarget, { writable: true });
  return `${JSON.stringify(openApi(app), null, 2)}\n`;
}

/** What all of these commands have in common: whom they ask. */
class Starter {
  readonly #parent: Command;
  readonly #io: Io;

  constructor(parent: Command, io: Io) {
    this.#parent = parent;
    this.#io = io;
  }

  command(name: string, description: string, json = 'print one JSON object'): Command {
    return this.#parent
      .command(name)
      .description(description)
      .option('--run-dir <folder>', 'of the host that is meant', '/run/ptnetmap')
      .option('--json', json, false);
  }

  group(name: string, description: string, ...lines: readonly string[]): Starter {
    const group = this.#parent.command(name).description(description);
    return new Starter(group.addHelpText('after', examples(...lines)), this.#io);
  }

  async ask(flags: { runDir?: string }, run: (client: ControlClient) => Promise<void>): Promise<void> {
    const client = await ControlClient.connect({ runDir: flags.runDir });
    try {
      await run(client);
    } finally {
      client.close();
    }
  }
}

const seconds = (value: string): number => {
  const number = Number(value);
  if (!(number >= 0.1 && number <= 3600))
    throw new InvalidArgumentError('A number of seconds from 0.1 to 3600 would be right.');
  return number;
};
const times = (value: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new InvalidArgumentError('A number from 1 up would be right.');
  return Number(value);
};

function addLooks(start: Starter, io: Io): void {
  start
    .command('ls', 'list what a running host has', 'print a JSON array')
    .addArgument(new Argument('[what]', 'whose list').choices(KIND_NAMES).default('vms'))
    .addHelpText('after', examples('ptnet ls', 'ptnet ls ports --json'))
    .action((what: KindName, flags: Flags) => start.ask(flags, (client) => ls(client, what, flags, io)));
  start
    .command(
      'show',
      'show one thing of a running host, and what its counters mean',
      'print a JSON array of what has that name',
    )
    .argument('<object>', 'host, config, a VM, VM/DEVICE, a port, a switch, a member, a region, or worker0')
    .addHelpText(
      'after',
      examples('ptnet show vm1/net0', 'ptnet show vale0:1', 'ptnet show config > host.yaml'),
    )
    .action((name: string, flags: Flags) => start.ask(flags, (client) => show(client, name, flags, io)));
  start
    .command(
      'top',
      'show rates, drops, kicks, interrupts and the load of workers',
      'print a JSON object each time',
    )
    .option('--rings', 'a line for each ring', false)
    .option('--interval <seconds>', 'how often', seconds, 1)
    .option('--count <times>', 'end after so many', times)
    .addHelpText('after', examples('ptnet top', 'ptnet top --count 10 > rates.txt'))
    .action((flags: Flags & TopOptions) => start.ask(flags, (client) => top(client, flags, io)));
}

const DRY_RUN = ['--dry-run', 'only say what would change, and whether it could'] as const;
const FORCE = ['--force', 'take devices from VMs that are connected to them'] as const;

function addChanges(start: Starter, io: Io): void {
  start
    .command('set', 'change keys of a running host, with the names and values of the configuration file')
    .argument('<object>', 'host, VM/DEVICE, a port, or a switch')
    .argument('<key=value...>', "as in the file; 'none' takes a key away")
    .option(...DRY_RUN)
    .addHelpText(
      'after',
      `
Examples:
  ptnet set host log-level=debug spin-us=50
  ptnet set vm1/net0 policy=poll
  ptnet set vale0:1 rate=1Gbit storm-control.broadcast=1000pps
  ptnet set null:a source.rate=10000 source.size=1514
  ptnet set vale0 lookup=hub mac-age=60`,
    )
    .action((name: string, words: string[], flags: Flags & ChangeFlags) =>
      start.ask(flags, (client) => set(client, name, words, flags, io)),
    );
  start
    .command('apply', 'bring a running host to what a configuration file says, all of it or nothing')
    .argument('<file>', 'the configuration (YAML)')
    .option(...DRY_RUN)
    .option(...FORCE)
    .addHelpText(
      'after',
      `
What will be different is shown first. Exit status 1: it cannot be, and nothing has changed.
${examples('ptnet apply host.yaml --dry-run', 'ptnet apply host.yaml')}`,
    )
    .action((file: string, flags: Flags & ChangeFlags) => {
      const text = readConfigFile(file);
      return start.ask(flags, (client) => apply(client, file, text, flags, io));
    });
  start
    .command('attach', 'add a network device to a VM; a VM that is not there is added with it')
    .argument('<vm>', 'its name')
    .argument('<port>', 'the port of the device, such as vale0:3')
    .option('--name <name>', 'of the device; the first of net0, net1, ... that is free when it is left out')
    .option('--mac <address>', 'one of its own when it is left out')
    .addOption(new Option('--policy <policy>').choices(['poll', 'adaptive', 'notify', 'inline']))
    .addOption(new Option('--bar0 <kind>').choices(['io', 'mem']))
    .option('--memory <size>', 'of a VM that is not there yet, such as 1G')
    .addOption(new Option('--machine <type>', 'of a VM that is not there yet').choices(['pc', 'q35']))
    .option('--region <name>', 'of a VM that is not there yet')
    .option('--qmp <socket>', "a running QEMU's monitor: the device is plugged in there")
    .option(...DRY_RUN)
    .addHelpText(
      'after',
      "\nExamples:\n  ptnet attach vm1 vale0:3\n  ptnet attach vm1 vale0:3 --qmp /tmp/vm1.qmp\n\nWithout --qmp QEMU's arguments for the device are printed.",
    )
    .action((vm: string, port: string, flags: Flags & AttachFlags) =>
      start.ask(flags, (client) => attach(client, vm, port, flags, io)),
    );
  start
    .command('detach', 'remove a network device from a VM, or a VM with all of its devices')
    .argument('<vm>')
    .argument('[device]', 'all of them when it is left out')
    .option(...DRY_RUN)
    .option(...FORCE)
    .addHelpText('after', examples('ptnet detach vm1 net1', 'ptnet detach vm1 --dry-run'))
    .action((vm: string, device: string | undefined, flags: Flags & ChangeFlags) =>
      start.ask(flags, (client) => detach(client, vm, device, flags, io)),
    );
}

/** Members of switches, and regions. */
function addPlaces(start: Starter, io: Io): void {
  const member = start.group(
    'member',
    'put taps and interfaces on switches of a running host, and take them off',
    'ptnet member add vale0 tap:lan',
    'ptnet member remove vale0 tap:lan',
  );
  const memberPath = (on: string, name: string) => `/v1/switches/${encode(on)}/members/${encode(name)}`;
  member
    .command('add', 'put a tap or an interface on a switch')
    .argument('<switch>', 'vale0')
    .argument('<name>', 'tap:lan, netmap:eth1')
    .argument('[key=value...]', "keys of the file's ports, such as address=192.0.2.1/24")
    .option(...DRY_RUN)
    .addHelpText(
      'after',
      examples('ptnet member add vale0 tap:lan address=192.0.2.1/24', 'ptnet member add vale0 netmap:eth1'),
    )
    .action((on: string, name: string, words: string[], flags: Flags & ChangeFlags) =>
      start.ask(flags, async (client) =>
        tell(await client.change('PUT', memberPath(on, name), assignments(words), asked(flags)), flags, io),
      ),
    );
  member
    .command('remove', 'take a member off a switch')
    .argument('<switch>')
    .argument('<name>')
    .option(...DRY_RUN)
    .addHelpText('after', examples('ptnet member remove vale0 tap:lan'))
    .action((on: string, name: string, flags: Flags & ChangeFlags) =>
      start.ask(flags, async (client) =>
        tell(await client.change('DELETE', memberPath(on, name), undefined, asked(flags)), flags, io),
      ),
    );
  const region = start.group(
    'region',
    'add memory regions to a running host, and remove them',
    'ptnet region add lan buf-num=20000',
    'ptnet region remove lan',
  );
  region
    .command('add', 'add a region that VMs can share')
    .argument('<name>')
    .argument('[key=value...]', "keys of the file's regions, such as buf-num=20000")
    .option(...DRY_RUN)
    .addHelpText('after', examples('ptnet region add lan buf-num=20000'))
    .action((name: string, words: string[], flags: Flags & ChangeFlags) =>
      start.ask(flags, async (client) =>
        tell(
          await client.change('PUT', `/v1/regions/${encode(name)}`, assignments(words), asked(flags)),
          flags,
          io,
        ),
      ),
    );
  region
    .command('remove', 'remove a region that no VM is in')
    .argument('<name>')
    .option(...DRY_RUN)
    .addHelpText('after', examples('ptnet region remove lan'))
    .action((name: string, flags: Flags & ChangeFlags) =>
      start.ask(flags, async (client) =>
        tell(
          await client.change('DELETE', `/v1/regions/${encode(name)}`, undefined, asked(flags)),
          flags,
          io,
        ),
      ),
    );
}

function addFdb(start: Starter, io: Io): void {
  const fdb = start.group(
    'fdb',
    'show and change where switches take addresses to be',
    'ptnet fdb list',
    'ptnet fdb add vale0 02:00:00:00:00:01 vale0:1',
  );
  fdb
    .command('list', 'list the addresses that switches know', 'print a JSON array')
    .argument('[switch]', 'all of them when it is left out')
    .addHelpText('after', examples('ptnet fdb list', 'ptnet fdb list vale0 --json'))
    .action((on: string | undefined, flags: Flags) =>
      start.ask(flags, (client) => fdbList(client, on, flags, io)),
    );
  fdb
    .command('flush', 'forget what a switch has learned')
    .argument('<switch>')
    .option('--port <name>', 'only of this port')
    .option('--static', 'static addresses too', false)
    .addHelpText('after', examples('ptnet fdb flush vale0', 'ptnet fdb flush vale0 --port vale0:1'))
    .action((on: string, flags: Flags & { port?: string; static: boolean }) =>
      start.ask(flags, (client) => fdbFlush(client, on, flags, io)),
    );
  fdb
    .command('add', 'say where an address is, whatever is learned, until it is removed or its port leaves')
    .argument('<switch>')
    .argument('<address>')
    .argument('<port>')
    .addHelpText('after', examples('ptnet fdb add vale0 02:00:00:00:00:01 vale0:1'))
    .action((on: string, mac: string, port: string, flags: Flags) =>
      start.ask(flags, (client) => fdbAdd(client, on, mac, port)),
    );
  fdb
    .command('remove', 'forget an address')
    .argument('<switch>')
    .argument('<address>')
    .addHelpText('after', examples('ptnet fdb remove vale0 02:00:00:00:00:01'))
    .action((on: string, mac: string, flags: Flags) =>
      start.ask(flags, (client) => fdbRemove(client, on, mac)),
    );
}

function addVale(start: Starter, io: Io): void {
  start
    .command('vale', "vale-ctl's verbs for a running host; without one: list", 'print a JSON array')
    .helpOption('--help', 'display help for command')
    .option('-l', "list who is on switches: 'NAME bridge_idx N port_idx M'")
    .option('-g <port>', 'the same for one')
    .option('-a <switch:interface>', 'put an interface of this machine on a switch')
    .option('-h <switch:interface>', "the same with the machine's own side of it")
    .option('-d <switch:interface>', 'take it off')
    .option('-p <port>', "poll a port's rings")
    .option('-P <port>', 'poll them no longer than pays (adaptive)')
    .option(
      '-n <name>',
      'make a persistent port: one that programs open by this name, and that -a puts on switches',
    )
    .option('-C <slots,slots,rings,rings>', 'of tx and rx rings, with -n')
    .option('-m <id>', 'the region that it is to lie in, with -n')
    .option('-r <name>', 'remove a persistent port')
    .addHelpText(
      'after',
      examples(
        'ptnet vale -l',
        'ptnet vale -a vale0:eth1',
        'ptnet vale -d vale0:tap:lan',
        'ptnet vale -n v0 -C 512,512,2,2',
        'ptnet vale -a vale0:v0',
      ),
    )
    .action((flags: Flags & Record<string, string | boolean | undefined>) =>
      start.ask(flags, (client) => vale(client, valeFlags(flags), io)),
    );
}

function valeFlags(flags: Flags & Record<string, string | boolean | undefined>): ValeFlags {
  const letter = <K extends string>(key: K, name: string) =>
    flags[name] === undefined ? {} : ({ [key]: flags[name] } as Record<K, never>);
  return {
    json: flags.json,
    ...letter('list', 'l'),
    ...letter('get', 'g'),
    ...letter('attach', 'a'),
    ...letter('hostAttach', 'h'),
    ...letter('detach', 'd'),
    ...letter('poll', 'p'),
    ...letter('noPoll', 'P'),
    ...letter('create', 'n'),
    ...letter('remove', 'r'),
    ...letter('rings', 'C'),
    ...letter('memory', 'm'),
  };
}
