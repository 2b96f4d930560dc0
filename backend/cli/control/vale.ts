// `ptnet vale`: the verbs of netmap's vale-ctl, for those who know its letters.
import { alternatives } from '../../config/nearest.ts';
import {
  type ControlClient,
  ControlError,
  type NewPersistentPort,
  type PersistentPortState,
  type SwitchState,
} from '../../control/index.ts';
import { ConfigurationError } from '../../errors.ts';
import type { Io } from '../io.ts';
import { type ChangeFlags, tell } from './change.ts';

export interface ValeFlags {
  readonly json: boolean;
  /** `-l` */
  readonly list?: boolean;
  /** `-g PORT` */
  readonly get?: string;
  /** `-a SWITCH:IF` */
  readonly attach?: string;
  /** `-h SWITCH:IF` */
  readonly hostAttach?: string;
  /** `-d SWITCH:IF` */
  readonly detach?: string;
  /** `-p PORT` and `-P PORT` */
  readonly poll?: string;
  readonly noPoll?: string;
  /** `-n NAME` and `-r NAME` */
  readonly create?: string;
  readonly remove?: string;
  /** `-C SLOTS,SLOTS,RINGS,RINGS` and `-m ID`, of what is created */
  readonly rings?: string;
  readonly memory?: string;
}

interface Place {
  readonly name: string;
  readonly bridge_idx: number;
  readonly port_idx: number;
}

const encode = encodeURIComponent;
/** @param hostSide with the machine's own side of it */
const memberPath = (vale: string, member: string, hostSide: boolean): string =>
  `/v1/switches/${encode(vale)}/members/${encode(member)}${hostSide ? '?host-side=true' : ''}`;

export async function vale(client: ControlClient, flags: ValeFlags, io: Io): Promise<void> {
  const { create, remove, rings, memory } = flags;
  const verbs = [
    flags.get,
    flags.attach,
    flags.hostAttach,
    flags.detach,
    flags.poll,
    flags.noPoll,
    create,
    remove,
  ];
  if (verbs.filter((verb) => verb !== undefined).length + (flags.list ? 1 : 0) > 1)
    throw new ConfigurationError("one verb at a time: 'ptnet vale -l' would be right");
  if (create === undefined && (rings !== undefined || memory !== undefined))
    throw new ConfigurationError("-C and -m say what is made: 'ptnet vale -n v0 -C 512' would be right");
  const change: ChangeFlags = { json: flags.json };
  if (create !== undefined) {
    const shape = { ...ringsOf(rings), ...(memory !== undefined && { memId: memIdOf(memory) }) };
    return say(await client.changePersistentPort('PUT', create, { shape }), change, io);
  }
  if (remove !== undefined) return say(await client.changePersistentPort('DELETE', remove), change, io);
  if (flags.attach !== undefined) return join(client, flags.attach, false, change, io);
  if (flags.hostAttach !== undefined) return join(client, flags.hostAttach, true, change, io);
  if (flags.detach !== undefined) return leave(client, flags.detach, change, io);
  if (flags.poll !== undefined) return setPolicy(client, flags.poll, 'poll', change, io);
  if (flags.noPoll !== undefined) return setPolicy(client, flags.noPoll, 'adaptive', change, io);
  const places = placesOf(await client.switches());
  const wanted = flags.get === undefined ? places : places.filter(({ name }) => name === flags.get);
  if (flags.get !== undefined && wanted.length === 0)
    throw new ControlError(
      `'${flags.get}' does not stand on a switch: ${alternatives(places.map(({ name }) => name))} would be right`,
    );
  if (flags.json) io.out(`${JSON.stringify(wanted)}\n`);
  else
    for (const { name, bridge_idx, port_idx } of wanted)
      io.out(`${name} bridge_idx ${bridge_idx} port_idx ${port_idx}\n`);
}

/** As vale-ctl reads them: one number is of slots for both directions, a third one of rings for both. */
function ringsOf(text: string | undefined): NewPersistentPort {
  if (text === undefined) return {};
  const numbers = text.split(',').map((each) => (/^\d{1,5}$/.test(each) ? Number(each) : Number.NaN));
  const [txSlots = 0, rxSlots = txSlots, txRings = 0, rxRings = txRings] = numbers;
  if (numbers.length > 4 || numbers.some(Number.isNaN))
    throw new ConfigurationError(
      `-C '${text}': tx slots, rx slots, tx rings and rx rings, such as '1024,1024,2,2' or '512', would be right`,
    );
  return { txSlots, rxSlots, txRings, rxRings };
}

function memIdOf(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536) return Number(text);
  throw new ConfigurationError(
    `-m '${text}': the id of a region, as 'ptnet ls regions' has it, would be right`,
  );
}

function say(port: PersistentPortState, { json }: ChangeFlags, io: Io): void {
  const { name, txRings, rxRings, txSlots, rxSlots, attachedAs } = port;
  const where = attachedAs.length === 0 ? 'on no switch' : attachedAs.join(', ');
  if (json) io.out(`${JSON.stringify(port)}\n`);
  else io.out(`${name}: tx ${txRings} x ${txSlots}, rx ${rxRings} x ${rxSlots}, ${where}\n`);
}

/** The persistent port that `vale0:v0` means, if there is one. */
async function persistentOf(client: ControlClient, text: string): Promise<string | undefined> {
  const { on } = split(text);
  const name = text.slice(on.length + 1);
  return (await client.persistentPorts()).some((port) => port.name === name) ? name : undefined;
}

/** Members have their switch before their name, as vale-ctl shows them. */
function placesOf(switches: readonly SwitchState[]): Place[] {
  return switches.flatMap((on) =>
    [...on.ports, ...on.members.map((member) => `${on.name}:${member}`)].map((name, port_idx) => ({
      name,
      bridge_idx: on.index,
      port_idx,
    })),
  );
}

/** `vale0:eth1` is the host's interface eth1, `vale0:tap:lan` the tap lan. */
function split(text: string): { on: string; member: string } {
  const [, on, name] = /^(vale[0-9A-Za-z_]*):(.+)$/.exec(text) ?? [];
  if (on === undefined || name === undefined)
    throw new ConfigurationError(`'${text}' is not SWITCH:INTERFACE: 'vale0:eth1' would be right`);
  return { on, member: name.includes(':') ? name : `netmap:${name}` };
}

async function join(
  client: ControlClient,
  text: string,
  hostSide: boolean,
  flags: ChangeFlags,
  io: Io,
): Promise<void> {
  const { on, member } = split(text);
  const persistent = await persistentOf(client, text);
  if (persistent !== undefined && hostSide)
    throw new ConfigurationError(
      `'${text}': a persistent port has no side of the machine's: 'ptnet vale -a ${text}' would be right`,
    );
  if (persistent !== undefined)
    return say(await client.changePersistentPort('PUT', persistent, { on }), flags, io);
  tell(await client.change('PUT', memberPath(on, member, hostSide), {}), flags, io);
}

async function leave(client: ControlClient, text: string, flags: ChangeFlags, io: Io): Promise<void> {
  const { on, member } = split(text);
  const persistent = await persistentOf(client, text);
  if (persistent !== undefined)
    return say(await client.changePersistentPort('DELETE', persistent, { on }), flags, io);
  const { members } = await client.switch(on);
  if (![member, `${member}^`].some((name) => members.includes(name)))
    throw new ControlError(`'${text}' does not stand there: ${alternatives(members)} would be right`);
  tell(await client.change('DELETE', memberPath(on, member, true)), flags, io);
}

async function setPolicy(
  client: ControlClient,
  name: string,
  policy: 'poll' | 'adaptive',
  flags: ChangeFlags,
  io: Io,
): Promise<void> {
  const { vm, device } = await client.port(name);
  const path = `/v1/vms/${encode(vm!)}/devices/${encode(device!)}`;
  tell(await client.change('PATCH', path, { policy }), flags, io);
}
