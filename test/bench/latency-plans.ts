// How each latency is set up: the host's configuration, who sends and who answers.
import { stringify } from 'yaml';
import type { JobLoop } from '../../guest-driver/model/index.ts';
import { IDLE_RATE, type Latency, type LatencyPath } from './latencies.ts';
import { PLACED_WORKER } from './placement.ts';
import { device, type GuestPlan, macOf } from './plans.ts';

export interface LatencyPlan {
  /** YAML, without run-dir. */
  readonly config: string;
  /** Echoes, or is woken up; none when only the host's part is timed. */
  readonly answers: readonly GuestPlan[];
  readonly pings: GuestPlan;
}

/** Guests wait as the host does: without sleep, or asleep after as long as a ring is polled. */
const WAITS: Readonly<Record<Latency['policy'], Pick<JobLoop, 'sleep' | 'spinUs'>>> = {
  poll: {},
  adaptive: { sleep: true, spinUs: 50 },
  notify: { sleep: true, spinUs: 0 },
};
const SLEEPS = WAITS.notify;

const BUFFERS = 8192;
/** At the idle rate a whole measurement would be laps in which every buffer costs each side a page fault. */
const WARM_UP_SECONDS = 0.05;

function setup(path: LatencyPath, bar0: Latency['bar0'] = 'io'): object {
  const port = (name: string, i = 0) => ({ devices: [{ ...device(name, i), bar0 }] });
  switch (path) {
    case 'null':
      return { vms: { vm1: port('null:a') } };
    case 'vale':
      return { vms: { vm1: port('vale0:1'), vm2: port('vale0:2', 1) } };
    case 'pipe':
      return {
        regions: { lan: { 'buf-num': BUFFERS } },
        vms: { vm1: { region: 'lan', ...port('p{1') }, vm2: { region: 'lan', ...port('p}1', 1) } },
      };
  }
}

/** @param rate packets per second; undefined: as many as go */
export function latencyPlanOf(
  { timed, path, policy, bar0 }: Latency,
  rate: number | undefined,
  seconds: number,
): LatencyPlan {
  const echoes = timed === 'round-trip';
  // Nobody answers the others: who sends them sleeps until the next one is due.
  const ping: JobLoop = {
    op: 'ping',
    dst: macOf(1),
    seconds,
    ...(rate !== undefined && { rate }),
    ...(echoes ? { ...WAITS[policy], warmUp: WARM_UP_SECONDS } : SLEEPS),
  };
  const answer: JobLoop = echoes
    ? { op: 'echo', payload: 'stamp', ...WAITS[policy] }
    : { op: 'listen', ...SLEEPS };
  return {
    config: stringify({ engine: { policy, ...PLACED_WORKER }, ...setup(path, bar0) }),
    answers: path === 'null' ? [] : [{ vm: 'vm2', loops: [answer] }],
    pings: { vm: 'vm1', loops: [ping] },
  };
}

/** @param highest packets per second of which a share is sent */
export const rateOf = ({ share }: Latency, highest: number): number =>
  share === undefined ? IDLE_RATE : Math.max(IDLE_RATE, share * highest);
