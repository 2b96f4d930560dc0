// Interfaces of the host that programs put on switches, as `vale0:eth1`, and whether they are polled there.
import { constants, cpus } from 'node:os';
import type { HostConfig, PortConfig } from '../config/host-config.ts';
import { parsePortName, portNameProblem } from '../config/port-name.ts';
import { ProtocolError } from '../errors.ts';
import type { PlacedMember, PortTable } from '../ports/table.ts';
import type { Wanted } from './wanted.ts';

const { EACCES, EBUSY, EFAULT, EINVAL, EOPNOTSUPP, ENXIO } = constants.errno;

const ON_SWITCH = /^(vale[0-9A-Za-z_]*):(.+)$/;

/** What VALE_POLLING_ENABLE asks for. */
export interface Polling {
  readonly mode: number;
  readonly firstCpu: number;
  readonly cpus: number;
}
const POLLING_MODE = { SINGLE_CPU: 1, MULTI_CPU: 2 } as const;

export interface SwitchMembersOptions {
  /** As it is now. */
  readonly config: () => HostConfig;
  readonly table: PortTable;
  /** Has a worker serve one, by the policy of that configuration. */
  start(member: PlacedMember, config: HostConfig): void;
  /** Its worker is free. */
  left(name: string): void;
  /** @throws ProtocolError when there may be no such switch. */
  checkSwitch(vale: string): void;
}

/** The names that `vale0:eth1` and `eth1^` have on a switch. */
export const nameOnSwitch = ({ switch: vale, name }: PlacedMember): string =>
  `${vale}:${name.replace(/^netmap:/, '')}`;

export class SwitchMembers {
  readonly #options: SwitchMembersOptions;
  /** Attached here, by what they are on a switch, each with the host's side of it when that was asked for. */
  readonly #attached = new Map<string, readonly string[]>();
  readonly #polled = new Set<string>();

  constructor(options: SwitchMembersOptions) {
    this.#options = options;
  }

  /** What they are on a switch. */
  get attached(): string[] {
    return [...this.#attached.keys()];
  }

  /** @param as `vale0:eth1`. @throws ProtocolError, or what opening the interface failed with, which leaves nothing. */
  attach(as: string, uid: number, wanted: Wanted, withHost: boolean): void {
    const { vale, member } = this.#parse(as);
    if (uid !== 0)
      throw new ProtocolError(EACCES, `${as}: an interface of the host, and uid ${uid}: root would be right`);
    const { table, checkSwitch } = this.#options;
    checkSwitch(vale);
    const names = withHost ? [member, `${member}^`] : [member];
    const taken = names.find(
      (name) => table.ports.has(name) || table.members.some((other) => other.name === name),
    );
    if (taken) throw new ProtocolError(EBUSY, `${taken}: somebody has it already`);
    const joined: string[] = [];
    try {
      for (const name of names) {
        this.#join(vale, name, wanted);
        joined.push(name);
      }
    } catch (error) {
      for (const name of joined) this.#leave(name);
      throw error;
    }
    this.#attached.set(as, names);
  }

  /** @returns false: it is none of these. @throws ProtocolError */
  detach(as: string, uid: number): boolean {
    const names = this.#attached.get(as);
    if (!names) {
      if (this.#member(as))
        throw new ProtocolError(EBUSY, `${as}: the host's file has it there: 'ptnet member' would be right`);
      return false;
    }
    if (uid !== 0)
      throw new ProtocolError(EACCES, `${as}: uid ${uid} has not attached it: root would be right`);
    this.#attached.delete(as);
    for (const name of names) this.#leave(name);
    return true;
  }

  /** The worker that serves it waits for nothing any more. @throws ProtocolError, with netmap's numbers. */
  poll(as: string, uid: number, wanted: Polling): void {
    const placed = this.#polledOne(as, uid);
    checkPolling(as, wanted, placed);
    if (this.#polled.has(placed.name)) throw new ProtocolError(EFAULT, `${as}: polled already`);
    const config = this.#options.config();
    this.#options.start(placed, { ...config, engine: { ...config.engine, policy: 'poll' } });
    this.#polled.add(placed.name);
  }

  /** @throws ProtocolError */
  unpoll(as: string, uid: number): void {
    const placed = this.#polledOne(as, uid);
    if (!this.#polled.delete(placed.name)) throw new ProtocolError(EFAULT, `${as}: not polled`);
    this.#options.start(placed, this.#options.config());
  }

  #polledOne(as: string, uid: number): PlacedMember {
    const placed = this.#member(as);
    if (!placed) {
      const isPort = this.#options.table.ports.has(as);
      throw new ProtocolError(
        isPort ? EOPNOTSUPP : ENXIO,
        isPort
          ? `${as}: its client polls it: an interface on a switch would be right`
          : `${as}: on no switch`,
      );
    }
    if (uid !== 0)
      throw new ProtocolError(EACCES, `${as}: an interface of the host, and uid ${uid}: root would be right`);
    return placed;
  }

  #member(as: string): PlacedMember | undefined {
    return this.#options.table.members.find((placed) => nameOnSwitch(placed) === as);
  }

  #parse(as: string): { vale: string; member: string } {
    const [, vale, name] = ON_SWITCH.exec(as) ?? [];
    const member = `netmap:${name}`;
    if (
      vale === undefined ||
      portNameProblem(member) !== undefined ||
      parsePortName(member).kind !== 'netmap'
    )
      throw new ProtocolError(
        EINVAL,
        `'${as}': an interface on a switch such as 'vale0:eth1' would be right`,
      );
    return { vale, member };
  }

  #join(vale: string, name: string, wanted: Wanted): void {
    const { table, start } = this.#options;
    const config = this.#options.config();
    const settings = settingsOf(config, name, wanted);
    const ports = new Map([...config.ports, [name, settings]]);
    const placed = table.join({ ...config, ports }, vale, name);
    try {
      start(placed, config);
    } catch (error) {
      table.leave(name);
      throw error;
    }
  }

  #leave(name: string): void {
    this.#polled.delete(name);
    this.#options.table.leave(name);
    this.#options.left(name);
  }
}

/** What the file says of it; else its queues are what the request asks for. */
function settingsOf(config: HostConfig, name: string, { txRings, txSlots, rxSlots }: Wanted): PortConfig {
  const rings = {
    txRings: txRings || 1,
    rxRings: txRings || 1,
    txSlots: txSlots || 1024,
    rxSlots: rxSlots || 1024,
  };
  return config.ports.get(name) ?? { ...rings, vnetHdr: true, addresses: [], sink: { verify: false } };
}

function checkPolling(as: string, { mode, firstCpu, cpus: wanted }: Polling, { member }: PlacedMember): void {
  const there = cpus().length;
  const bad = (what: string): never => {
    throw new ProtocolError(EINVAL, `${as}: polling ${what}`);
  };
  if (wanted === 0 || wanted >= there) bad(`by ${wanted} CPUs: 1 to ${there - 1} would be right`);
  if (mode === POLLING_MODE.SINGLE_CPU) {
    if (wanted !== 1) bad(`by one CPU, and ${wanted} of them: 1 would be right`);
    if (firstCpu >= there) bad(`by CPU ${firstCpu}: there are ${there}`);
  } else if (mode === POLLING_MODE.MULTI_CPU) {
    if (firstCpu + wanted > member.queues)
      bad(`queues ${firstCpu} to ${firstCpu + wanted - 1}: it has ${member.queues}`);
  } else bad(`mode ${mode}: 1 (one CPU) or 2 (one for each queue) would be right`);
}
