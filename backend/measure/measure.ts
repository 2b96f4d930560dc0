// Measures paths of a configuration: rates by size and burst, the highest rate without loss, latencies at loads.
import type { HostConfig } from '../config/host-config.ts';
import { ConfigurationError } from '../errors.ts';
import { thisMachine, version } from '../report/machine.ts';
import type { Guests } from './guests.ts';
import { highestRate } from './highest.ts';
import { LatencyMeter, type LatencyOutcome, type Load } from './latency.ts';
import { slotLimit } from './limit.ts';
import { type End, nameOf, type Path, parsePath } from './path.ts';
import { isCrowded } from './placement.ts';
import type { EndKind, HighestRow, LatencyRow, Measurement, RateRow } from './results.ts';
import { type Payload, Scene } from './scene.ts';
import { type Flow, newContext, runTrial, type Tick, type Traffic, type TrialContext } from './trial.ts';

export type MeasureEvent =
  | { readonly kind: 'boot'; readonly by: string }
  | { readonly kind: 'trial'; readonly path: string; readonly traffic: Traffic }
  | { readonly kind: 'tick'; readonly path: string; readonly size: number; readonly tick: Tick }
  | { readonly kind: 'rate'; readonly row: RateRow }
  | { readonly kind: 'highest'; readonly row: HighestRow }
  | { readonly kind: 'latency'; readonly row: LatencyRow };

export interface MeasureOptions {
  /** Who drives devices: `model` (default), or `vm`, test guests of ours in real VMs. */
  readonly guests?: 'model' | 'vm';
  /** Bytes of a packet; default: 60. */
  readonly sizes?: readonly number[];
  /** Slots that a guest fills or takes at once; default: 256. */
  readonly bursts?: readonly number[];
  /** What is written into each packet and checked; default: `stamp`, a number in its first cache line. */
  readonly payload?: Payload;
  /** Packets per second of each sender; default: one trial, as fast as it goes. */
  readonly rates?: readonly number[];
  /** Of a trial; default: 1. */
  readonly seconds?: number;
  /** Search the highest rate without loss too; shares of packets and of the rate. */
  readonly highest?: { readonly resolution?: number; readonly tolerance?: number };
  /** Time packets at these loads too. */
  readonly latency?: readonly Load[];
  readonly command?: readonly string[];
  readonly onEvent?: (event: MeasureEvent) => void;
  readonly signal?: AbortSignal;
}

const WARM_UP_SECONDS = 0.1;
const LIMIT_SECONDS = 0.3;
const NEVER = new AbortController().signal;

interface Run extends TrialContext {
  readonly options: MeasureOptions;
  readonly signal: AbortSignal;
  readonly onEvent: (event: MeasureEvent) => void;
  readonly seconds: number;
}

/**
 * @param paths such as `vm1/net0 -> host` and `vm1/net0 <-> vm2/net0`
 * @throws ConfigurationError for a path that the configuration does not have; Error when a guest or a port cannot be had;
 * the signal's reason
 */
export async function measure(
  config: HostConfig,
  paths: readonly string[],
  options: MeasureOptions = {},
): Promise<Measurement> {
  const parsed = paths.map((text) => parsePath(text, config));
  const { signal = NEVER, onEvent = () => {}, payload = 'stamp', seconds = 1 } = options;
  const before = await slotLimit(LIMIT_SECONDS);
  const scene = await Scene.open(config, parsed, payload);
  let guests: Guests | undefined;
  const stop = (): void => void guests?.close();
  signal.addEventListener('abort', stop);
  try {
    if (options.highest) for (const path of parsed) checkLossesAreTold(path, options, scene);
    const started = await startGuests(scene, parsed, options, signal);
    guests = started.guests;
    const run: Run = { ...newContext(scene, guests), options, signal, onEvent, seconds };
    const rates: RateRow[] = [];
    const highest: HighestRow[] = [];
    const latency: LatencyRow[] = [];
    for (const path of parsed) {
      rates.push(...(await measureRates(run, path)));
      if (options.highest) highest.push(...(await measureHighest(run, path)));
      latency.push(...(await measureLatencies(run, path)));
    }
    // What disturbed one of the two was not the machine's own.
    const limit = Math.max(before, await slotLimit(LIMIT_SECONDS));
    return {
      time: new Date().toISOString(),
      machine: thisMachine(),
      version: version(),
      command: options.command ?? [],
      guests: started.by,
      ends: endKinds(parsed, guests.kind),
      host: scene.host ? 'own' : 'running',
      crowded: isCrowded(scene.config.engine),
      limitMpps: millions(limit),
      rates,
      highest,
      latency,
    };
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', stop);
    await guests?.close();
    await scene.close();
  }
}

/** Where nobody counts what is missing, no rate is known to be without loss. */
function checkLossesAreTold(path: Path, { guests }: MeasureOptions, scene: Scene): void {
  const right =
    path.both && guests === 'vm'
      ? 'one direction, or driver models,'
      : path.from.kind === 'host' && !scene.host
        ? 'a host that is not running yet'
        : undefined;
  if (right === undefined) return;
  throw new ConfigurationError(
    `${path.text}: nobody can tell what is lost on it, and so which rate is without loss: ${right} would be right`,
  );
}

/** VMs only where they are wanted: what starts them knows how to fetch a QEMU. */
async function startGuests(
  scene: Scene,
  paths: readonly Path[],
  { guests = 'model', onEvent = () => {} }: MeasureOptions,
  signal: AbortSignal,
): Promise<{ guests: Guests; by: string }> {
  const ends = paths.flatMap(({ from, to }) => [from, to]);
  if (guests === 'model') return { guests: scene.models(), by: byOf(ends, 'driver models') };
  const vms = new Set(ends.flatMap((end) => (end.kind === 'device' ? [end.vm] : [])));
  const { startVms } = await import('./vm-guests.ts');
  const started = await startVms(scene, [...vms], signal, (by) => onEvent({ kind: 'boot', by }));
  return { ...started, by: byOf(ends, started.by) };
}

/** Who drives the ends. */
function byOf(ends: readonly End[], guests: string): string {
  const others = ends.some(({ kind }) => kind === 'application') ? ['netmap applications'] : [];
  return [...(ends.some(({ kind }) => kind === 'device') ? [guests] : []), ...others].join(', ');
}

function endKinds(paths: readonly Path[], guests: Guests['kind']): Record<string, EndKind> {
  const ends = paths.flatMap(({ from, to }) => [from, to]);
  return Object.fromEntries(ends.map((end) => [nameOf(end), end.kind === 'device' ? guests : end.kind]));
}

const millions = (value: number): number => Number((value / 1e6).toFixed(6));
const gigabits = (pps: number, size: number): number => Number(((pps * size * 8) / 1e9).toFixed(6));

/** All combinations of what is varied. */
function* trafficOf({ options, seconds }: Run): Generator<Traffic> {
  const { sizes = [60], bursts = [256], rates = [], payload = 'stamp' } = options;
  for (const size of sizes)
    for (const burst of bursts)
      for (const rate of rates.length > 0 ? rates : [undefined])
        yield { size, burst, payload, seconds, ...(rate !== undefined && { rate }) };
}

async function trial(run: Run, path: Path, traffic: Traffic): Promise<Flow[]> {
  run.signal.throwIfAborted();
  run.onEvent({ kind: 'trial', path: path.text, traffic });
  const flows = await runTrial(run, path, traffic, (tick) =>
    run.onEvent({ kind: 'tick', path: path.text, size: traffic.size, tick }),
  );
  // Who has sent and who was to receive were stopped at once: what was under way is not lost.
  run.signal.throwIfAborted();
  return flows;
}

/** Nobody's first touch of a buffer is in a rate. */
async function warmUp(run: Run, path: Path): Promise<void> {
  run.signal.throwIfAborted();
  const [traffic] = trafficOf(run);
  await runTrial(run, path, { ...traffic!, seconds: WARM_UP_SECONDS });
}

async function measureRates(run: Run, path: Path): Promise<RateRow[]> {
  const rows: RateRow[] = [];
  await warmUp(run, path);
  for (const traffic of trafficOf(run)) {
    for (const flow of await trial(run, path, traffic)) {
      const row = rateRow(flow, traffic);
      run.onEvent({ kind: 'rate', row });
      rows.push(row);
    }
  }
  return rows;
}

function rateRow({ text, pps, ...flow }: Flow, { size, burst, payload, rate }: Traffic): RateRow {
  const seconds = Number(flow.seconds.toFixed(6));
  return {
    path: text,
    size,
    burst,
    payload,
    askedPps: rate ?? null,
    ...flow,
    seconds,
    mpps: millions(pps),
    gbps: gigabits(pps, size),
  };
}

async function measureHighest(run: Run, path: Path): Promise<HighestRow[]> {
  const { resolution = 0.01, tolerance = 0 } = run.options.highest ?? {};
  const rows: HighestRow[] = [];
  const seen = new Set<string>();
  for (const { rate: _, ...traffic } of trafficOf(run)) {
    const key = `${traffic.size} ${traffic.burst}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const { pps, steps } = await highestRate(
      async (rate) => {
        const flows = await trial(run, path, { ...traffic, ...(rate !== undefined && { rate }) });
        return worstOf(flows);
      },
      { resolution, tolerance },
    );
    const { size, burst, payload } = traffic;
    const row = {
      path: path.text,
      size,
      burst,
      payload,
      mpps: millions(pps),
      gbps: gigabits(pps, size),
      resolution,
      tolerance,
      steps,
    };
    run.onEvent({ kind: 'highest', row });
    rows.push(row);
  }
  return rows;
}

/** Both directions have to do it. */
function worstOf(flows: readonly Flow[]): { offered: number; received: number; loss: number } {
  const each = flows.map(({ sent, lost, pps, seconds }) => ({
    offered: seconds > 0 ? sent / seconds : 0,
    received: pps,
    loss: sent > 0 ? Math.max(0, lost ?? 0) / sent : 1,
  }));
  return each.reduce((worst, one) => (one.loss > worst.loss ? one : worst));
}

async function measureLatencies(run: Run, path: Path): Promise<LatencyRow[]> {
  const meter = new LatencyMeter(run);
  const rows: LatencyRow[] = [];
  for (const load of run.options.latency ?? []) {
    run.signal.throwIfAborted();
    const row = latencyRow(await meter.measure(path, load, run.seconds));
    run.onEvent({ kind: 'latency', row });
    rows.push(row);
  }
  return rows;
}

function latencyRow({ path, what, load, pps, times }: LatencyOutcome): LatencyRow {
  const us = (ns: number): number => Number((ns / 1000).toFixed(3));
  const { count: samples, p50, p99, p999, max } = times;
  return {
    path,
    what,
    load,
    mpps: millions(pps),
    samples,
    p50: us(p50),
    p99: us(p99),
    p999: us(p999),
    max: us(max),
  };
}
