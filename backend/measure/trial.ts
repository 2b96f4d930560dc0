// One trial: packets over a path for a while, at a rate or as fast as they go, and what came of it.
import type { HostStats } from '../host-stats.ts';
import {
  type Guests,
  type Loop,
  type LoopOutcome,
  NOBODY,
  type Part,
  PROGRESS_MS,
  type RunningLoop,
} from './guests.ts';
import { type End, nameOf, type Path, type PortEnd } from './path.ts';
import type { Payload, Scene } from './scene.ts';

export interface Traffic {
  /** Bytes of a packet, without CRC. */
  readonly size: number;
  /** Slots that a guest fills or takes before it publishes an index. */
  readonly burst: number;
  readonly payload: Payload;
  /** Packets per second of each sender; undefined: as many as go. */
  readonly rate?: number;
  readonly seconds: number;
}

/** So far, at a moment of a trial. */
export interface Tick {
  readonly seconds: number;
  readonly received: number;
}

/** One direction of a trial. */
export interface Flow {
  /** `vm1/net0 -> vm2/net0`. */
  readonly text: string;
  readonly sent: number;
  readonly received: number;
  /** Null: nobody can tell. */
  readonly lost: number | null;
  /** Packets that came otherwise than they were sent. */
  readonly corrupt: number;
  /** Where a kernel is on the way: packets that are not ours. One of ours that was altered would be one, and lost. */
  readonly foreign: number;
  readonly seconds: number;
  /** Packets that arrived, per second. */
  readonly pps: number;
  /** Of the guests: kicks that their host wanted, and interrupts that they got. */
  readonly kicks: number;
  readonly interrupts: number;
}

const IDLE_MS = 500;
/** A receiver waits for the first packet so long beyond its sender's time. */
const PATIENCE_S = 10;
const TICK_MS = PROGRESS_MS;
/** Of a ring that is emptied. */
const EMPTY_SECONDS = 0.2;
const EMPTY_IDLE_MS = 20;
const SETTLE_MS = 20;
const SETTLE_TRIES = 100;
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const BUF_SIZE = 2048;

export interface TrialContext {
  readonly scene: Scene;
  readonly guests: Guests;
  /** Ends that their switch has seen. */
  readonly announced: Set<string>;
  /** Ends whose rings may hold what the last guest left there. */
  readonly used: Set<string>;
}

export const newContext = (scene: Scene, guests: Guests): TrialContext => ({
  scene,
  guests,
  announced: new Set(),
  used: new Set(),
});

export const macOf = (end: End): string => ('mac' in end ? end.mac : BROADCAST);

const sending = (to: End, { size, burst, payload, rate, seconds }: Traffic): Loop => ({
  op: 'send',
  size,
  frags: Math.ceil(size / BUF_SIZE),
  burst,
  payload,
  dst: macOf(to),
  seconds,
  ...(rate !== undefined && { rate }),
});

const receiving = ({ burst, payload }: Traffic, seconds: number, idleMs?: number): Loop => ({
  op: 'receive',
  burst,
  payload,
  seconds,
  ...(idleMs !== undefined && { idleMs }),
});

/** @returns a flow for each direction. @throws Error when a guest fails, with its end. */
export async function runTrial(
  context: TrialContext,
  path: Path,
  traffic: Traffic,
  onTick: (tick: Tick) => void = () => {},
): Promise<Flow[]> {
  if (path.from === path.to || nameOf(path.from) === nameOf(path.to))
    return [await echoTrial(context, path, traffic, onTick)];
  if (path.both) return await bothWays(context, path, traffic, onTick);
  if (path.from.kind === 'host') return [await fromHost(context, path, traffic, onTick)];
  if (path.to.kind === 'host') return [await toHost(context, path, traffic, onTick)];
  await announce(context, path.to);
  await emptied(context, [path.from, path.to]);
  const receiver = { end: path.to, loop: receiving(traffic, traffic.seconds + PATIENCE_S, IDLE_MS) };
  const sender = { end: path.from, loop: sending(path.to, traffic) };
  const [to, from] = await watched(context, [receiver, sender], onTick);
  const ours = oursOf(path, to!);
  return [
    flow(path.text, { sent: from!.sent, ...ours, lost: from!.sent - ours.received }, from!.seconds, [
      to!,
      from!,
    ]),
  ];
}

type Counted = Pick<Flow, 'sent' | 'received' | 'lost' | 'corrupt'> & Partial<Pick<Flow, 'foreign'>>;

/** What came of ours. */
function oursOf({ kernel }: Path, { received, corrupt }: LoopOutcome) {
  return kernel
    ? { received: received - corrupt, corrupt: 0, foreign: corrupt }
    : { received, corrupt, foreign: 0 };
}

const flow = (text: string, counted: Counted, seconds: number, of: readonly LoopOutcome[]): Flow => ({
  text,
  foreign: 0,
  ...counted,
  seconds,
  pps: seconds > 0 ? counted.received / seconds : 0,
  kicks: of.reduce((sum, { kicks }) => sum + kicks, 0),
  interrupts: of.reduce((sum, { interrupts }) => sum + interrupts, 0),
});

/** The port swaps addresses and sends back. */
async function echoTrial(
  context: TrialContext,
  path: Path,
  traffic: Traffic,
  onTick: (tick: Tick) => void,
): Promise<Flow> {
  const loop: Loop = { ...sending(path.to, traffic), op: 'duplex' };
  const end = path.from as PortEnd;
  await emptied(context, [end]);
  const [only] = await watched(context, [{ end, loop }], onTick);
  context.used.add(nameOf(end));
  const { sent, received, lost, corrupt, seconds } = only!;
  return flow(path.text, { sent, received, lost, corrupt }, seconds, [only!]);
}

/** What is on its way when a sender's time is over leaves no gap: lost are the gaps. */
async function bothWays(
  context: TrialContext,
  path: Path,
  traffic: Traffic,
  onTick: (tick: Tick) => void,
): Promise<Flow[]> {
  const { from, to } = path as { from: Part['end']; to: Part['end'] };
  for (const end of [from, to]) await announce(context, end);
  await emptied(context, [from, to]);
  const duplex = (end: Part['end'], other: Part['end']): Part => ({
    end,
    loop: { ...sending(other, traffic), op: 'duplex' },
  });
  const [a, b] = await watched(context, [duplex(from, to), duplex(to, from)], onTick);
  for (const end of [from, to]) context.used.add(nameOf(end));
  // The first of two VMs sends before the other one listens.
  const lost = (of: LoopOutcome) => (context.guests.kind === 'vm' ? null : of.lost);
  const one = (sender: LoopOutcome, receiver: LoopOutcome, text: string): Flow =>
    flow(text, { sent: sender.sent, ...oursOf(path, receiver), lost: lost(receiver) }, receiver.seconds, [
      receiver,
    ]);
  return [one(a!, b!, `${nameOf(from)} -> ${nameOf(to)}`), one(b!, a!, `${nameOf(to)} -> ${nameOf(from)}`)];
}

async function fromHost(
  context: TrialContext,
  path: Path,
  traffic: Traffic,
  onTick: (tick: Tick) => void,
): Promise<Flow> {
  const { size, payload, rate = 0, seconds } = traffic;
  const end = path.to as PortEnd;
  const { scene } = context;
  scene.setSource(end.port, { size, payload, rate, dst: end.mac, packets: 0 });
  await emptied(context, [end]);
  // Only once the guest takes them, or what has waited in the ring comes first, and at no rate.
  const begin = (): void => scene.setSource(end.port, { size, payload, rate, dst: end.mac });
  const looked = { ...traffic, payload: scene.sourceLevel(end.port) ?? payload };
  const [got] = await watched(context, [{ end, loop: receiving(looked, seconds) }], onTick, begin);
  context.used.add(nameOf(end));
  const { received, corrupt } = got!;
  // Of a host that is not ours the first number is not known.
  const lost = context.scene.host ? got!.lost : null;
  return flow(path.text, { sent: received + (lost ?? 0), received, lost, corrupt }, got!.seconds, [got!]);
}

async function toHost(
  context: TrialContext,
  path: Path,
  traffic: Traffic,
  onTick: (tick: Tick) => void,
): Promise<Flow> {
  const end = path.from as PortEnd;
  const before = sinkOf(context.scene, end.port);
  const [done] = await watched(context, [{ end, loop: sending(path.to, traffic) }], onTick);
  const after = await settled(context.scene, end.port, before.packets + done!.sent);
  const received = context.scene.host ? after.packets - before.packets : done!.sent;
  const counted = {
    sent: done!.sent,
    received,
    lost: done!.sent - received,
    corrupt: after.corrupt - before.corrupt,
  };
  return flow(path.text, counted, done!.seconds, [done!]);
}

interface SinkCount {
  readonly packets: number;
  readonly corrupt: number;
}

function sinkOf({ host }: Scene, port: string): SinkCount {
  const found: HostStats['ports'][number] | undefined = host?.stats([port]).ports[0];
  const rings = found?.rings.filter(({ dir }) => dir === 'tx') ?? [];
  return {
    packets: rings.reduce((sum, { packets }) => sum + packets, 0),
    corrupt: found?.sink?.corrupt ?? 0,
  };
}

/** A sender is done before the sink has counted the last packets: waits until all have come, or no more do. */
async function settled(scene: Scene, port: string, wanted: number): Promise<SinkCount> {
  let now = sinkOf(scene, port);
  for (let i = 0; scene.host && i < SETTLE_TRIES && now.packets < wanted; i++) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    now = sinkOf(scene, port);
  }
  return now;
}

/** A switch learns where a receiver is from what it sends: one packet, to nobody. */
async function announce({ guests, announced }: TrialContext, end: Part['end']): Promise<void> {
  if (end.kind !== 'device' || !end.port.startsWith('vale') || announced.has(nameOf(end))) return;
  announced.add(nameOf(end));
  const [running] = await guests.start([
    { end, loop: { op: 'send', count: 1, dst: NOBODY, payload: 'full' } },
  ]);
  await running!.done;
}

/** Takes out what the last guest has left, from a pipe's sender too: the next one would get it. */
export async function emptied({ guests, used }: TrialContext, ends: readonly Part['end'][]): Promise<void> {
  const left = ends.filter((end) => used.delete(nameOf(end)));
  if (left.length === 0) return;
  const loop: Loop = { op: 'receive', payload: 'none', seconds: EMPTY_SECONDS, idleMs: EMPTY_IDLE_MS };
  const running = await guests.start(left.map((end) => ({ end, loop })));
  await Promise.all(running.map(({ done }) => done));
}

/** Runs them to their end, and tells again and again how far the receivers are, or the only sender. */
async function watched(
  { guests }: TrialContext,
  parts: readonly Part[],
  onTick: (tick: Tick) => void,
  begin: () => void = () => {},
): Promise<LoopOutcome[]> {
  const running = await guests.start(parts);
  begin();
  const started = performance.now();
  const receives = parts.some(({ loop }) => loop.op !== 'send');
  const timer = setInterval(() => {
    const counts = running.map((loop: RunningLoop) => loop.progress());
    const received = counts.reduce((sum, count) => sum + (receives ? count.received : count.sent), 0);
    onTick({ seconds: (performance.now() - started) / 1000, received });
  }, TICK_MS);
  try {
    return await Promise.all(running.map(({ done }) => done));
  } finally {
    clearInterval(timer);
  }
}
