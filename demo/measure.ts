// Runs one path and counts: what the guests saw, and what the host's rings did for it.
import type { Host } from '../backend/host.ts';
import type { Guests } from './guests.ts';
import type { Path, PathName } from './paths.ts';

/** A row of the table; scripts read these keys. */
export interface PathResult {
  readonly name: PathName;
  readonly guest: 'model' | 'vm';
  readonly mpps: number;
  readonly packets: number;
  readonly lost: number;
  readonly corrupt: number;
  readonly kicks: number;
  readonly interrupts: number;
}

/** The host's counters of the ports of a path, added up. */
interface Totals {
  readonly kicks: number;
  readonly interrupts: number;
  /** Packets that arrived at the end of the path, as the host counts them. */
  readonly arrived: number;
  readonly corrupt: number;
}

const PROGRESS_MS = 250;
/** A receiver gives up waiting for more after so long, */
const IDLE_MS = 500;
/** and for the first packet after so long beyond the sender's time. */
const PATIENCE_S = 10;
const SETTLE_MS = 50;
const SETTLE_TRIES = 40;

export interface MeasureOptions {
  readonly seconds: number;
  readonly onProgress: (packets: number, seconds: number) => void;
}

export async function measure(
  host: Host,
  guests: Guests,
  path: Path,
  dst: string,
  options: MeasureOptions,
): Promise<PathResult> {
  const before = totals(host, path);
  const started = Date.now();
  const timer = setInterval(() => {
    options.onProgress(totals(host, path).arrived - before.arrived, (Date.now() - started) / 1000);
  }, PROGRESS_MS);
  try {
    const traffic = await run(host, guests, path, dst, options.seconds, before);
    const after = totals(host, path);
    return {
      name: path.name,
      guest: guests.kind,
      mpps: traffic.seconds > 0 ? Number((traffic.packets / traffic.seconds / 1e6).toFixed(3)) : 0,
      packets: traffic.packets,
      lost: traffic.lost,
      corrupt: traffic.corrupt,
      kicks: after.kicks - before.kicks,
      interrupts: after.interrupts - before.interrupts,
    };
  } finally {
    clearInterval(timer);
  }
}

interface Arrived {
  readonly packets: number;
  readonly lost: number;
  readonly corrupt: number;
  readonly seconds: number;
}

async function run(
  host: Host,
  guests: Guests,
  path: Path,
  dst: string,
  seconds: number,
  before: Totals,
): Promise<Arrived> {
  if (path.from === undefined) {
    // The source never ends, so the guest stops the clock; the packets on the way then are not lost.
    const { done } = await guests.receive(path.to!, { seconds });
    const { received, lost, corrupt, seconds: took } = await done;
    return { packets: received, lost, corrupt, seconds: took };
  }
  if (path.to && path.learned) await guests.announce(path.to);
  const receiver =
    path.to === undefined
      ? undefined
      : await guests.receive(path.to, { seconds: seconds + PATIENCE_S, idleMs: IDLE_MS });
  // A sender that fails leaves the receiver waiting: its end is looked at only when the sender is done.
  receiver?.done.catch(() => {});
  const sent = await guests.send(path.from, { seconds, dst });
  if (receiver === undefined) return await settle(host, path, before, sent);
  const { received, corrupt } = await receiver.done;
  // Numbers that are missing at the end leave no gap, so what was sent is the measure.
  return { packets: received, lost: sent.sent - received, corrupt, seconds: sent.seconds };
}

/** The sender is done before the sink has seen the last packets: waits until all have come, or no more do. */
async function settle(
  host: Host,
  path: Path,
  before: Totals,
  sent: { sent: number; seconds: number },
): Promise<Arrived> {
  let now = totals(host, path);
  for (let i = 0; i < SETTLE_TRIES && now.arrived - before.arrived < sent.sent; i++) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    now = totals(host, path);
  }
  const packets = now.arrived - before.arrived;
  return { packets, lost: sent.sent - packets, corrupt: now.corrupt - before.corrupt, seconds: sent.seconds };
}

function totals(host: Host, path: Path): Totals {
  const { ports } = host.stats();
  const [first, last] = [path.from ?? path.to!, path.to ?? path.from!].map(
    (end) => ports.find((port) => port.name === end.port)!,
  );
  const used = first === last ? [first!] : [first!, last!];
  const rings = used.flatMap((port) => port.rings);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const direction = path.to === undefined ? 'tx' : 'rx';
  return {
    kicks: sum(rings.map((ring) => ring.kicks)),
    interrupts: sum(rings.map((ring) => ring.interrupts)),
    arrived: sum(last!.rings.filter((ring) => ring.dir === direction).map((ring) => ring.packets)),
    corrupt: last!.sink?.corrupt ?? 0,
  };
}
