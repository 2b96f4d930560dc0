// The benchmark's command line: selects, runs the rounds, prints tables, writes JSON, compares with an older run.
import { readFileSync, writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { compare, formatChanges, hasRegression } from './compare.ts';
import { formatHtml } from './html.ts';
import { type Program, programOf } from './items.ts';
import { PEERS } from './peers/list.ts';
import { makeReport, type Report } from './report.ts';
import { type Item, runRounds, type Step } from './rounds.ts';
import type { Sample } from './sample.ts';
import { SCENARIOS } from './scenarios.ts';
import { formatReport } from './table.ts';

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly json?: string;
  readonly html?: string;
  readonly only?: RegExp;
  readonly compare?: string;
  readonly list: boolean;
}

function seconds(value: string): number {
  const number = Number(value);
  if (!(number >= 0.05 && number <= 60))
    throw new InvalidArgumentError('A number of seconds from 0.05 to 60 would be right.');
  return number;
}

function rounds(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 1000)
    throw new InvalidArgumentError('A whole number from 1 to 1000 would be right.');
  return number;
}

function pattern(value: string): RegExp {
  try {
    return new RegExp(value, 'i');
  } catch (error) {
    throw new InvalidArgumentError(`Not a regular expression: ${(error as Error).message}.`);
  }
}

/** The spread of fewer says little. */
const ROUNDS_THAT_SHOW_NOISE = 3;

const program = new Command('npm run bench --')
  .description(
    "measures the machine's own limits, every path between guests and host, latencies and what things cost;\n" +
      'guests are driver models in processes of their own, and real VMs where it says vm',
  )
  .option('--seconds <n>', 'how long each measurement lasts, after its warm-up', seconds, 0.25)
  .option('--rounds <n>', 'how often everything is measured, in rotated order', rounds, 5)
  .option('--only <pattern>', 'only what matches this regular expression (see --list)', pattern)
  .option('--json <file>', 'write the results as JSON too')
  .option('--html <file>', 'write the results as a page with plots too')
  .option(
    '--compare <file>',
    'say what differs from an older --json file beyond the noise; exit code 1 if worse',
  )
  .option('--list', 'list what can be measured, and measure nothing', false)
  .action(bench);

/** The limits are always measured: shares need them. */
function select(items: readonly Item<Sample>[], only: RegExp | undefined): Item<Sample>[] {
  const selected = items.filter(({ label }) => only === undefined || only.test(label));
  if (selected.length === 0)
    throw new Error(`--only ${only?.source}: nothing matches: --list shows what there is`);
  return items.filter((item) => item.label.startsWith('limit ') || selected.includes(item));
}

async function bench(options: Options): Promise<void> {
  const { seconds, only } = options;
  const abort = new AbortController();
  const program = programOf({ seconds, signal: abort.signal });
  const items = select(program.items, only);
  if (options.list) {
    process.stdout.write(items.map(({ label }) => `${label}\n`).join(''));
    return;
  }
  if (only === undefined)
    process.stderr.write(
      `bench: everything, ${items.length} measurements in ${options.rounds} rounds; some of it: npm run bench -- --only PATTERN, with the -- in front, for npm keeps other options to itself\n`,
    );
  // Not once: whoever ends child processes at a signal would then end this one too, before it has closed its VMs.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => (abort.signal.aborted ? process.exit(1) : abort.abort()));
  // Read first: a wrong name should not cost a whole run.
  const old = options.compare === undefined ? undefined : readReport(options.compare);
  const report = await run(program, items, options, abort.signal);
  process.stdout.write(formatReport(report));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.html !== undefined) writeFileSync(options.html, formatHtml(report));
  if (old === undefined) return;
  const changes = compare(old, report);
  process.stdout.write(`\n${formatChanges(changes)}`);
  if (Math.min(old.rounds, report.rounds) < ROUNDS_THAT_SHOW_NOISE)
    process.stdout.write(`runs of fewer than ${ROUNDS_THAT_SHOW_NOISE} rounds do not show their noise\n`);
  if (hasRegression(changes)) process.exitCode = 1;
}

/** What cannot be had here is said in the report and fails nothing; what fails while it is measured fails the run. */
async function run(
  program: Program,
  items: readonly Item<Sample>[],
  { seconds, rounds }: Options,
  signal: AbortSignal,
): Promise<Report> {
  try {
    const absent = await program.prepare(new Set(items.map(({ label }) => label)));
    const present = items.filter(({ label }) => !absent.has(label));
    const { samples, failures } = await runRounds(present, rounds, progress(), () => signal.aborted);
    process.stderr.write(process.stderr.isTTY ? '\r\u001b[K' : '');
    if (signal.aborted) throw new Error('interrupted');
    if (failures.size > 0) process.exitCode = 1;
    const outcome = { samples, failures: new Map([...absent, ...failures]) };
    return makeReport(outcome, { scenarios: SCENARIOS, peers: PEERS, seconds, rounds });
  } finally {
    await program.close();
  }
}

function parseReport(file: string): Partial<Report> {
  const text = readFileSync(file, 'utf8');
  try {
    return JSON.parse(text) as Partial<Report>;
  } catch (error) {
    throw new Error(`${file}: not JSON: a file made by --json would be right`, { cause: error });
  }
}

function readReport(file: string): Report {
  const report = parseReport(file);
  for (const key of ['limits', 'results', 'latency', 'cost'] as const)
    if (!Array.isArray(report[key]))
      throw new Error(`${file}: has no '${key}': a file made by --json would be right`);
  return report as Report;
}

/** One line that is overwritten on a terminal; one line a measurement elsewhere. */
function progress(): (step: Step) => void {
  return ({ label, round, number, total }) => {
    const line = `${`${number}`.padStart(`${total}`.length)}/${total} round ${round}: ${label}`;
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
  };
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
