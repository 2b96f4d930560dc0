// The guests of a measurement: started, let go, stopped, and what they found looked at.
import { join } from 'node:path';
import { execEnvironment } from '../../backend/applications/environment.ts';
import { APPLICATIONS_SOCKET } from '../../backend/config/applications.ts';
import {
  type JobResult,
  type SpawnedGuest,
  type SpawnOptions,
  spawnGuest,
} from '../../guest-driver/model/index.ts';
import { cpuOfGuest } from './placement.ts';
import type { GuestPlan } from './plans.ts';

/** Knows a VM's sockets, memory device first. */
export interface Sockets {
  sockets(vm: string): string[];
  /** Where its socket for applications is. */
  readonly runDir?: string;
}

/** PTFEAT bit 0. */
const VNET_HDR = 1;

function devicesOf(host: Sockets, { vm, vnetHdrLen }: GuestPlan) {
  const [memdev, ...ptnet] = host.sockets(vm);
  return { memdev: memdev!, ptnet, ...(vnetHdrLen && { features: VNET_HDR, vnetHdrLen }) };
}

/** What an application finds its host by. */
export const environmentOf = (runDir: string): NodeJS.ProcessEnv =>
  execEnvironment({ socket: join(runDir, APPLICATIONS_SOCKET), runDir, debug: false }, process.env);

function spawn(host: Sockets, plan: GuestPlan, options: SpawnOptions): SpawnedGuest {
  const { application, loops } = plan;
  if (application === undefined) return spawnGuest({ ...devicesOf(host, plan), loops, hold: true }, options);
  const { port, mac } = application;
  const env = environmentOf(host.runDir!);
  return spawnGuest({ netmap: port, loop: { src: mac, ...loops[0]! }, hold: true }, { ...options, env });
}

/** Starts one process per VM or application; resolves when each has attached its ports. The loops wait for go(). */
export async function startGuests(
  host: Sockets,
  plans: readonly GuestPlan[],
  place: (i: number) => SpawnOptions = cpuOfGuest,
): Promise<SpawnedGuest[]> {
  return await allReady(plans.map((plan, i) => spawn(host, plan, place(i))));
}

/** Starts one process for two VMs, whose loops take turns in one thread. */
export async function startDuo(host: Sockets, ping: GuestPlan, echo: GuestPlan): Promise<SpawnedGuest> {
  const side = (plan: GuestPlan) => ({ ...devicesOf(host, plan), loop: plan.loops[0]! });
  const duo = spawnGuest({ ping: side(ping), echo: side(echo), hold: true }, cpuOfGuest(0));
  await allReady([duo]);
  return duo;
}

async function allReady(guests: SpawnedGuest[]): Promise<SpawnedGuest[]> {
  try {
    await Promise.all(guests.map(async ({ ready }) => await ready));
  } catch (error) {
    killAll(guests);
    throw error;
  }
  return guests;
}

export function killAll(guests: readonly SpawnedGuest[]): void {
  for (const guest of guests) guest.kill();
}

/** Stops the loops and gives what they did, one result a loop. */
export async function stopGuests(guests: readonly SpawnedGuest[]): Promise<JobResult[]> {
  for (const guest of guests) guest.stop();
  return (await Promise.all(guests.map(async ({ done }) => await done))).flat();
}

/** @throws Error when a loop failed or received what nobody sent. */
export function checkResults(results: readonly JobResult[], lossless: boolean): void {
  for (const { stopped, error, received } of results) {
    if (stopped === 'error') throw new Error(error ?? 'a guest failed and did not say why');
    checkTraffic(received, lossless);
  }
}

export function checkTraffic(
  { lost, late, corrupt }: { lost: number; late: number; corrupt: number },
  lossless: boolean,
): void {
  if (corrupt > 0 || late > 0 || (lossless && lost > 0))
    throw new Error(
      `packets went wrong: ${lost} lost, ${late} late, ${corrupt} corrupt: no rate is worth that`,
    );
}
