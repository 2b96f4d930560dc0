// Taps of a host, of its ports and of members of its switches, as they are told to the process that goes on with them: their descriptors pass over, and the interfaces do not notice.
import { z } from 'zod';
import type { TakenTap } from '../../native/handover.ts';
import { closeFd } from '../../native/os.ts';
import type { HostConfig } from '../config/host-config.ts';
import { INTERFACE_NAME_MAX } from '../config/limits.ts';
import { parsePortName } from '../config/port-name.ts';
import type { Host } from '../host.ts';
import { switchesOf } from '../ports/order.ts';

const u32 = () => z.number().int().min(0).max(0xffff_ffff);
const fd = () => z.number().int().min(0).max(100_000);
const QUEUES_MAX = 256;

const tap = z.strictObject({
  /** Of the port or the member. */
  name: z.string().min(1).max(4096),
  queues: z.array(fd()).min(1).max(QUEUES_MAX),
  /** Netlink's: what the interface has become since `link`. */
  news: fd(),
  link: z.strictObject({
    index: z.number().int().min(1).max(0x7fff_ffff),
    name: z.string().min(1).max(INTERFACE_NAME_MAX),
    mtu: u32(),
    up: z.boolean(),
    carrier: z.boolean(),
    rxQueues: u32(),
    master: u32(),
    peer: u32(),
  }),
  made: z.boolean(),
  backpressure: z.boolean(),
  udpSegments: z.boolean(),
  carrier: z.boolean(),
  vnetHdr: z.union([z.literal(0), z.literal(10), z.literal(12)]),
  offloads: z.number().int().min(0).max(2),
  /** Of a member: blocks of the statistics. */
  counters: z.array(u32()).max(2 * QUEUES_MAX),
});

export const TapsSchema = z.array(tap).max(65_536);
type Taps = z.infer<typeof TapsSchema>;

/** @param add a descriptor that is to pass over. @returns its number there. */
export function describeTaps({ insides: { ports } }: Host, add: (fd: number) => number): Taps {
  return ports.interfaces.flatMap(({ name, interface: opened }) => {
    const state = opened.state;
    if (state === undefined) return [];
    const member = ports.members.find((candidate) => candidate.name === name)?.member;
    const counters = [...(member?.blocks ?? [])];
    return {
      ...state,
      name,
      queues: state.queues.map(add),
      news: add(state.news),
      link: { ...state.link },
      vnetHdr: state.vnetHdr as 0,
      counters,
    };
  });
}

/** By name, with descriptors of this process. Nothing may be opened in their place: each that the configuration has must be there. @throws Error */
export function takeTaps(
  given: Taps,
  config: HostConfig,
  take: (index: number) => number,
): Map<string, TakenTap> {
  const members = switchesOf(config);
  const wanted = new Set(
    [...config.ports.keys()].filter((name) => parsePortName(name).kind === 'tap'),
  );
  const all = new Map<string, TakenTap>();
  for (const { name, ...state } of given) {
    if (!wanted.delete(name)) throw new Error(`${name}: its configuration has no such tap, or it came twice`);
    if (state.counters.length !== (members.has(name) ? 2 * state.queues.length : 0))
      throw new Error(`${name}: its counters are those of another kind`);
    all.set(name, { ...state, queues: state.queues.map(take), news: take(state.news) });
  }
  const [missing] = wanted;
  if (missing !== undefined) throw new Error(`${missing}: its tap has not come along`);
  return all;
}

/** Whoever has taken them has duplicates. */
export function closeTaps(taps: Iterable<TakenTap>): void {
  for (const { queues, news } of taps) for (const each of [...queues, news]) closeFd(each);
}

/** Members of switches, which no client drives: before attachments stand still, as they send to them. */
export function suspendMembers({ insides: { ports } }: Host): void {
  for (const { member } of ports.members) member.suspend();
}

export function resumeMembers({ insides: { ports } }: Host): void {
  for (const { member } of ports.members) member.resume();
}

/** They are this process's from now on. */
export function goOnWithTaps({ insides: { ports } }: Host): void {
  for (const { interface: opened } of ports.interfaces) opened.goOn();
}
