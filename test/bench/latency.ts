// Measures latencies: one guest sends packets with their times in them, another one sends them back or is woken up.
import type { JobResult, SpawnedGuest } from '../../guest-driver/model/index.ts';
import { TestHost } from '../harness/host.ts';
import { killAll, startDuo, startGuests, stopGuests } from './guests.ts';
import type { Latency, Timed } from './latencies.ts';
import { type LatencyPlan, latencyPlanOf, rateOf } from './latency-plans.ts';
import type { MeasureOptions } from './measure.ts';
import { besideWorker, cpuOfGuest } from './placement.ts';
import type { Percentiles, Sample } from './sample.ts';

/** Enough packets at the idle rate for a percentile in a thousand. */
const SECONDS_MIN = 0.5;
const MAX_RATE_SECONDS = 0.2;

/** Packets per second, and the times that were asked for. */
export interface Pinged {
  readonly sent: number;
  readonly received: number;
  readonly percentiles: Percentiles;
}

export type Ping = (latency: Latency, rate: number | undefined, seconds: number) => Promise<Pinged>;

export class LatencyMeter {
  readonly #options: MeasureOptions;
  readonly #pingVm: Ping;
  /** By path, policy and guests: the highest rate, as it was in the round that is being measured. */
  readonly #highest = new Map<string, { round: number; rate: number }>();

  constructor(options: MeasureOptions, pingVm: Ping) {
    this.#options = options;
    this.#pingVm = pingVm;
  }

  async measure(latency: Latency, round: number): Promise<Sample> {
    const highest = latency.share === undefined ? 0 : await this.#highestRate(latency, round);
    const seconds = Math.max(SECONDS_MIN, 2 * this.#options.seconds);
    const { sent, percentiles } = await this.#ping(latency, rateOf(latency, highest), seconds);
    if (percentiles.count === 0) throw new Error('nothing was timed');
    return { value: sent, percentiles };
  }

  /** Of packets that come back. */
  async #highestRate(latency: Latency, round: number): Promise<number> {
    const key = `${latency.vm ?? false} ${latency.path} ${latency.policy} ${latency.guests}`;
    const known = this.#highest.get(key);
    if (known?.round === round) return known.rate;
    const { received: rate } = await this.#ping(latency, undefined, MAX_RATE_SECONDS);
    this.#highest.set(key, { round, rate });
    return rate;
  }

  #ping(latency: Latency, rate: number | undefined, seconds: number): Promise<Pinged> {
    return latency.vm ? this.#pingVm(latency, rate, seconds) : pingModel(latency, rate, seconds);
  }
}

function choose(timed: Timed, ping: JobResult, answer: JobResult | undefined): Percentiles {
  switch (timed) {
    case 'round-trip':
      return ping.latency!.roundTrip;
    case 'publish-to-service':
      return ping.latency!.service;
    case 'kick-to-service':
      return ping.latency!.kicked;
    case 'packet-to-interrupt':
      return answer!.latency!.wakeUp;
  }
}

async function pingModel(latency: Latency, rate: number | undefined, seconds: number): Promise<Pinged> {
  const plan = latencyPlanOf(latency, rate, seconds);
  const host = await TestHost.start(plan.config);
  try {
    const run = latency.guests === 'one-thread' ? inOneThread : inProcesses;
    const [ping, answer] = await run(host, plan, latency.timed);
    for (const result of [ping, answer]) if (result?.stopped === 'error') throw new Error(result.error);
    if (ping.received.corrupt > 0) throw new Error(`${ping.received.corrupt} packets came back altered`);
    return {
      sent: ping.sent.packets / ping.seconds,
      received: ping.received.packets / ping.seconds,
      percentiles: choose(latency.timed, ping, answer),
    };
  } finally {
    await host.close();
  }
}

type Results = [ping: JobResult, answer: JobResult | undefined];

/** One process for each VM. */
async function inProcesses(host: TestHost, plan: LatencyPlan, timed: Timed): Promise<Results> {
  // A receiver that is to be woken up must not find its sender on its CPU.
  const sleeps = timed === 'packet-to-interrupt';
  const answers = await startGuests(host, plan.answers, sleeps ? besideWorker : cpuOfGuest);
  let pings: SpawnedGuest[] = [];
  try {
    pings = await startGuests(host, [plan.pings]);
    for (const guest of [...answers, ...pings]) guest.go();
    const ping = (await pings[0]!.done)[0]!;
    const [answer] = await stopGuests(answers);
    return [ping, answer];
  } finally {
    killAll([...answers, ...pings]);
  }
}

async function inOneThread(host: TestHost, plan: LatencyPlan): Promise<Results> {
  const duo = await startDuo(host, plan.pings, plan.answers[0]!);
  try {
    duo.go();
    const [ping, echo] = await duo.done;
    return [ping!, echo];
  } finally {
    duo.kill();
  }
}
