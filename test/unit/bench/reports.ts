// A small report for tests, made of samples that are given.
import { LATENCIES, latencyLabel } from '../../bench/latencies.ts';
import { limitLabel, RATE_LIMITS } from '../../bench/limits.ts';
import type { Peer } from '../../bench/peers/peer.ts';
import { makeReport, type Report } from '../../bench/report.ts';
import type { Sample } from '../../bench/sample.ts';
import {
  idleLabel,
  instructionsLabel,
  labelOf,
  portsLabel,
  type Scenario,
  trickleLabel,
} from '../../bench/scenarios.ts';

export const SIZES = [60, 1514] as const;

export const pair = (path: Scenario['path'], size: number): Scenario => ({
  path,
  vm: false,
  size,
  rings: 1,
  burst: 256,
  payload: 'none',
});

export const SCENARIOS = [
  ...SIZES.map((size) => pair('guest-to-guest-vale', size)),
  ...SIZES.map((size) => pair('vale-duplex', size)),
  ...SIZES.map((size): Scenario => ({ ...pair('guest-to-guest-vale', size), payload: 'stamp' })),
  ...SIZES.map((size): Scenario => ({ ...pair('guest-to-host', size), vm: true, payload: 'stamp' })),
];

const peer = (name: string): Peer => ({
  name,
  sizes: (sizes) => sizes,
  comparesWith: () => true,
  available: async () => undefined,
  measure: async () => 0,
});

/** One value a round. */
const values = (...rounds: number[]): Sample[] => rounds.map((value) => ({ value }));

/** @param factor of all rates but the limits; times and costs are divided by it */
export function sampleReport(factor = 1, failures: [string, string][] = []): Report {
  const samples = new Map<string, Sample[]>();
  for (const { name } of RATE_LIMITS) samples.set(limitLabel(name), values(100e6, 200e6, 400e6));
  // As on a machine with one CPU: nothing goes from core to core.
  samples.set(limitLabel('switch'), values(50 / factor, 60 / factor));
  for (const scenario of SCENARIOS) {
    const rate = scenario.path === 'vale-duplex' ? 15e6 : 10e6;
    const rounds = [rate, 2 * rate, 4 * rate].map((value) => ({
      value: value * factor,
      sent: value,
      cpus: { host: 1, guests: 2 },
    }));
    samples.set(labelOf(scenario), rounds);
  }
  samples.set('peer other size=60', values(5e6, 10e6, 10e6));
  const percentiles = { count: 1000, p50: 5000 / factor, p99: 9000 / factor, p999: 20_000 / factor };
  for (const latency of LATENCIES) samples.set(latencyLabel(latency), [{ value: 4000, percentiles }]);
  samples.set(idleLabel(50), values(0.001 / factor, 0.002 / factor));
  samples.set(idleLabel(1000), values(0.001 / factor, 0.002 / factor));
  samples.set(trickleLabel('adaptive'), values(0.06 / factor));
  samples.set(instructionsLabel('guest-to-guest-vale', 256), values(77 / factor));
  samples.set(portsLabel(2), values(10e6 * factor));
  samples.set(portsLabel(254), values(8e6 * factor));
  return makeReport(
    { samples, failures: new Map(failures) },
    { scenarios: SCENARIOS, peers: [peer('other'), peer('absent')], seconds: 1, rounds: 3 },
  );
}
