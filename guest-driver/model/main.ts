// A guest in a process of its own, two that take turns, or a program of the host: one JSON argument says what to do; answers are JSON lines on stdout.
//
// Lines out: {"ready":{...}} once the ports are created, {"progress":[...]} when loops run and from then on, then {"results":[...]} or
// {"error":"..."}. Lines in: "go" (when the job says `hold`), "stop". The end of stdin means stop, so that a guest
// never outlives its parent.
import { createInterface } from 'node:readline';
import { openNetmap, startLoop } from '../addon/index.ts';
import { type Guest, openGuest } from './guest.ts';
import {
  type ApplicationJob,
  type DuoJob,
  type GuestJob,
  type JobLoop,
  parseJob,
  parseMac,
  toJson,
} from './job.ts';
import type { PortEchoOptions, PortLoop, PortPingOptions } from './loops.ts';
import type { GuestPort } from './port.ts';

function say(line: object): void {
  process.stdout.write(`${toJson(line)}\n`);
}

/** What the parent says on stdin. */
class Orders {
  readonly go: Promise<void>;
  stopped = false;
  onStop: () => void = () => {};
  #go: () => void = () => {};
  readonly #lines = createInterface({ input: process.stdin });

  constructor() {
    this.go = new Promise((resolve) => {
      this.#go = resolve;
    });
    this.#lines.on('line', (line) => {
      if (line === 'go') this.#go();
      if (line === 'stop') this.#stop();
    });
    this.#lines.on('close', () => this.#stop());
    process.on('SIGTERM', () => this.#stop());
  }

  close(): void {
    this.#lines.close();
    process.stdin.destroy();
  }

  #stop(): void {
    this.stopped = true;
    this.#go();
    this.onStop();
  }
}

function toLoopOptions({ port: _, warmUp: __, count, firstSeq, dst, src, ...rest }: JobLoop) {
  return {
    ...rest,
    ...(count === undefined ? {} : { count: BigInt(count) }),
    ...(firstSeq === undefined ? {} : { firstSeq: BigInt(firstSeq) }),
    ...(dst === undefined ? {} : { dst: parseMac(dst) }),
    ...(src === undefined ? {} : { src: parseMac(src) }),
  };
}

function portOf(guest: Guest, { port = 0 }: JobLoop): GuestPort {
  const found = guest.ports[port];
  if (!found) throw new RangeError(`guest: port ${port}: want 0 to ${guest.ports.length - 1}`);
  return found;
}

async function startLoops({ loops }: GuestJob, guest: Guest): Promise<PortLoop[]> {
  const started: PortLoop[] = [];
  for (const loop of loops) {
    const port = portOf(guest, loop);
    started.push(...(await afterWarmUp(loop, async (now) => [await port.startLoop(toLoopOptions(now))])));
  }
  return started;
}

/** That the loops are those of a duo is for the addon to check. */
async function startDuo({ ping, echo }: DuoJob, pinger: Guest, echoer: Guest): Promise<PortLoop[]> {
  const [from, to] = [portOf(pinger, ping.loop), portOf(echoer, echo.loop)];
  const answer = toLoopOptions(echo.loop) as PortEchoOptions;
  return await afterWarmUp(
    ping.loop,
    async (now) => await from.startDuo(toLoopOptions(now) as PortPingOptions, to, answer),
  );
}

/** Starts what is wanted, twice when it has a warm-up: first as fast as it goes. `start` gives the ping's loop first. */
async function afterWarmUp(
  loop: JobLoop,
  start: (loop: JobLoop) => Promise<PortLoop[]>,
): Promise<PortLoop[]> {
  const { warmUp, ...timed } = loop;
  if (warmUp === undefined) return await start(timed);
  const { rate: _, count: __, ...unpaced } = timed;
  const rehearsal = await start({ ...unpaced, seconds: warmUp });
  const [first] = await Promise.all(rehearsal.map(async ({ done }) => await done));
  // Where the first one stopped, so that an echo that has gone on sees one stream.
  return await start({ ...timed, firstSeq: (timed.firstSeq ?? 0) + Number(first!.sent.packets) });
}

const NOBODY = Uint8Array.of(0x02, 0, 0, 0, 0xff, 0xff);

/** Opens the port, which is this process's until it ends. @return starts its loop */
async function openApplication({
  netmap,
  loop,
  announce,
}: ApplicationJob): Promise<() => Promise<PortLoop[]>> {
  const port = openNetmap(netmap);
  if (announce) {
    const { src } = toLoopOptions(loop);
    const options = { op: 'send', count: 1n, payload: 'full', dst: NOBODY, ...(src && { src }) } as const;
    const { error } = await startLoop({ ...options, ...port }).done;
    if (error !== undefined) throw new Error(`${netmap}: ${error}`);
  }
  return async () => await afterWarmUp(loop, async (now) => [startLoop({ ...toLoopOptions(now), ...port })]);
}

async function run(job: GuestJob | DuoJob | ApplicationJob, orders: Orders): Promise<void> {
  if ('netmap' in job) {
    const start = await openApplication(job);
    say({ ready: { ports: [] } });
    await runLoops(job, orders, start);
  } else await runGuests(job, orders);
}

async function runGuests(job: GuestJob | DuoJob, orders: Orders): Promise<void> {
  const guests: Guest[] = [];
  try {
    for (const options of 'loops' in job ? [job] : [job.ping, job.echo]) {
      const guest = await openGuest(options);
      guests.push(guest);
      await guest.create();
    }
    const ports = guests.flatMap((guest) => guest.ports);
    say({
      ready: {
        ports: ports.map(({ name, mac, memdev }) => ({ name, mac: [...mac], memid: memdev.memid })),
      },
    });
    await runLoops(job, orders, async () =>
      'loops' in job ? await startLoops(job, guests[0]!) : await startDuo(job, guests[0]!, guests[1]!),
    );
  } finally {
    for (const guest of guests) await guest.close();
  }
}

async function runLoops(
  { hold, progressMs = 1000 }: Pick<GuestJob, 'hold' | 'progressMs'>,
  orders: Orders,
  start: () => Promise<PortLoop[]>,
): Promise<void> {
  if (hold) await orders.go;
  const loops = orders.stopped ? [] : await start();
  orders.onStop = () => {
    for (const loop of loops) loop.stop();
  };
  if (orders.stopped) orders.onStop();
  const tell = (): void => say({ progress: loops.map((loop) => loop.progress()) });
  tell();
  const ticks = setInterval(tell, progressMs);
  const results = await Promise.all(loops.map(async ({ done }) => await done));
  clearInterval(ticks);
  say({ results });
}

const orders = new Orders();
try {
  await run(parseJob(process.argv[2] ?? ''), orders);
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
} finally {
  orders.close();
}
