// Persistent ports: names that outlive the programs that make them, each of which can be attached to switches.
import { constants } from 'node:os';
import { ProtocolError } from '../errors.ts';
import type { OpenPort } from './open-port.ts';
import type { ApplicationPorts } from './ports.ts';
import type { Wanted } from './wanted.ts';

const { EACCES, EBUSY, EEXIST, EINVAL, ENOSPC, ENXIO } = constants.errno;

/** netmap makes an interface of each: IFNAMSIZ is 16, with the terminating zero. */
const NAME = /^(?!vale)[0-9A-Za-z_.]{1,15}$/;
const PORTS_MAX = 254;
const SWITCH_PORT = /^vale[0-9A-Za-z_]*:([0-9A-Za-z_.]+)$/;
const DEFAULTS = { txRings: 1, rxRings: 1, txSlots: 1024, rxSlots: 1024 };

interface Persistent {
  readonly uid: number;
  readonly wanted: Wanted;
  /** `vale0:X`, on each switch that it stands on. */
  readonly attachedAs: Set<string>;
}

/** One of them, for who looks from outside. */
export interface PersistentState extends Omit<Wanted, 'extraBufs' | 'host'> {
  readonly name: string;
  readonly uid: number;
  readonly attachedAs: readonly string[];
}

export class PersistentPorts {
  readonly #ports: ApplicationPorts;
  readonly #all = new Map<string, Persistent>();

  constructor(ports: ApplicationPorts) {
    this.#ports = ports;
  }

  get states(): PersistentState[] {
    return [...this.#all].map(([name, { uid, wanted, attachedAs }]) => {
      const { txRings, rxRings, txSlots, rxSlots, memId } = wanted;
      return { name, uid, txRings, rxRings, txSlots, rxSlots, memId, attachedAs: [...attachedAs] };
    });
  }

  /** @returns what it will be. @throws ProtocolError EINVAL, EEXIST or ENOSPC. */
  create(name: string, uid: number, wanted: Wanted): Wanted {
    if (!NAME.test(name)) throw new ProtocolError(EINVAL, `'${name}': a name such as 'v0' would be right`);
    if (this.#all.has(name)) throw new ProtocolError(EEXIST, `${name}: there already`);
    if (this.#all.size >= PORTS_MAX)
      throw new ProtocolError(ENOSPC, `${name}: there are ${PORTS_MAX} persistent ports already`);
    const chosen = {
      ...wanted,
      txRings: wanted.txRings || DEFAULTS.txRings,
      rxRings: wanted.rxRings || DEFAULTS.rxRings,
      txSlots: wanted.txSlots || DEFAULTS.txSlots,
      rxSlots: wanted.rxSlots || DEFAULTS.rxSlots,
    };
    this.#all.set(name, { uid, wanted: chosen, attachedAs: new Set() });
    return chosen;
  }

  /** @throws ProtocolError ENXIO, EACCES, or EBUSY while it is on a switch. */
  remove(name: string, uid: number): void {
    const port = this.#find(name, uid);
    if (port.attachedAs.size > 0)
      throw new ProtocolError(
        EBUSY,
        `${name}: attached as ${[...port.attachedAs].join(', ')}: detach it first`,
      );
    this.#all.delete(name);
  }

  /** The port of the switch that one stands on, by its own name, `v0` or `netmap:v0`; undefined: it is none, or on no switch. */
  portOf(name: string): string | undefined {
    const port = this.#all.get(name.replace(/^netmap:/, ''));
    return port && [...port.attachedAs][0];
  }

  /** Whether `vale0:X` would be one of these. */
  has(as: string): boolean {
    return this.#all.has(SWITCH_PORT.exec(as)?.[1] ?? '');
  }

  /** @param as `vale0:X`; on each switch it is a port of its own. @throws ProtocolError */
  attach(as: string, uid: number): OpenPort {
    const port = this.#find(nameOn(as), uid);
    const open = this.#ports.attach(as, uid, port.wanted);
    port.attachedAs.add(as);
    return open;
  }

  /** @throws ProtocolError */
  detach(as: string, uid: number): void {
    this.#ports.detach(as, uid);
    this.#all.get(nameOn(as))?.attachedAs.delete(as);
  }

  #find(name: string, uid: number): Persistent {
    const port = this.#all.get(name);
    if (!port) throw new ProtocolError(ENXIO, `${name}: no persistent port has that name`);
    if (port.uid !== uid && uid !== 0)
      throw new ProtocolError(EACCES, `${name}: it belongs to uid ${port.uid}`);
    return port;
  }
}

function nameOn(as: string): string {
  const name = SWITCH_PORT.exec(as)?.[1];
  if (name === undefined)
    throw new ProtocolError(EINVAL, `'${as}': a port of a switch such as 'vale0:v0' would be right`);
  return name;
}
