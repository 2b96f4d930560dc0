// The benchmark's command line: selects, runs the rounds, prints tables, writes JSON, compares with an older run.
import { readFileSync, writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { compare, formatChanges, hasRegression } from './compare.ts';
import { measureIdle } from './cost.ts';
import { LIMITS, limitLabel, sampleLimit } from './limits.ts';
import { type MeasureOptions, measure } from './measure.ts';
import { planOf } from './plans.ts';
import { makeReport, type Report, type Sample } from './report.ts';
import { type Item, runRounds, type Step } from './rounds.ts';
import { IDLE_RINGS, idleLabel, labelOf, SCENARIOS } from './scenarios.ts';
import { formatReport } from './table.ts';

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly json?: string;
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

const program = new Command('npm run bench --')
  .description(
    "measures the machine's own limits, every path between guests and host, and what idle rings cost;\n" +
      'guests are driver models in processes of their own',
  )
  .option('--seconds <n>', 'how long each measurement lasts, after its warm-up', seconds, 0.25)
  .option('--rounds <n>', 'how often everything is measured, in rotated order', rounds, 5)
  .option('--only <pattern>', 'only what matches this regular expression (see --list)', pattern)
  .option('--json <file>', 'write the results as JSON too')
  .option(
    '--compare <file>',
    'say what differs from an older --json file beyond the noise; exit code 1 if worse',
  )
  .option('--list', 'list what can be measured, and measure nothing', false)
  .action(bench);

function itemsOf(options: MeasureOptions): Item<Sample>[] {
  return [
    ...LIMITS.map(({ name }) => ({
      label: limitLabel(name),
      run: async () => ({ value: await sampleLimit(name, options.seconds) }),
    })),
    ...SCENARIOS.map((scenario) => ({
      label: labelOf(scenario),
      run: async () => {
        const { sent, received } = await measure(planOf(scenario), options);
        return { value: received, sent };
      },
    })),
    ...IDLE_RINGS.map((rings) => ({
      label: idleLabel(rings),
      run: async () => ({ value: await measureIdle(rings, options) }),
    })),
  ];
}

/** The limits are always measured: shares need them. */
function select(items: readonly Item<Sample>[], only: RegExp | undefined): Item<Sample>[] {
  const selected = items.filter(({ label }) => only === undefined || only.test(label));
  if (selected.length === 0)
    throw new Error(`--only ${only?.source}: nothing matches: --list shows what there is`);
  return items.filter((item) => item.label.startsWith('limit ') || selected.includes(item));
}

async function bench(options: Options): Promise<void> {
  // Read first: a wrong name should not cost a whole run.
  const old = options.compare === undefined ? undefined : readReport(options.compare);
  const abort = new AbortController();
  const { only } = options;
  const items = select(itemsOf({ seconds: options.seconds, signal: abort.signal }), only);
  if (options.list) {
    process.stdout.write(items.map(({ label }) => `${label}\n`).join(''));
    return;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());
  const outcome = await runRounds(items, options.rounds, progress(), () => abort.signal.aborted);
  process.stderr.write(process.stderr.isTTY ? '\r\u001b[K' : '');
  if (abort.signal.aborted) throw new Error('interrupted');
  const { seconds, rounds } = options;
  const report = makeReport(outcome, SCENARIOS, { seconds, rounds });
  process.stdout.write(formatReport(report));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (outcome.failures.size > 0) process.exitCode = 1;
  if (old === undefined) return;
  const changes = compare(old, report);
  process.stdout.write(`\n${formatChanges(changes)}`);
  if (hasRegression(changes)) process.exitCode = 1;
}

function readReport(file: string): Report {
  const report = JSON.parse(readFileSync(file, 'utf8')) as Partial<Report>;
  for (const key of ['limits', 'results', 'cost'] as const)
    if (!Array.isArray(report[key]))
      throw new Error(`${file}: has no '${key}': a file made by --json would be right`);
  return report as Report;
}

/** One line that is overwritten on a terminal; one line a measurement elsewhere. */
function progress(): (step: Step) => void {
  const width = `${SCENARIOS.length * 1000}`.length;
  return ({ label, round, number, total }) => {
    const line = `${`${number}`.padStart(width)}/${total} round ${round}: ${label}`;
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
  };
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
