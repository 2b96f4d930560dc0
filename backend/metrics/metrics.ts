// The figures of a host in Prometheus' text format, written in slices: a host of a thousand ports serves VMs in between.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Metric, Registry } from 'prom-client';
import type { Host } from '../host.ts';
import type { PortStats } from '../host-stats.ts';
import { VERSION } from '../version.ts';
import { FAMILIES, type Family, type Sample, type Snapshot } from './families.ts';
import { WorkerLoad } from './worker-load.ts';

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

const STARTED_MS = Date.now();
/** Some milliseconds' work: so long messages of guests wait for an answer. */
const SLICE_SAMPLES = 500;
const SLICE_PORTS = 100;

type Source = Pick<Host, 'stats' | 'state' | 'portNames'>;
const loads = new WeakMap<Source, WorkerLoad>();
/** Who asks while an answer is being written gets the same. */
const running = new WeakMap<Source, Promise<string>>();

export async function metricsText(host: Source): Promise<string> {
  const there = running.get(host);
  if (there) return await there;
  const text = write(host).finally(() => running.delete(host));
  running.set(host, text);
  return await text;
}

async function write(host: Source): Promise<string> {
  // All but the ports, which are most of it.
  const rest = host.stats([]);
  const load = loads.get(host) ?? new WorkerLoad();
  loads.set(host, load);
  const busySeconds = load.add(rest.workers);
  const state = host.state(rest);
  const ports: PortStats[] = [];
  const names = host.portNames;
  for (let from = 0; from < names.length; from += SLICE_PORTS) {
    await nextTurn();
    // One that has gone meanwhile is not among them.
    ports.push(...host.stats(names.slice(from, from + SLICE_PORTS)).ports);
  }
  const stats = { ...rest, ports };
  return await formatMetrics({ stats, state, version: VERSION, startedMs: STARTED_MS, busySeconds });
}

/** Gives the event loop back after each slice; the snapshot stays what it is meanwhile. */
export async function formatMetrics(snapshot: Snapshot): Promise<string> {
  const parts: string[] = [];
  for (const family of FAMILIES) {
    const values = [...family.samples(snapshot)];
    parts.push(await familyText(family, values.slice(0, SLICE_SAMPLES)));
    for (let from = SLICE_SAMPLES; from < values.length; from += SLICE_SAMPLES) {
      await nextTurn();
      const more = await familyText(family, values.slice(from, from + SLICE_SAMPLES));
      parts.push(more.slice(endOfHeader(more)));
    }
    parts.push('\n\n');
    if (values.length >= SLICE_SAMPLES / 2) await nextTurn();
  }
  return parts.join('').replace(/\n\n$/, '\n');
}

/** The library's own writer, with the samples as they are: it would keep each in a map by its labels first, for several times as long. */
async function familyText({ name, type, help }: Family, values: readonly Sample[]): Promise<string> {
  const registry = new Registry();
  const metric = { name, get: async () => ({ name, help, type, aggregator: 'sum', values }) };
  registry.registerMetric(metric as unknown as Metric);
  return (await registry.metrics()).trimEnd();
}

/** Behind HELP and TYPE, which are there once. */
function endOfHeader(text: string): number {
  return text.indexOf('\n', text.indexOf('\n# TYPE ') + 1);
}
