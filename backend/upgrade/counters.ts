// What a host has counted outside of the memory that both share, and how much of its rate limits is used up: told to the process that goes on with it, which counts on from there.
import { z } from 'zod';
import type { ApplicationServer } from '../applications/server.ts';
import type { CauseState } from '../complaints.ts';
import type { Host } from '../host.ts';
import { count } from './forms.ts';

const text = () => z.string().min(1).max(4096);

const worker = z.strictObject({
  rounds: count(),
  busyRounds: count(),
  cpuSeconds: z.number().min(0).max(Number.MAX_SAFE_INTEGER),
  parks: count(),
  wakeups: count(),
  idleWakeups: count(),
  sleeps: count(),
  servedInKick: count(),
  watchErrors: count(),
});
const complaint = z.strictObject({
  cause: text(),
  count: count(),
  said: count(),
  saidAgoMs: count(),
  text: text(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
});
const device = z.strictObject({
  vm: text(),
  name: text(),
  refused: count(),
  starved: count(),
  complaints: z.array(complaint).max(1024),
});

const applications = z.strictObject({
  door: z.strictObject({
    connections: count(),
    refused: count(),
    doorbells: count(),
    wakeups: count(),
    messages: count(),
  }),
  complaints: z.array(complaint).max(1024),
});
const limits = z.strictObject({ name: text(), missingNs: z.array(count()).length(5) });

export const CountersSchema = z.strictObject({
  workers: z.array(worker).max(256),
  sockets: z.strictObject({ doorbells: count(), messages: count(), slowServices: count() }),
  devices: z.array(device).max(65_536),
  /** Of ports and members whose buckets are not all full. */
  limits: z.array(limits).max(65_536),
  /** Where they may connect. */
  applications: applications.optional(),
});
type Counters = z.infer<typeof CountersSchema>;

/** What was not complained of so far is, here. */
export function describeCounters({ insides }: Host): Counters {
  const { applications, devices, engine, kick, ports, server, watch } = insides;
  watch.count();
  server.look();
  return {
    workers: engine.workers,
    sockets: kick.counters,
    devices: [...devices.all].map(({ vm, name, exported }) => {
      const { complaints, ...sockets } = server.countsOf(exported);
      return { vm, name, ...sockets, complaints: complaints.map(short) };
    }),
    limits: [...ports.ports, ...ports.members.map(({ name, member }) => [name, member] as const)]
      .map(([name, { limitsMissing: missingNs }]) => ({ name, missingNs }))
      .filter(({ missingNs }) => missingNs.some((ns) => ns > 0)),
    ...(applications && { applications: describeApplications(applications) }),
  };
}

const short = (complaint: CauseState): CauseState => ({ ...complaint, text: complaint.text.slice(0, 4096) });

function describeApplications({ counted: { door, complaints } }: ApplicationServer) {
  return { door, complaints: complaints.map(short) };
}

/** Before anything is counted here. @throws Error */
export function countOn({ insides }: Host, counters: Counters): void {
  const { applications, devices, engine, kick, ports, server } = insides;
  if (counters.workers.length !== engine.workers.length)
    throw new Error(`${counters.workers.length} workers: its configuration has others`);
  engine.countOn(counters.workers);
  kick.countOn(counters.sockets);
  for (const { vm, name, ...counts } of counters.devices) {
    const placed = devices.get(vm, name);
    if (placed === undefined) throw new Error(`${vm}/${name}: its configuration has no such device`);
    server.countOn(placed.exported, counts);
  }
  if ((applications === undefined) !== (counters.applications === undefined))
    throw new Error('applications: its configuration says otherwise');
  if (counters.applications) applications!.countOn(counters.applications);
  for (const { name, missingNs } of counters.limits) ports.watchable(name).limitOn(missingNs);
}
