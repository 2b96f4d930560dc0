// A guest in a process of its own: one JSON argument says what to do; answers are JSON lines on stdout.
//
// Lines out: {"ready":{...}} once the ports are created, {"progress":[...]} while loops run, then {"results":[...]} or
// {"error":"..."}. Lines in: "go" (when the job says `hold`), "stop". The end of stdin means stop, so that a guest
// never outlives its parent.
import { createInterface } from 'node:readline';
import { openGuest } from './guest.ts';
import { type GuestJob, type JobLoop, parseMac, toJson } from './job.ts';
import type { PortLoop } from './loops.ts';

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

function toLoopOptions({ port: _, count, firstSeq, dst, src, ...rest }: JobLoop) {
  return {
    ...rest,
    ...(count === undefined ? {} : { count: BigInt(count) }),
    ...(firstSeq === undefined ? {} : { firstSeq: BigInt(firstSeq) }),
    ...(dst === undefined ? {} : { dst: parseMac(dst) }),
    ...(src === undefined ? {} : { src: parseMac(src) }),
  };
}

async function run(job: GuestJob, orders: Orders): Promise<void> {
  const guest = await openGuest(job);
  try {
    await guest.create();
    say({
      ready: {
        memid: guest.memdev.memid,
        ports: guest.ports.map(({ name, mac }) => ({ name, mac: [...mac] })),
      },
    });
    if (job.hold) await orders.go;
    const loops: PortLoop[] = [];
    for (const loop of orders.stopped ? [] : job.loops) {
      const port = guest.ports[loop.port ?? 0];
      if (!port) throw new RangeError(`guest: port ${loop.port}: want 0 to ${guest.ports.length - 1}`);
      loops.push(await port.startLoop(toLoopOptions(loop)));
    }
    orders.onStop = () => {
      for (const loop of loops) loop.stop();
    };
    if (orders.stopped) orders.onStop();
    const ticks = setInterval(
      () => say({ progress: loops.map((loop) => loop.progress()) }),
      job.progressMs ?? 1000,
    );
    const results = await Promise.all(loops.map(async ({ done }) => await done));
    clearInterval(ticks);
    say({ results });
  } finally {
    await guest.close();
  }
}

const orders = new Orders();
try {
  await run(JSON.parse(process.argv[2] ?? '') as GuestJob, orders);
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
} finally {
  orders.close();
}
