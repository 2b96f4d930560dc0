// Interfaces of a host, of its ports and of members of its switches, as they are told to the process that goes on with them: their descriptors pass over, and the kernel does not notice. Those of a host that may die are told as they are to be opened anew, but for taps.
import { z } from 'zod';
import type { TakenInterface } from '../../native/handover.ts';
import type { InterfaceInfo } from '../../native/interfaces.ts';
import { closeFd } from '../../native/os.ts';
import type { HostConfig, RingsConfig } from '../config/host-config.ts';
import { INTERFACE_NAME_MAX } from '../config/limits.ts';
import { parsePortName } from '../config/port-name.ts';
import type { Host } from '../host.ts';
import { switchesOf } from '../ports/order.ts';
import { bytes, count, fd, name, u32 } from './forms.ts';

const QUEUES_MAX = 256;
/** With its virtio-net header. */
const LARGE_MAX = 70_000;

const link = z.strictObject({
  index: z.number().int().min(1).max(0x7fff_ffff),
  name: z.string().min(1).max(INTERFACE_NAME_MAX),
  mtu: u32(),
  up: z.boolean(),
  carrier: z.boolean(),
  rxQueues: u32(),
  master: u32(),
  peer: u32(),
});
const common = {
  /** Of the port or the member. */
  name: name(),
  /** Netlink's: what the interface has become since `link`. */
  news: fd(),
  link,
  /** Of a member: blocks of the statistics. */
  counters: z.array(u32()).max(2 * QUEUES_MAX),
};
const tap = z.strictObject({
  ...common,
  kind: z.literal('tap'),
  queues: z.array(fd()).min(1).max(QUEUES_MAX),
  made: z.boolean(),
  backpressure: z.boolean(),
  udpSegments: z.boolean(),
  carrier: z.boolean(),
  vnetHdr: z.union([z.literal(0), z.literal(10), z.literal(12)]),
  offloads: z.number().int().min(0).max(2),
});
const losses = z.strictObject({ ringFull: count(), tooLarge: count(), refused: count() });
const socket = z.strictObject({
  fd: fd(),
  largeFd: fd(),
  slots: u32(),
  released: u32(),
  sent: u32(),
  put: u32(),
  large: bytes(LARGE_MAX),
  losses,
});
const packet = z.strictObject({
  ...common,
  kind: z.literal('packet'),
  sockets: z.array(socket).min(1).max(QUEUES_MAX),
  promiscuous: fd().optional(),
  links: fd(),
  lro: z.boolean(),
  served: z.boolean(),
  mtuBefore: u32(),
  lostBefore: losses,
});
const left = z.strictObject({
  name: common.name,
  counters: common.counters,
  kind: z.literal('left'),
  index: z.number().int().min(1).max(0x7fff_ffff),
  mtuBefore: u32(),
  losses,
});

export const InterfacesSchema = z.array(z.discriminatedUnion('kind', [tap, packet, left])).max(65_536);
type Taken = z.output<typeof InterfacesSchema>;
type Given = z.input<typeof InterfacesSchema>;

/** @param add a descriptor that is to pass over; its number there. @param kept for when this process has died, and while they are in use. */
export function describeInterfaces(
  { insides: { ports } }: Host,
  add: (fd: number) => number,
  kept: boolean,
): Given {
  return ports.interfaces.map(({ name, interface: opened }): Given[number] => {
    const member = ports.members.find((candidate) => candidate.name === name)?.member;
    const counters = [...(member?.blocks ?? [])];
    // What the others have passed to the kernel and not taken from it goes with their sockets.
    if (kept && opened.info.access !== 'tap') return { name, counters, ...describeLeft(opened.info) };
    const state = opened.state;
    if (state === undefined) throw new Error(`${name}: its interface is not handed over`);
    const common = { name, news: add(state.news), link: { ...state.link }, counters };
    if (state.kind === 'tap')
      return { ...state, ...common, queues: state.queues.map(add), vnetHdr: state.vnetHdr as 0 };
    const { promiscuous, sockets, links, ...rest } = state;
    return {
      ...rest,
      ...common,
      links: add(links),
      ...(promiscuous !== undefined && { promiscuous: add(promiscuous) }),
      sockets: sockets.map(({ fd, largeFd, large, ...places }) => ({
        ...places,
        fd: add(fd),
        largeFd: add(largeFd),
        large: Buffer.from(large).toString('base64'),
      })),
    };
  });
}

const describeLeft = ({ index, mtuBefore, lostFull, lostTooLarge, refused }: InterfaceInfo) => ({
  kind: 'left' as const,
  index,
  mtuBefore,
  losses: { ringFull: lostFull, tooLarge: lostTooLarge, refused },
});

/**
 * By name, with descriptors of this process. Nothing may be opened in their place: each that the configuration has must be there.
 * @param died their process has: those that are no taps are opened anew, and only then.
 * @throws Error
 */
export function takeInterfaces(
  given: Taken,
  config: HostConfig,
  take: (index: number) => number,
  died: boolean,
): Map<string, TakenInterface> {
  const members = switchesOf(config);
  const wanted = wantedInterfaces(config);
  const all = new Map<string, TakenInterface>();
  for (const { name, ...state } of given) {
    if (!wanted.delete(name))
      throw new Error(`${name}: its configuration has no such interface, or it came twice`);
    if (state.kind === (died ? 'packet' : 'left'))
      throw new Error(`${name}: its interface is ${died ? 'not ' : ''}to be opened anew`);
    if (state.counters.length !== (members.has(name) ? 2 * queuesOf(state, config.ports.get(name)!) : 0))
      throw new Error(`${name}: its counters are those of another kind`);
    all.set(name, withFds(state, take));
  }
  const [missing] = wanted;
  if (missing !== undefined) throw new Error(`${missing}: its interface has not come along`);
  return all;
}

function queuesOf(state: Omit<Taken[number], 'name'>, { txRings }: RingsConfig): number {
  const whole = state as Taken[number];
  if (whole.kind === 'left') return txRings;
  return whole.kind === 'tap' ? whole.queues.length : whole.sockets.length;
}

/** Kinds of port that have one. */
const KINDS: ReadonlySet<string> = new Set(['tap', 'netmap']);

/** Ports and members that have one. */
export const wantedInterfaces = (config: HostConfig): Set<string> =>
  new Set([...config.ports.keys()].filter((name) => KINDS.has(parsePortName(name).kind)));

function withFds(state: Omit<Taken[number], 'name'>, take: (index: number) => number): TakenInterface {
  const whole = state as Taken[number];
  if (whole.kind === 'left') return whole;
  const news = take(whole.news);
  if (whole.kind === 'tap') return { ...whole, news, queues: whole.queues.map(take) };
  const { promiscuous, ...rest } = whole;
  return {
    ...rest,
    news,
    links: take(whole.links),
    ...(promiscuous !== undefined && { promiscuous: take(promiscuous) }),
    sockets: whole.sockets.map((each) => ({ ...each, fd: take(each.fd), largeFd: take(each.largeFd) })),
  };
}

function fdsOf(state: TakenInterface): number[] {
  if (state.kind === 'left') return [];
  if (state.kind === 'tap') return [...state.queues, state.news];
  return [
    ...state.sockets.flatMap(({ fd, largeFd }) => [fd, largeFd]),
    ...(state.promiscuous === undefined ? [] : [state.promiscuous]),
    state.links,
    state.news,
  ];
}

/** Whoever has taken them has duplicates. */
export function closeInterfaces(interfaces: Iterable<TakenInterface>): void {
  for (const state of interfaces) for (const each of fdsOf(state)) closeFd(each);
}

/** Members of switches, which no client drives: before attachments stand still, as they send to them. */
export function suspendMembers({ insides: { ports } }: Host): void {
  for (const { member } of ports.members) member.suspend();
}

export function resumeMembers({ insides: { ports } }: Host): void {
  for (const { member } of ports.members) member.resume();
}

/** They are this process's from now on. */
export function goOnWithInterfaces({ insides: { ports } }: Host): void {
  for (const { interface: opened } of ports.interfaces) opened.goOn();
}
