#!/usr/bin/env node
// The demonstration: one host, guests in processes of their own, four paths between them, and a table.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { Guests } from '../backend/measure/guests.ts';
import { LIMIT_MEANING, slotLimit } from '../backend/measure/limit.ts';
import { parsePath } from '../backend/measure/path.ts';
import { Scene } from '../backend/measure/scene.ts';
import { type Flow, newContext, runTrial, type Tick, type TrialContext } from '../backend/measure/trial.ts';
import { describeMachine, thisMachine } from '../backend/report/machine.ts';
import { type DemoPath, demoConfig, PATHS } from './paths.ts';
import { limitText, type PathResult, Progress, table } from './report.ts';

interface Options {
  readonly vm: boolean;
  readonly json: boolean;
  readonly seconds: number;
}

/** Of the pass in which every byte is proved, of the machine's limit, and of what is not measured before a path. */
const PROOF_SECONDS = 0.5;
const LIMIT_SECONDS = 0.5;
const WARM_UP_SECONDS = 0.2;
const TRAFFIC = { size: 60, burst: 256 } as const;

function seconds(value: string): number {
  const number = Number(value);
  if (!(number >= 0.1 && number <= 60))
    throw new InvalidArgumentError('A number of seconds from 0.1 to 60 would be right.');
  return number;
}

const program = new Command('npm run demo --')
  .description('measures four paths between guests and a host that run on this machine')
  .option('--vm', 'real VMs instead of driver models (fetches QEMU and a kernel the first time)', false)
  .option('--json', 'print one JSON object on stdout instead of the table', false)
  .option('--seconds <n>', 'how long each path runs', seconds, 3)
  .action(demo);

async function demo(options: Options): Promise<void> {
  const progress = new Progress(process.stderr);
  const stop = new AbortController();
  const runDir = mkdtempSync(join(tmpdir(), 'ptnet-demo-'));
  const before = await slotLimit(LIMIT_SECONDS);
  const scene = await Scene.open(demoConfig(runDir), []);
  let guests: Guests | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1);
      stop.abort(new Error('interrupted'));
      void guests?.close();
    });
  try {
    guests = await startGuests(options, scene, progress, stop.signal);
    const context = newContext(scene, guests);
    const flows: Measured[] = [];
    for (const path of PATHS) {
      stop.signal.throwIfAborted();
      flows.push(await measure(context, path, options.seconds, progress));
    }
    // What disturbed one of the two was not the machine's own.
    const limit = Math.max(before, await slotLimit(LIMIT_SECONDS));
    const results = flows.map((flow) => resultOf(flow, guests!.kind, limit));
    const machine = thisMachine();
    const mpps = limit / 1e6;
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ machine, limit: { mpps: Number(mpps.toFixed(1)), meaning: LIMIT_MEANING }, paths: results })}\n`
        : `\n${limitText(describeMachine(machine), mpps, LIMIT_MEANING)}\n${table(results, PATHS)}`,
    );
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    await guests?.close();
    await scene.close();
    rmSync(runDir, { recursive: true, force: true });
  }
}

/** Loaded only when wanted: the VMs' part knows how to fetch a QEMU. */
async function startGuests(
  { vm }: Options,
  scene: Scene,
  progress: Progress,
  signal: AbortSignal,
): Promise<Guests> {
  if (!vm) return scene.models();
  progress.say('starting two VMs (software emulation takes a while to boot)');
  const { startVms } = await import('../backend/measure/vm-guests.ts');
  return (await startVms(scene, [...scene.config.vms.keys()], signal)).guests;
}

interface Measured {
  readonly path: DemoPath;
  readonly flow: Flow;
  /** Of the pass in which every byte is proved. */
  readonly proof: Flow;
}

async function measure(
  context: TrialContext,
  path: DemoPath,
  seconds: number,
  progress: Progress,
): Promise<Measured> {
  progress.start(path);
  const run = async (text: string, payload: 'stamp' | 'full', of: number): Promise<Flow> => {
    const onTick = ({ received, seconds: so }: Tick): void => progress.update(path, received, so);
    const parsed = parsePath(text, context.scene.config);
    return (await runTrial(context, parsed, { ...TRAFFIC, payload, seconds: of }, onTick))[0]!;
  };
  await run(path.measured, 'stamp', WARM_UP_SECONDS);
  const flow = await run(path.measured, 'stamp', seconds);
  const proof = await run(path.proved, 'full', PROOF_SECONDS);
  progress.done({ name: path.name, packets: flow.received, mpps: flow.pps / 1e6 });
  return { path, flow, proof };
}

/** @param limit slots per second */
const resultOf = ({ path, flow, proof }: Measured, guest: Guests['kind'], limit: number): PathResult => ({
  name: path.name,
  guest,
  mpps: Number((flow.pps / 1e6).toFixed(3)),
  ofLimit: Number((flow.pps / limit).toFixed(4)),
  packets: flow.received,
  lost: flow.lost ?? 0,
  corrupt: flow.corrupt,
  kicks: flow.kicks,
  interrupts: flow.interrupts,
  proof: { packets: proof.received, corrupt: proof.corrupt },
});

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
