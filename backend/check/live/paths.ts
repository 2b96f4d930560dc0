// Tries every path between devices: frames of every size to whom they must come, and looks that they come to nobody else.
import type { HostConfig } from '../../config/host-config.ts';
import { type Finding, failed, pass } from '../finding.ts';
import { addressesOf, frameOf, isWhole, sizesUpTo } from './frames.ts';
import { type Arrives, arrives, nameOf, type Target } from './reach.ts';
import { pause, type Station } from './station.ts';

/** Up to so many paths each is tried with every size. */
const EVERY_SIZE_MAX = 32;
/** Frames at a time. */
const BATCH = 64;
const ARRIVE_MS = 5000;
const SHOWN = 4;

/** What came where it must not, or otherwise than it was sent. */
interface Strays {
  /** By a sentence: how often. */
  readonly isolation: Map<string, number>;
  readonly damage: Map<string, number>;
}

interface Trial {
  readonly stations: readonly Station[];
  readonly config: HostConfig;
  readonly strays: Strays;
  readonly signal: AbortSignal;
  readonly every: boolean;
}

export interface PathOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (what: string) => void;
}

/** @param config says who must reach whom; the stations are of a host that is to do so. */
export async function* tryPaths(
  stations: readonly Station[],
  config: HostConfig,
  { signal, onProgress }: PathOptions,
): AsyncGenerator<Finding> {
  // What the host itself swallows or sends back is tried elsewhere; all are looked at.
  const senders = stations.filter(({ place }) => !['null', 'echo'].includes(place.portName.kind));
  const pairs = senders.flatMap((from) =>
    stations
      .filter((to) => arrives(from.place, to.place, to.place, config) === 'must')
      .map((to) => [from, to]),
  );
  const trial: Trial = {
    stations,
    config,
    strays: { isolation: new Map(), damage: new Map() },
    signal,
    every: pairs.length <= EVERY_SIZE_MAX,
  };
  // Each is heard once, so that a switch knows where it is.
  for (const from of senders) await toEverybody(trial, from);
  for (const from of senders) {
    signal.throwIfAborted();
    onProgress(`${nameOf(from.place)}: packets to all others`);
    yield* fromOne(trial, from);
  }
  await collect(trial);
  yield* strayFindings(trial);
}

async function* fromOne(trial: Trial, from: Station): AsyncGenerator<Finding> {
  const object = nameOf(from.place);
  const problems: string[] = [...(await toEverybody(trial, from))];
  const reached: string[] = [];
  let sizes = 0;
  for (const to of trial.stations) {
    if (to === from) continue;
    trial.signal.throwIfAborted();
    const wanted = arrives(from.place, to.place, to.place, trial.config);
    if (wanted === 'must') {
      sizes = Math.max(sizes, sizesFor(trial, from, to).length);
      const problem = await everySize(trial, from, to);
      if (problem !== undefined) problems.push(problem);
      else reached.push(nameOf(to.place));
    } else {
      // Whoever gets it is told from whom it was, and that it must not.
      await from.send([60, 1000].map((size) => frame(from, to.place, size)));
      await collect(trial);
    }
  }
  if (problems.length > 0) yield failed('live-path', object, list(problems));
  else if (reached.length > 0)
    yield pass(
      'live-path',
      object,
      `packets of ${sizes} sizes, and one to everybody, reached ${list(reached)}, with every byte as it was sent`,
    );
}

const list = (items: readonly string[]): string =>
  items.length > SHOWN
    ? `${items.slice(0, SHOWN).join(', ')} and ${items.length - SHOWN} more`
    : items.join(', ');

const frame = (from: Station, target: Target, size: number): Uint8Array =>
  frameOf({ src: from.place.device.mac, ...(target !== 'everybody' && { dst: target.device.mac }) }, size);

const sizesFor = ({ every }: Trial, from: Station, to: Station): number[] =>
  sizesUpTo(Math.min(from.longest, to.longest), every);

/** One frame to everybody, by each tx ring; what is wrong with who got it. */
async function toEverybody(trial: Trial, from: Station): Promise<string[]> {
  const problems: string[] = [];
  const wanted = new Map<Station, number>();
  const rings = from.place.port.txRings;
  for (const at of trial.stations)
    if (arrives(from.place, 'everybody', at.place, trial.config) === 'must') wanted.set(at, rings);
  for (let ring = 0; ring < rings; ring++) {
    const left = await from.send([frame(from, 'everybody', 60)], ring);
    if (left > 0) problems.push(`the host has not taken a packet from tx ring ${ring}`);
  }
  const got = await collectUntil(trial, wanted);
  for (const [at, count] of wanted) {
    const there = got.get(at)?.filter((one) => isFrom(one, from, 'everybody')).length ?? 0;
    if (there !== count) problems.push(`${nameOf(at.place)} got ${there} of ${count} packets to everybody`);
  }
  return problems;
}

/** Undefined: all of them came, in order. */
async function everySize(trial: Trial, from: Station, to: Station): Promise<string | undefined> {
  const sizes = sizesFor(trial, from, to);
  const bufSize = Math.min(from.bufSize, to.bufSize);
  const room = Math.min(from.slots, to.slots);
  for (let next = 0; next < sizes.length; ) {
    const batch: number[] = [];
    let slots = 0;
    while (next < sizes.length && batch.length < BATCH) {
      const more = Math.ceil(sizes[next]! / bufSize);
      if (batch.length > 0 && slots + more > room) break;
      batch.push(sizes[next++]!);
      slots += more;
    }
    trial.signal.throwIfAborted();
    const left = await from.send(batch.map((size) => frame(from, to.place, size)));
    if (left > 0) return `${nameOf(to.place)}: the host has not taken ${left} packets in time`;
    const got = await collectUntil(trial, new Map([[to, batch.length]]));
    const came = (got.get(to) ?? []).filter((one) => isFrom(one, from, to.place)).map((one) => one.length);
    if (came.join() !== batch.join()) return describeLoss(to, batch, came);
  }
  return undefined;
}

function describeLoss(to: Station, sent: readonly number[], came: readonly number[]): string {
  const missing = sent.filter((size) => !came.includes(size));
  const what =
    missing.length > 0
      ? `packets of ${list(missing.map(String))} bytes did not come`
      : 'packets came twice, or in another order';
  return `${nameOf(to.place)}: ${what} (${came.length} of ${sent.length} came)`;
}

function isFrom(one: Uint8Array, from: Station, target: Target): boolean {
  const addresses = addressesOf(one);
  const dst = target === 'everybody' ? 'ff:ff:ff:ff:ff:ff' : target.device.mac;
  return addresses?.src === from.place.device.mac && addresses.dst === dst;
}

/** Takes what came to everybody until these have as many as they must have, or that takes too long. */
async function collectUntil(
  trial: Trial,
  wanted: ReadonlyMap<Station, number>,
): Promise<Map<Station, Uint8Array[]>> {
  const all = new Map<Station, Uint8Array[]>();
  const deadline = Date.now() + ARRIVE_MS;
  for (;;) {
    for (const [at, frames] of await collect(trial)) all.set(at, [...(all.get(at) ?? []), ...frames]);
    const isThere = [...wanted].every(([at, count]) => (all.get(at)?.length ?? 0) >= count);
    if (isThere || Date.now() > deadline) return all;
    await pause(1);
  }
}

/** Whole frames of ours, by who got them; what must not be there, or is not whole, is noted. */
async function collect({ stations, config, strays }: Trial): Promise<Map<Station, Uint8Array[]>> {
  const got = new Map<Station, Uint8Array[]>();
  const note = (notes: Map<string, number>, text: string): void =>
    void notes.set(text, (notes.get(text) ?? 0) + 1);
  for (const at of stations) {
    const frames: Uint8Array[] = [];
    for (const one of await at.drain()) {
      const addresses = addressesOf(one);
      const from = stations.filter(({ place }) => place.device.mac === addresses?.src);
      // What a kernel behind a tap says by itself is not ours.
      if (addresses === undefined && isForeign(at)) continue;
      if (addresses === undefined || from.length === 0 || !isWhole(one)) {
        note(
          strays.damage,
          `${nameOf(at.place)} got a packet of ${one.length} bytes that is not as anybody sent it`,
        );
        continue;
      }
      if (from.every(({ place }) => verdictOf(place, addresses.dst, at, stations, config) === 'never'))
        note(
          strays.isolation,
          `${nameOf(at.place)} got a packet from ${nameOf(from[0]!.place)} to ${addresses.dst}`,
        );
      frames.push(one);
    }
    got.set(at, frames);
  }
  return got;
}

/** On a switch with an interface of the host, and behind one. */
const isForeign = ({ place }: Station): boolean =>
  ['tap', 'netmap', 'vale', 'monitor'].includes(place.portName.kind);

function verdictOf(
  from: Station['place'],
  dst: string,
  at: Station,
  stations: readonly Station[],
  config: HostConfig,
): Arrives {
  if (dst === 'ff:ff:ff:ff:ff:ff') return arrives(from, 'everybody', at.place, config);
  const targets = stations.filter(({ place }) => place.device.mac === dst);
  const verdicts = targets.map(({ place }) => arrives(from, place, at.place, config));
  return verdicts.find((verdict) => verdict !== 'never') ?? 'never';
}

function* strayFindings({ stations, config, strays }: Trial): Generator<Finding> {
  for (const [text, count] of strays.damage)
    yield failed('live-path', text.split(' ')[0]!, `${text} (${count} times)`);
  for (const [text, count] of strays.isolation)
    yield failed('live-isolation', text.split(' ')[0]!, `${text} (${count} times)`);
  if (strays.isolation.size > 0) return;
  const kept = stations.flatMap((from) =>
    stations.filter((to) => to !== from && arrives(from.place, to.place, to.place, config) === 'never'),
  );
  const evidence = `${kept.length} of ${stations.length * (stations.length - 1)} ordered pairs of devices are kept apart, and on switches what is for one comes to no other; nothing came where it must not`;
  if (stations.length > 1) yield pass('live-isolation', 'devices', evidence);
}
