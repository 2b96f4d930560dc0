#!/usr/bin/env node
// The demonstration: one host, guests in processes of their own, four paths between them, and a table.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { HostConfig } from '../backend/config/host-config.ts';
import { Host } from '../backend/host.ts';
import type { Guests } from './guests.ts';
import { measure, type PathResult } from './measure.ts';
import { demoConfig, PATHS, type Path } from './paths.ts';
import { Progress, table } from './report.ts';

interface Options {
  readonly vm: boolean;
  readonly json: boolean;
  readonly seconds: number;
}

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
  const runDir = mkdtempSync(join(tmpdir(), 'ptnet-demo-'));
  const config = demoConfig(runDir);
  const host = await Host.start(config);
  let guests: Guests | undefined;
  const end = async (): Promise<void> => {
    await guests?.close();
    await host.close();
    rmSync(runDir, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void end().finally(() => process.exit(1)));
  try {
    guests = await startGuests(options, host, progress);
    const results = await runPaths(options, config, host, guests, progress);
    process.stdout.write(
      options.json ? `${JSON.stringify({ paths: results })}\n` : `\n${table(results, PATHS)}`,
    );
  } finally {
    await end();
  }
}

/** Loaded only when wanted: the VMs' harness knows how to fetch a QEMU. */
async function startGuests({ vm }: Options, host: Host, progress: Progress): Promise<Guests> {
  if (vm) {
    progress.say('starting two VMs (software emulation takes a while to boot)');
    const { VmGuests } = await import('./vm-guests.ts');
    return await VmGuests.start(host);
  }
  const { ModelGuests } = await import('./model-guests.ts');
  return new ModelGuests(host);
}

async function runPaths(
  options: Options,
  config: HostConfig,
  host: Host,
  guests: Guests,
  progress: Progress,
): Promise<PathResult[]> {
  const results: PathResult[] = [];
  for (const path of PATHS) {
    progress.start(path);
    const result = await measure(host, guests, path, destination(config, path), {
      seconds: options.seconds,
      onProgress: (packets, time) => progress.update(path, packets, time),
    });
    progress.done(result);
    results.push(result);
  }
  return results;
}

/** The MAC address of the guest that the packets are for; a sink takes any. */
function destination(config: HostConfig, path: Path): string {
  return path.to ? config.vms.get(path.to.vm)!.devices[path.to.device]!.mac : '02:00:00:00:00:01';
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
