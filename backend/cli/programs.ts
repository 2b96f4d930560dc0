// `ptnet capture`, `ptnet replay` and `ptnet bridge`: programs of the data plane, on a host that runs, or one that is started for them.
import { closeSync, constants, openSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { BridgeStats, CaptureStats, ReplayStats } from '../../native/programs.ts';
import { compileFilter } from '../../native/programs.ts';
import { loadConfig } from '../config/load.ts';
import { ControlClient, type ProgramToStart } from '../control/index.ts';
import { ConfigurationError } from '../errors.ts';
import type { HostPrograms, ProgramRequest, ProgramState } from '../programs/programs.ts';
import { openToCapture } from './capture-file.ts';
import { examples } from './examples.ts';
import type { Io } from './io.ts';
import { count, delay, pace, share, size, speed } from './quantities.ts';
import type { StartHost } from './up.ts';

const { O_NONBLOCK, O_RDONLY } = constants;

/** How often a program is asked whether it has ended. */
const LOOK_MS = 50;
/** A file that takes nothing any more is not waited for longer. */
const LAST_WRITE_MS = 5000;
const STDOUT = 1;

interface HostOptions {
  readonly up?: string;
  readonly runDir?: string;
  readonly json: boolean;
}

interface CaptureOptions extends HostOptions {
  readonly write: string;
  readonly direction: 'tx' | 'rx' | 'both';
  readonly snaplen: number;
  readonly count: number;
  readonly rotate: number;
  readonly files: number;
}

interface ReplayOptions extends HostOptions {
  readonly speed: number;
  readonly rate?: number;
  readonly loops: number;
  readonly delay?: { delayNs: number; jitterNs: number };
  readonly loss: number;
  readonly seed: number;
}

/** The three commands; each has the options that say where the host is. */
export function addProgramCommands(program: Command, io: Io, startHost: StartHost): void {
  addCapture(program, io, startHost);
  addReplay(program, io, startHost);
  onHost(
    program
      .command('bridge')
      .description('send what one port receives from the other one, and back, as the client of both')
      .argument('<a>', 'a port of a device that no VM is attached to')
      .argument('<b>', 'another one; in the same region nothing is copied'),
  )
    .addHelpText('after', examples('ptnet bridge vale0:8 vale1:8'))
    .action((a: string, b: string, options: HostOptions) =>
      withHost(options, startHost, (host) => bridge(a, b, options, io, host)),
    );
}

const onHost = (command: Command): Command =>
  command
    .option('--up <file>', 'start a host from this configuration, for as long as this runs')
    .option(
      '--run-dir <folder>',
      'of the host that runs and is meant; with --up, instead of the run-dir of the file',
    )
    .option('--json', 'print the result as one JSON object', false);

function addCapture(program: Command, io: Io, startHost: StartHost): void {
  onHost(
    program
      .command('capture')
      .description('write what passes a port to a pcapng file, as a monitor of it')
      .argument('<port>', "a port, or a member of a switch, such as 'vale0:1' or 'tap:lan'")
      .argument('[filter...]', "what is wanted, in libpcap's language: udp port 53"),
  )
    .requiredOption('-w, --write <file>', "the file, which is written anew; '-': stdout")
    .addOption(
      new Option('--direction <way>', "what the port's client sends (tx), what it receives, or both")
        .choices(['tx', 'rx', 'both'])
        .default('both'),
    )
    .option('-s, --snaplen <bytes>', 'the most that is kept of a packet', count(1, 262_144), 262_144)
    .option('-c, --count <packets>', 'end after so many', count(1))
    .option('--rotate <size>', 'begin another file (FILE-00002.pcapng) after so many bytes, 100M', size)
    .option('--files <number>', 'with --rotate: keep the last ones only', count(1, 99_999))
    .addHelpText(
      'after',
      examples(
        'ptnet capture vale0:1 -w vm1.pcapng',
        'ptnet capture tap:lan -w - udp port 53 | tcpdump -r -',
      ),
    )
    .action((port: string, filter: string[], options: CaptureOptions) =>
      withHost(options, startHost, (host) => capture(port, filter.join(' '), options, io, host)),
    );
}

function addReplay(program: Command, io: Io, startHost: StartHost): void {
  onHost(
    program
      .command('replay')
      .description('send the packets of a pcap or pcapng file into a port, as its client')
      .argument('<capture>', 'the file')
      .argument('<port>', 'a port of a device that no VM is attached to'),
  )
    .option('--speed <times>', "times the file's pace, or 'top': as fast as the port takes it", speed, 1)
    .addOption(
      new Option('--rate <pps>', 'packets a second instead, 1000pps').argParser(pace).conflicts('speed'),
    )
    .option('--loops <number>', 'how often; 0: until it is stopped', count(0), 1)
    .option(
      '--delay <time>',
      "hold each packet back, '10ms', or by chance, '10ms..20ms', in their order",
      delay,
    )
    .option('--loss <share>', 'leave packets out by chance, 1%', share, 0)
    .option('--seed <number>', 'the same seed, the same chance', count(0), 1)
    .addHelpText(
      'after',
      examples('ptnet replay trace.pcap vale0:9', 'ptnet replay trace.pcap vale0:9 --rate 1000pps --loops 0'),
    )
    .action((file: string, port: string, options: ReplayOptions) =>
      withHost(options, startHost, (host) => replay(file, port, options, io, host)),
    );
}

/** Where programs run. */
export interface ProgramHost {
  start(request: ProgramRequest): Promise<ProgramState>;
  ask(id: number): Promise<ProgramState>;
  stop(id: number): Promise<ProgramState>;
}

/** A host of this process's own. */
const onOwnHost = (programs: HostPrograms): ProgramHost => ({
  start: async (request) => programs.start(request),
  ask: async (id) => programs.ask(id)!,
  stop: async (id) => programs.stop(id)!,
});

/** A host that runs already. */
const onRunningHost = (client: ControlClient): ProgramHost => ({
  start: (request) => startOn(client, request),
  ask: (id) => client.program(id),
  stop: (id) => client.stopProgram(id),
});

async function withHost(
  { up, runDir }: HostOptions,
  startHost: StartHost,
  run: (host: ProgramHost) => Promise<void>,
): Promise<void> {
  const where = runDir === undefined ? {} : { runDir };
  if (up === undefined) {
    const client = await ControlClient.connect(where);
    try {
      return await run(onRunningHost(client));
    } finally {
      client.close();
    }
  }
  const host = await startHost(loadConfig(up, where), { verbose: false, file: up, overrides: where });
  try {
    await run(onOwnHost(host.programs!));
  } finally {
    await host.close();
  }
}

/** The host gets files as descriptors. @throws ConfigurationError */
async function startOn(client: ControlClient, request: ProgramRequest): Promise<ProgramState> {
  if (request.kind === 'bridge') return client.startProgram(request);
  if (request.kind === 'capture' && request.options.rotateBytes)
    throw new ConfigurationError("--rotate: only of a host's own: '--up FILE' would be right with it");
  if (request.kind === 'capture') return client.startProgram(programOf(request, request.options.fd!));
  const file = openToReplay(request.options.path);
  try {
    return await client.startProgram(programOf(request, file));
  } finally {
    closeSync(file);
  }
}

/** A FIFO has a writer when it has one. */
function openToReplay(path: string): number {
  try {
    return openSync(path, O_RDONLY | O_NONBLOCK);
  } catch (error) {
    throw new ConfigurationError(`${path}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function programOf(request: Exclude<ProgramRequest, { kind: 'bridge' }>, fd: number): ProgramToStart {
  if (request.kind === 'replay') {
    const { kind, port, options } = request;
    return { kind, port, ...options, fd };
  }
  const { kind, port, direction, options } = request;
  const { path: _path, filter, rotateBytes: _rotateBytes, files: _files, ...rest } = options;
  return {
    kind,
    port,
    direction,
    ...rest,
    fd,
    ...(filter && { filter: Buffer.from(filter).toString('base64') }),
  };
}

/** Runs it until it has ended, or somebody stops the process; its last state. */
async function runToEnd(
  host: ProgramHost,
  request: ProgramRequest,
  io: Io,
  started: (state: ProgramState) => string = () => '',
): Promise<ProgramState> {
  let state = await host.start(request);
  io.err(started(state));
  let stopped = false;
  const stop = io.untilStopped().then(() => {
    stopped = true;
  });
  while (!stopped && !state.ended) {
    await Promise.race([stop, pause(LOOK_MS)]);
    state = await host.ask(state.id);
  }
  state = await host.stop(state.id);
  for (const since = Date.now(); !state.ended && Date.now() - since < LAST_WRITE_MS; ) {
    await pause(LOOK_MS);
    state = await host.ask(state.id);
  }
  return state;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function report(io: Io, json: boolean, result: object, text: string): void {
  if (json) io.out(`${JSON.stringify(result)}\n`);
  else io.err(`${text}\n`);
}

async function capture(
  port: string,
  filterText: string,
  options: CaptureOptions,
  io: Io,
  host: ProgramHost,
): Promise<void> {
  const { write, direction, snaplen, json } = options;
  const toStdout = write === '-';
  if (toStdout && json)
    throw new ConfigurationError('--json: stdout has the packets: a file would be right for -w');
  if (toStdout && options.rotate)
    throw new ConfigurationError('--rotate: stdout is one file: a name would be right for -w');
  if (options.files && !options.rotate)
    throw new ConfigurationError("--files: there is one file: '--rotate 100M' would be right with it");
  const filter = filterText === '' ? undefined : filterOf(filterText, snaplen);
  // Files with numbers are the host's to open.
  const fd = toStdout ? STDOUT : options.rotate ? undefined : await openToCapture(write, io);
  const request: ProgramRequest = {
    kind: 'capture',
    port,
    direction,
    options: {
      ...(fd === undefined ? { path: write } : { fd, truncate: !toStdout }),
      snaplen,
      filterText,
      ...(filter && { filter }),
      count: options.count ?? 0,
      rotateBytes: options.rotate ?? 0,
      files: options.files ?? 0,
    },
  };
  const started = () => `ptnet: ${port} is captured to ${toStdout ? 'stdout' : write}; Ctrl-C ends it\n`;
  const closeFile = () => {
    if (fd !== undefined && !toStdout) closeSync(fd);
  };
  const stats = (await runToEnd(host, request, io, started).finally(closeFile)).stats as CaptureStats;
  report(io, json, { port, file: write, ...stats }, captureText(stats));
  if (stats.error !== '') throw new Error(`${write}: ${stats.error}`);
  if (!stats.ended)
    throw new Error(`${write}: takes nothing any more: what has been captured is not all written`);
}

function filterOf(expression: string, snaplen: number): Uint8Array {
  try {
    return compileFilter(expression, snaplen);
  } catch (error) {
    throw new ConfigurationError((error as Error).message, { cause: error });
  }
}

const captureText = ({ written, seen, filtered, dropped, files }: CaptureStats): string =>
  `ptnet: ${written} packets written${files > 1 ? `, to ${files} files` : ''}; ${seen} passed, ${filtered} not wanted, ${dropped} dropped`;

async function replay(
  path: string,
  port: string,
  options: ReplayOptions,
  io: Io,
  host: ProgramHost,
): Promise<void> {
  const { speed: times, rate, loops, loss, seed } = options;
  const request: ProgramRequest = {
    kind: 'replay',
    port,
    options: {
      path,
      speed: times,
      loops,
      loss,
      seed,
      ...(rate !== undefined && { rate }),
      ...options.delay,
    },
  };
  const stats = (await runToEnd(host, request, io)).stats as ReplayStats;
  report(io, options.json, { port, file: path, ...stats }, replayText(port, stats));
  if (stats.error !== '') throw new Error(stats.error);
}

const replayText = (port: string, { packets, bytes, lost, skipped, loops }: ReplayStats): string =>
  `ptnet: ${packets} packets, ${bytes} bytes, sent into ${port} in ${loops} loops; ${lost} left out, ${skipped} that fit no slots`;

async function bridge(a: string, b: string, { json }: HostOptions, io: Io, host: ProgramHost): Promise<void> {
  const started = ({ stats }: ProgramState) =>
    `ptnet: ${a} and ${b} are bridged${'copies' in stats && stats.copies ? ', with a copy' : ''}; Ctrl-C ends it\n`;
  const stats = (await runToEnd(host, { kind: 'bridge', a, b }, io, started)).stats as BridgeStats;
  report(io, json, { a, b, ...stats }, bridgeText(a, b, stats));
}

const bridgeText = (a: string, b: string, { forth, back }: BridgeStats): string =>
  `ptnet: ${forth.packets} packets from ${a} to ${b}, ${back.packets} back; ${forth.dropped + back.dropped} dropped`;
