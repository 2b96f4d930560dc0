// Measurements in real VMs: two of them, started once and used in every round.
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { AgentResult } from '../../vm-images/machine/agent.ts';
import { Vm } from '../../vm-images/machine/vm.ts';
import { TestHost } from '../harness/host.ts';
import { cpusBetween, readCpu } from './cpu.ts';
import { checkTraffic } from './guests.ts';
import type { Latency, Timed } from './latencies.ts';
import type { Pinged } from './latency.ts';
import { count, type MeasureOptions, type Rates, ratesBetween, readAt } from './measure.ts';
import { cpuOfGuest, PLACED_ENGINE } from './placement.ts';
import type { Percentiles } from './sample.ts';
import type { Scenario } from './scenarios.ts';
import { fleetConfig, KNOWN, type Order, type VmName, type VmPlan, vmPingOf, vmPlanOf } from './vm-plans.ts';

/** Emulated code is translated when it first runs. */
const WARM_UP_SECONDS = 0.25;
/** The serial line and the start of the agent's loop. */
const START_SECONDS = 0.75;
const ECHO_START_MS = 300;
const FIRST_PACKET_MS_MAX = 10_000;
/** Numbers that one measurement cannot use up. */
const SEQ_STEP = 2 ** 36;

export class VmFleet {
  #running: Promise<{ host: TestHost; vms: ReadonlyMap<string, Vm> }> | undefined;
  #firstSeq = 0;

  /** Starts the VMs if they are not running. @throws what kept them from it, each time. */
  async start(): Promise<void> {
    this.#running ??= startFleet();
    await this.#running;
  }

  async measure(scenario: Scenario, options: MeasureOptions): Promise<Rates> {
    await this.start();
    const { host, vms } = await this.#running!;
    const seconds = START_SECONDS + WARM_UP_SECONDS + options.seconds;
    const plan = vmPlanOf(scenario, seconds, this.#firstSeq);
    this.#firstSeq += SEQ_STEP;
    const orders = [plan.receiver, plan.sender].filter((order) => order !== undefined);
    const before = count(host.host.stats(), plan.received);
    const jobs = orders.map((order) => new RunningOrder(vms.get(order.vm)!, order));
    try {
      return await looks(host, plan, before, { jobs, options, pids: pidsOf(vms) });
    } finally {
      await Promise.allSettled(jobs.map(({ done }) => done));
    }
  }

  /** Round trips between the two, or the host's part as one of them sees it. */
  async ping(latency: Latency, rate: number | undefined, seconds: number): Promise<Pinged> {
    await this.start();
    const { vms } = await this.#running!;
    const { echo, ping } = vmPingOf(latency, rate, seconds);
    const echoing = echo && new RunningOrder(vms.get(echo.vm)!, echo);
    // A ping that finds nobody is lost.
    if (echoing) await sleep(ECHO_START_MS);
    const result = (await vms.get(ping.vm)!.agent(ping.command)) as AgentResult & PingResult;
    const echoed = (await echoing?.done) as (AgentResult & Pick<PingResult, 'received'>) | undefined;
    const { sent, received, seconds: took } = result;
    if (received.corrupt > 0 || (echoed && echoed.received.corrupt > 0))
      throw new Error(`${ping.vm}: ${ping.command}: packets came altered`);
    return {
      sent: sent.packets / took,
      received: received.packets / took,
      percentiles: timesOf(latency.timed, result),
    };
  }

  async close(): Promise<void> {
    const running = await this.#running?.catch(() => undefined);
    if (!running) return;
    await Promise.all([...running.vms.values()].map((vm) => vm.stop()));
    await running.host.close();
  }
}

/** What an agent says of a ping. */
interface PingResult {
  readonly sent: { readonly packets: number };
  readonly received: { readonly packets: number; readonly corrupt: number };
  readonly seconds: number;
  readonly roundTrip: Percentiles;
  readonly service: Percentiles;
  readonly kicked: Percentiles;
}

function timesOf(timed: Timed, { roundTrip, service, kicked }: PingResult): Percentiles {
  switch (timed) {
    case 'round-trip':
      return roundTrip;
    case 'publish-to-service':
      return service;
    case 'kick-to-service':
      return kicked;
    case 'packet-to-interrupt':
      throw new RangeError(`${timed}: two VMs have no common clock`);
  }
}

const pidsOf = (vms: ReadonlyMap<string, Vm>): number[] => [...vms.values()].map(({ pid }) => pid);

async function startFleet(): Promise<{ host: TestHost; vms: ReadonlyMap<string, Vm> }> {
  const host = await TestHost.start(PLACED_ENGINE + fleetConfig());
  const vms = new Map<VmName, Vm>();
  try {
    for (const name of ['vm1', 'vm2'] as const)
      vms.set(name, await Vm.start({ name: `bench-${name}`, sockets: host.sockets(name) }));
    await Promise.all([...vms.values()].map((vm, i) => place(vm, i)));
    await Promise.all([...vms.values()].map((vm) => vm.ready()));
    await vms.get(KNOWN.vm)!.agent(KNOWN.command);
    return { host, vms };
  } catch (error) {
    await Promise.all([...vms.values()].map((vm) => vm.stop()));
    await host.close();
    throw error;
  }
}

/** The worker's CPU is its own: a virtual CPU that gets onto it takes half of the worker's time. */
async function place({ pid }: Vm, i: number): Promise<void> {
  const { cpu } = cpuOfGuest(i);
  if (cpu !== undefined) await execa('taskset', ['--all-tasks', '--cpu-list', '--pid', `${cpu}`, `${pid}`]);
}

/** An agent's loop, of which one can ask whether it still runs. */
class RunningOrder {
  readonly done: Promise<AgentResult>;
  readonly name: string;
  ended = false;

  constructor(vm: Vm, { command }: Order) {
    this.name = `${vm.name}: ${command}`;
    this.done = vm.agent(command).finally(() => {
      this.ended = true;
    });
    // Looked at only after the last look at the counters.
    this.done.catch(() => {});
  }
}

interface Watch {
  readonly jobs: readonly RunningOrder[];
  readonly options: MeasureOptions;
  readonly pids: readonly number[];
}

async function looks(
  host: TestHost,
  plan: VmPlan,
  before: number,
  { jobs, options, pids }: Watch,
): Promise<Rates> {
  const read = () =>
    readAt(
      plan,
      () => host.host.stats(),
      () => performance.now(),
    );
  const { seconds, signal } = options;
  const deadline = performance.now() + FIRST_PACKET_MS_MAX;
  while (read().received === before) {
    const ended = jobs.find((job) => job.ended);
    if (ended)
      throw new Error(`${ended.name}: ended before a packet arrived: ${JSON.stringify(await ended.done)}`);
    if (performance.now() > deadline) throw new Error(`no packet arrived in ${FIRST_PACKET_MS_MAX / 1000} s`);
    await sleep(2, undefined, { signal });
  }
  await sleep(WARM_UP_SECONDS * 1000, undefined, { signal });
  const firstCpu = readCpu(pids);
  const start = read();
  await sleep(seconds * 1000, undefined, { signal });
  const end = read();
  const cpus = cpusBetween(firstCpu, readCpu(pids));
  const ended = jobs.find((job) => job.ended);
  const results = await Promise.all(jobs.map(({ done }) => done));
  if (ended) throw new Error(`${ended.name}: ended before the last look: the machine is too busy`);
  for (const { received } of results)
    checkTraffic(received as { lost: number; late: number; corrupt: number }, plan.lossless);
  for (const { sink } of host.host.stats().ports) if (sink) checkTraffic(sink, false);
  return { ...ratesBetween(start, end), cpus };
}
