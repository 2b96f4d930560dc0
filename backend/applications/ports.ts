// The ports that applications open: those that a file names for them, and those that are made when they are opened first and
// go with the last who has them.
import { constants } from 'node:os';
import type { Door } from '../../native/door.ts';
import type { RegionInfo } from '../../native/memory.ts';
import type { OffsetPart, OffsetsAsked, OffsetsGiven, Port } from '../../native/ports.ts';
import { applicationPolicy } from '../config/applications.ts';
import type { HostConfig, PortConfig } from '../config/host-config.ts';
import { formatPortName, parsePortName, portNameProblem } from '../config/port-name.ts';
import type { Broker } from '../datapath/broker.ts';
import { ProtocolError } from '../errors.ts';
import { kindOf, type PortName } from '../ports/kinds/index.ts';
import type { MonitorName } from '../ports/kinds/monitor.ts';
import { peerOf } from '../ports/kinds/pipe.ts';
import type { PortTable } from '../ports/table.ts';
import type { OwnMemory } from './extmem.ts';
import { nameOnSwitch } from './members.ts';
import { OpenPort } from './open-port.ts';
import { ApplicationRegions } from './regions.ts';
import { checkRings, checkWanted, forParent, type Wanted } from './wanted.ts';

const { EACCES, EBUSY, EINVAL, ENOSPC, ENXIO } = constants.errno;

/** Kinds that a user's program may have made for it; the others lead out of the host's memory. */
const MADE_WHEN_OPENED: ReadonlySet<PortName['kind']> = new Set(['vale', 'pipe', 'null', 'echo', 'monitor']);
/** Beyond those that the file names. */
const SWITCHES_MAX = 64;
const ANY_RINGS = { txRings: 0, rxRings: 0, txSlots: 0, rxSlots: 0, memId: 0, extraBufs: 0 };

/** A port, and what it was made with. */
interface Entry {
  readonly open: OpenPort;
  /** Who may open it too: its user, and root; undefined: whoever may connect. */
  readonly uid: number | undefined;
  /** Ports that are there for it. */
  readonly parents: readonly Entry[];
  /** Those whose parent it is. */
  readonly children: Set<Entry>;
  readonly made: boolean;
  /** It stays while nobody has it open, until it is detached. */
  pinned: boolean;
}

export interface ApplicationPortsOptions {
  /** As it is now. */
  readonly config: () => HostConfig;
  readonly table: PortTable;
  readonly broker: Broker;
  readonly door: Door;
}

export class ApplicationPorts {
  readonly #options: ApplicationPortsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #regions: ApplicationRegions;

  constructor(options: ApplicationPortsOptions) {
    this.#options = options;
    this.#regions = new ApplicationRegions(options.table, () => options.config().applications?.region);
  }

  get #config(): HostConfig {
    return this.#options.config();
  }

  /** One that is there. @throws ProtocolError EINVAL (no such name), ENXIO, EACCES or EBUSY. */
  find(text: string, uid: number): OpenPort {
    const name = formatPortName(this.#parse(text));
    const entry = this.#there(name);
    if (!entry) throw new ProtocolError(ENXIO, `${name}: there is no such port`);
    this.#checkUser(name, entry, uid);
    return entry.open;
  }

  /** One that is there, or made now; give it back with release(). @throws ProtocolError, also when it is not as `wanted`. */
  obtain(text: string, uid: number, wanted: Wanted): OpenPort {
    const entry = this.#obtain(this.#parse(text), uid, wanted);
    try {
      checkWanted(entry.open.name, entry.open.port, wanted);
      return entry.open;
    } catch (error) {
      this.release(entry.open);
      throw error;
    }
  }

  /**
   * The port whose rings are the host rings of an interface's, in its region, for whoever may have it by its own name; give it
   * back with release(). @throws ProtocolError EINVAL where there are none, or not so many; ENXIO, EACCES or EBUSY.
   */
  obtainHost({ name }: OpenPort, uid: number, { host }: Wanted): OpenPort {
    const parsed = parsePortName(name);
    const nic = this.#entries.get(name);
    if (parsed.kind !== 'netmap' || parsed.host || !nic)
      throw new ProtocolError(EINVAL, `${name}: it has no host rings: NR_REG_ALL_NIC would be right`);
    const wanted = { ...ANY_RINGS, txRings: host?.txRings ?? 0, rxRings: host?.rxRings ?? 0 };
    const entry = this.#obtain({ ...parsed, host: true }, uid, wanted, nic);
    try {
      checkWanted(entry.open.name, entry.open.port, wanted);
      return entry.open;
    } catch (error) {
      this.release(entry.open);
      throw error;
    }
  }

  /** A port that has no rings for anybody, and whose memory is what matters. */
  obtainNull(connection: number, uid: number, wanted: Wanted): OpenPort {
    return this.obtain(`null:register.${connection}`, uid, wanted);
  }

  /**
   * A monitor of one that somebody has open, or that the file names: the file's, when it is a port of applications, or else one
   * that is made for this register; give it back with release(). @throws ProtocolError
   */
  obtainMonitor(text: string, uid: number, wanted: Wanted, flags: MonitorName['flags']): OpenPort {
    const parent = formatPortName(this.#parse(text));
    const forms = (flags === 'rt' ? ['rt', 'tr'] : [flags]).map((written) => `${parent}/${written}`);
    for (const form of forms) if (this.#declared(form)) return this.obtain(form, uid, wanted);
    const { ports } = this.#options.table;
    let number = 0;
    while (ports.has(`${forms[0]}#${number}`)) number++;
    return this.obtain(`${forms[0]}#${number}`, uid, wanted);
  }

  /** @throws Error with `code` EBUSY when rings have offsets that are not enough. */
  readonly setOffsets = (parts: readonly OffsetPart[], asked: OffsetsAsked): OffsetsGiven =>
    this.#options.broker.setOffsets(parts, asked);

  /** What a program's own memory is, or becomes: tidy() has to be called where no port comes to lie there. @throws ProtocolError */
  regionOf(memory: OwnMemory, connection: number, uid: number): RegionInfo {
    return this.#regions.ofMemory(`extmem.${connection}`, uid, memory);
  }

  tidy(): void {
    this.#regions.tidy();
  }

  /** One that was made goes with the last who has it. */
  release({ name }: OpenPort): void {
    const entry = this.#entries.get(name);
    if (!entry?.made || entry.pinned) return;
    // Both ends of a pipe are served together.
    if ((isSecondEnd(name) ? entry.parents : [entry]).some(isUsed)) return;
    this.#drop(entry);
    for (const parent of entry.parents) this.release(parent.open);
  }

  #drop(entry: Entry): void {
    for (const child of entry.children) this.#drop(child);
    const { name, port } = entry.open;
    this.#entries.delete(name);
    for (const parent of entry.parents) parent.children.delete(entry);
    this.#options.table.remove(name);
    port.drop();
    this.#regions.tidy();
  }

  /** Makes a port of a switch that stays until it is detached. @throws ProtocolError EBUSY when it is there. */
  attach(text: string, uid: number, wanted: Wanted): OpenPort {
    const parsed = this.#parse(text);
    const name = formatPortName(parsed);
    if (this.#entries.has(name) || this.#options.table.ports.has(name))
      throw new ProtocolError(EBUSY, `${name}: attached already`);
    const entry = this.#obtain(parsed, uid, wanted);
    entry.pinned = true;
    return entry.open;
  }

  /** @throws ProtocolError EINVAL when it was not attached, EBUSY while somebody has it open. */
  detach(text: string, uid: number): void {
    const name = formatPortName(this.#parse(text));
    const entry = this.#entries.get(name);
    if (!entry?.pinned) throw new ProtocolError(EINVAL, `${name}: not attached`);
    this.#checkUser(name, entry, uid);
    if (entry.open.inUse) throw new ProtocolError(EBUSY, `${name}: an application has it open`);
    entry.pinned = false;
    this.release(entry.open);
  }

  /** With netmap's prefix or without: the clients' libraries take `netmap:` away. */
  #parse(text: string): PortName {
    for (const form of [text, text.replace(/^netmap:/, ''), `netmap:${text}`])
      if (portNameProblem(form) === undefined) return parsePortName(form);
    throw new ProtocolError(EINVAL, portNameProblem(text)!);
  }

  /** One of the file's is opened as it is now: a change of the host may have made it anew. */
  #there(name: string): Entry | undefined {
    const entry = this.#entries.get(name);
    if (entry && (entry.made || entry.open.port === this.#options.table.ports.get(name))) return entry;
    this.#entries.delete(name);
    return this.#declared(name);
  }

  #declared(name: string): Entry | undefined {
    const { table } = this.#options;
    const config = this.#config;
    if (!config.applications?.ports.includes(name)) return undefined;
    const entry = {
      open: this.#openPort(name, table.port(name)),
      uid: undefined,
      parents: [],
      children: new Set<Entry>(),
      made: false,
      pinned: false,
    };
    this.#entries.set(name, entry);
    return entry;
  }

  #openPort(name: string, port: Port): OpenPort {
    const { broker, door } = this.#options;
    const parsed = parsePortName(name);
    const part = parsed.kind === 'netmap' && parsed.host ? 1 : 0;
    const policy = () => {
      const { policy: ofHost, spinUs } = this.#config.engine;
      return { policy: applicationPolicy(ofHost), spinUs };
    };
    return new OpenPort({ name, port, part, policy, broker, door });
  }

  #checkUser(name: string, { uid: owner }: Entry, uid: number): void {
    if (owner === undefined || owner === uid || uid === 0) return;
    throw new ProtocolError(
      EACCES,
      `${name}: it belongs to uid ${owner}, and whoever opens it sees that one's memory: '${name}' in applications.ports lets others in`,
    );
  }

  /** @param beside the port in whose region it is to lie, if it is made now. */
  #obtain(parsed: PortName, uid: number, wanted: Wanted, beside?: Entry): Entry {
    const name = formatPortName(parsed);
    const there = this.#there(name);
    if (there) {
      this.#checkUser(name, there, uid);
      return there;
    }
    const { table } = this.#options;
    if (table.ports.has(name))
      throw new ProtocolError(EBUSY, `${name}: a VM's device, or another port's other end, has it`);
    if (!MADE_WHEN_OPENED.has(parsed.kind) && !(parsed.kind === 'netmap' && uid === 0))
      throw new ProtocolError(ENXIO, `${name}: only root may, or with it in applications.ports`);
    const vale = kindOf(parsed).switchOf(parsed);
    if (vale !== undefined) this.checkSwitch(vale);
    if (table.members.some((member) => member.name === name || nameOnSwitch(member) === name))
      throw new ProtocolError(EBUSY, `${name}: an interface on a switch, which has no client`);
    return this.#make(parsed, name, uid, wanted, beside);
  }

  /** @throws ProtocolError when it is not there and may not be made. */
  checkSwitch(vale: string): void {
    const { table } = this.#options;
    const config = this.#config;
    if (table.switches.has(vale)) return;
    if (config.switches.size > 0)
      throw new ProtocolError(
        ENXIO,
        `there is no switch '${vale}' under switches: ${[...config.switches.keys()].join(', ')} would be right`,
      );
    if (table.switches.size >= SWITCHES_MAX)
      throw new ProtocolError(ENOSPC, `${vale}: there are ${SWITCHES_MAX} switches already`);
  }

  #make(parsed: PortName, name: string, uid: number, wanted: Wanted, beside?: Entry): Entry {
    const { table } = this.#options;
    const config = this.#config;
    const parents: Entry[] = beside ? [beside] : [];
    try {
      if (parsed.kind === 'monitor') parents.push(...this.#watched(parsed.parent, uid));
      else
        for (const parent of kindOf(parsed).dependsOn(parsed))
          parents.push(this.#obtain(this.#parse(parent), uid, forParent(parsed, wanted)));
      const settings = this.#settings(parsed, name, wanted);
      checkRings(name, settings);
      const region =
        this.#sharedRegion(parsed, parents[0]) ??
        this.#regions.asked(wanted.memId, uid) ??
        this.#globalOf(parsed) ??
        this.#regions.add(name, uid, bothEnds(parsed, name, settings), wanted.extraBufs);
      const ports = new Map([...config.ports, [name, settings]]);
      table.create({ ...config, ports }, name, region);
    } catch (error) {
      this.#regions.tidy();
      for (const parent of parents) this.release(parent.open);
      throw error;
    }
    const entry: Entry = {
      open: this.#openPort(name, table.port(name)),
      uid,
      parents,
      children: new Set(),
      made: true,
      pinned: false,
    };
    for (const parent of parents) parent.children.add(entry);
    this.#entries.set(name, entry);
    return entry;
  }

  /** Interfaces lie in one region, as in netmap: so packets pass between them without a copy. */
  #globalOf({ kind }: PortName): string | undefined {
    return kind === 'netmap' ? this.#regions.global() : undefined;
  }

  /** Where buffers pass between a port and its parent. @throws ProtocolError EACCES */
  #sharedRegion(parsed: PortName, parent: Entry | undefined): string | undefined {
    const { table } = this.#options;
    if (parsed.kind !== 'monitor') return parent && table.regionOf(parent.open.name);
    if (parsed.flags !== 'z') return undefined;
    const region = table.regionOf(parsed.parent);
    if (region === undefined || parent || region === this.#regions.common) return region;
    throw new ProtocolError(
      EACCES,
      `${formatPortName(parsed)}: without copies it would lie in the region of '${parsed.parent}', which no application has: '${parsed.parent}/rt' would be right`,
    );
  }

  /** What a monitor is to look at: its entry, when applications have it. @throws ProtocolError */
  #watched(name: string, uid: number): Entry[] {
    const there = this.#there(name);
    if (there) {
      this.#checkUser(name, there, uid);
      return [there];
    }
    const { ports, members } = this.#options.table;
    if (!ports.has(name) && !members.some((member) => member.name === name))
      throw new ProtocolError(
        MADE_WHEN_OPENED.has(parsePortName(name).kind) ? EINVAL : ENXIO,
        `${name}: nobody has it open: one that is there would be right`,
      );
    if (uid !== 0)
      throw new ProtocolError(
        EACCES,
        `${name}: the host's or a VM's, and uid ${uid} would see its packets: root, or '${name}/rt' in applications.ports, would be right`,
      );
    return [];
  }

  /** What the file says of it, or of its switch's ports; then what the request asks for. */
  #settings(parsed: PortName, name: string, wanted: Wanted): PortConfig {
    const config = this.#config;
    const vale = kindOf(parsed).switchOf(parsed);
    const given =
      config.ports.get(name) ?? (vale === undefined ? undefined : config.switches.get(vale)?.otherPorts);
    const base: PortConfig = given ?? {
      txRings: 1,
      rxRings: 1,
      txSlots: 1024,
      rxSlots: 1024,
      vnetHdr: kindOf(parsed).offersVnetHdr,
      addresses: [],
      sink: { verify: false },
      ...(parsed.kind === 'monitor' && this.#ringsOfMonitor(parsed.parent)),
    };
    return {
      ...base,
      txRings: wanted.txRings || base.txRings,
      rxRings: wanted.rxRings || base.rxRings,
      txSlots: wanted.txSlots || base.txSlots,
      rxSlots: wanted.rxSlots || base.rxSlots,
    };
  }

  /** As netmap's: an rx ring for each pair of rings that is watched, as long as its rings are. */
  #ringsOfMonitor(watched: string): Pick<PortConfig, 'rxRings' | 'rxSlots'> | undefined {
    const info = this.#options.table.ports.get(watched)?.info;
    return (
      info && { rxRings: Math.max(info.txRings, info.rxRings), rxSlots: Math.max(info.txSlots, info.rxSlots) }
    );
  }
}

/** The second is made with the first, in its region. */
function bothEnds(parsed: PortName, name: string, settings: PortConfig): Map<string, PortConfig> {
  const ports = new Map([[name, settings]]);
  return parsed.kind === 'pipe' ? ports.set(formatPortName(peerOf(parsed)), settings) : ports;
}

/** Whether somebody has it open, or what is there for it. */
const isUsed = ({ open, children }: Entry): boolean => open.inUse || [...children].some(isUsed);

function isSecondEnd(name: string): boolean {
  const parsed = parsePortName(name);
  return parsed.kind === 'pipe' && parsed.end === 'slave';
}
