// What it takes to wake each other up: two applications over a pipe that wait in poll(), and two processes with eventfds.
import { execa } from 'execa';
import { stringify } from 'yaml';
import { client } from '../harness/application.ts';
import { TestHost } from '../harness/host.ts';
import { environmentOf } from './guests.ts';
import { PLACED_WORKER, WORKER_CPU } from './placement.ts';
import type { PingPong } from './scenarios.ts';

/** So many wake-ups take less than half a second where each takes 50 µs. */
const ROUNDS = 4000;

/** The second CPU is the guests', and the first one the worker's. */
const cpusOf = (cpus: PingPong['cpus']): string[] => (cpus === 'one' ? ['1', '1'] : ['1', `${WORKER_CPU}`]);

async function run(ends: readonly string[], cpus: PingPong['cpus'], env: NodeJS.ProcessEnv): Promise<number> {
  const program = await client('pingpong');
  const { stdout } = await execa(program, [...ends, ...cpusOf(cpus), `${ROUNDS}`], { env });
  return (JSON.parse(stdout) as { p50: number }).p50;
}

/** The median of the round trips, ns. */
export async function measurePingPong({ cpus, policy }: PingPong): Promise<number> {
  if (policy === undefined) return await run(['eventfd', 'eventfd'], cpus, {});
  const host = await TestHost.start(stringify({ engine: { policy, ...PLACED_WORKER }, applications: {} }));
  try {
    return await run(['p{1', 'p}1'], cpus, environmentOf(host.runDir));
  } finally {
    await host.close();
  }
}
