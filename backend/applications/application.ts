// One open file of an application: what it is bound to, and what its requests do.
import { constants } from 'node:os';
import type { Credentials } from '../../native/door.ts';
import type { Port, Register } from '../../native/ports.ts';
import { isSystemError, ProtocolError } from '../errors.ts';
import {
  checkedBody,
  POOLS_INFO,
  PORT_HDR,
  PORT_INFO,
  REGISTER,
  type RegisterBody,
  writeBody,
} from './bodies.ts';
import { type OwnMemory, ownMemory, tellPools } from './extmem.ts';
import { offsetsAsked } from './offsets.ts';
import type { OpenPort } from './open-port.ts';
import { Options, RefusedOptions } from './options.ts';
import type { ApplicationPorts } from './ports.ts';
import { API, NETMAP_REQ, NETMAP_REQ_OPT, NR_FLAG, NR_REG, RINGS_MAX, requestName } from './protocol.ts';
import { poolFields } from './regions.ts';
import { monitorFlags, ringsWanted, wantsHost } from './rings.ts';
import { runAll } from './run-all.ts';
import { answerSwitchRequest, type SwitchRequests } from './switch-requests.ts';
import type { Wanted } from './wanted.ts';
import type { Binding, ControlRequest, Reply, Request } from './wire.ts';

const { EBUSY, EINVAL, EIO, ENODEV, ENXIO, EOPNOTSUPP } = constants.errno;

/** What netmap_if counts of host rings, whether there are any or not. */
const HOST_RINGS = 1;
/** Of a null port's region: what netmap gives when nothing is asked for. */
const ANY: Wanted = { txRings: 0, rxRings: 0, txSlots: 0, rxSlots: 0, memId: 0, extraBufs: 0 };
/** Of a register; 64 MiB. */
const EXTRA_BUFS_MAX = 32_768;
const VNET_HDR_LENGTHS: readonly number[] = [0, 10, 12];

/** A reply, with the descriptors that go with it; they stay the host's. */
export interface Answer {
  readonly reply: Reply;
  readonly fds: readonly number[];
}

interface Bound {
  readonly open: OpenPort;
  /** Whose rings are its host rings. */
  readonly host: OpenPort | undefined;
  readonly register: Register;
  readonly flags: number;
}

/** A port, and the one whose rings are its host rings. */
interface Opened {
  readonly open: OpenPort;
  readonly host: OpenPort | undefined;
}

const NO_RINGS = { txRings: 0, rxRings: 0 };

export class Application {
  readonly id: number;
  readonly who: Credentials;
  readonly #ports: ApplicationPorts;
  readonly #switches: SwitchRequests;
  #bound: Bound | undefined;

  constructor(id: number, who: Credentials, ports: ApplicationPorts, switches: SwitchRequests) {
    this.id = id;
    this.who = who;
    this.#ports = ports;
    this.#switches = switches;
  }

  /** The port that it is bound to. */
  get port(): string | undefined {
    return this.#bound?.open.name;
  }

  /** @throws ProtocolError, or what the system refused. */
  answer(request: Request): Answer {
    switch (request.operation) {
      case 'control':
        return this.#control(request.control);
      case 'region':
        return {
          reply: { errno: 0, binding: this.#binding() },
          fds: [this.#must().open.port.region.info.fd],
        };
      case 'binding':
        return this.#whole({ errno: 0 });
      case 'unbind':
        this.close();
        return { reply: { errno: 0 }, fds: [] };
    }
  }

  /** Its last descriptor was closed. @throws what one of its steps failed with, once nothing is left. */
  close(): void {
    const bound = this.#bound;
    this.#bound = undefined;
    if (!bound) return;
    const { open, host, register } = bound;
    runAll([
      () => host?.close(this.id),
      () => open.close(this.id),
      () => register.drop(),
      () => this.#release({ open, host }),
    ]);
  }

  #must(): Bound {
    if (!this.#bound) throw new ProtocolError(ENXIO, 'not registered yet');
    return this.#bound;
  }

  #control(request: ControlRequest): Answer {
    const { api } = request;
    if (api < API.MIN || api > API.MAX)
      throw new ProtocolError(EINVAL, `API ${api}: ${API.MIN} or ${API.MAX} would be right`);
    const options = new Options(request.options);
    try {
      const { reply, fds } = this.#perform(request, options);
      const { statuses, contents } = options;
      return { reply: { ...reply, statuses, contents }, fds };
    } catch (error) {
      if (request.options.length === 0 || !(error instanceof Error)) throw error;
      throw new RefusedOptions(errnoOf(error), options.statuses, error);
    }
  }

  #perform(request: ControlRequest, options: Options): Answer {
    switch (request.reqtype) {
      case NETMAP_REQ.REGISTER:
        return this.#register(request, options);
      case NETMAP_REQ.PORT_INFO_GET:
        return this.#portInfo(request);
      case NETMAP_REQ.POOLS_INFO_GET:
        return this.#poolsInfo(request);
      case NETMAP_REQ.PORT_HDR_SET:
      case NETMAP_REQ.PORT_HDR_GET:
        return this.#portHdr(request);
      default: {
        const reply = answerSwitchRequest(request, this.who.uid, this.#switches);
        if (!reply) throw new ProtocolError(EOPNOTSUPP, `${requestName(request.reqtype)}: not here`);
        return { reply, fds: [] };
      }
    }
  }

  #register({ name, body }: ControlRequest, options: Options): Answer {
    const requested = checkedBody(REGISTER, body);
    // Its arrays are in the program's memory, and looked at there.
    options.take(NETMAP_REQ_OPT.CSB);
    const offsets = offsetsAsked(options, this.#ports.setOffsets);
    const memory = ownMemory(options);
    options.checkAllTaken();
    if (this.#bound) throw new ProtocolError(EBUSY, `bound to ${this.#bound.open.name} already`);
    const asked = memory ? { ...requested, memId: this.#placeIn(memory, options) } : requested;
    const opened = this.#obtain(name, asked);
    const { open, host } = opened;
    try {
      if (open.vnetHdrLen !== 0 && (asked.flags & NR_FLAG.ACCEPT_VNET_HDR) === 0)
        throw new ProtocolError(
          EIO,
          `${open.name}: its packets begin with a header of ${open.vnetHdrLen} bytes: NR_ACCEPT_VNET_HDR would be right`,
        );
      const rings = ringsWanted(open.port.info, host?.port.info ?? NO_RINGS, asked);
      const count = [...rings.nic, ...rings.host].filter(Boolean).length;
      if (count > RINGS_MAX)
        throw new ProtocolError(EINVAL, `${name}: ${count} rings: at most ${RINGS_MAX} would be right`);
      const register = open.open(this.id, {
        rings: rings.nic,
        exclusive: (asked.flags & NR_FLAG.EXCLUSIVE) !== 0,
        extraBufs: extraBufsOf(asked),
        ...(host && { host: { open: host, rings: rings.host } }),
        ...(offsets && { offsets }),
      });
      this.#bound = { open, host, register, flags: asked.flags };
    } catch (error) {
      this.#release(opened);
      throw error;
    }
    const { register } = this.#bound;
    const fields = {
      offset: register.nifpOfs,
      ...ringFields(open.port, host?.port),
      extraBufs: register.extraBufs,
    };
    return this.#whole({ errno: 0, name, body: writeBody(REGISTER, body, fields) });
  }

  /** The region that it is or becomes. */
  #placeIn(memory: OwnMemory, options: Options): number {
    try {
      const region = this.#ports.regionOf(memory, this.id, this.who.uid);
      tellPools(options, region);
      return region.id;
    } catch (error) {
      return options.refuse(NETMAP_REQ_OPT.EXTMEM, errnoOf(error), String(error));
    }
  }

  #obtain(name: string, asked: RegisterBody): Opened {
    let open: OpenPort;
    try {
      open = this.#obtainOne(name, asked);
    } catch (error) {
      this.#ports.tidy();
      throw error;
    }
    try {
      const host = wantsHost(asked.mode)
        ? this.#ports.obtainHost(open, this.who.uid, wantedBy(asked))
        : undefined;
      const opened = { open, host };
      checkHostRings(name, asked, ringFields(open.port, host?.port));
      return opened;
    } catch (error) {
      this.#ports.release(open);
      throw error;
    }
  }

  #release({ open, host }: Opened): void {
    runAll([() => host && this.#ports.release(host), () => this.#ports.release(open)]);
  }

  #obtainOne(name: string, asked: RegisterBody): OpenPort {
    const { uid } = this.who;
    const wanted = wantedBy(asked);
    if (asked.mode === NR_REG.NULL) return this.#ports.obtainNull(this.id, uid, wanted);
    const monitor = monitorFlags(asked.flags);
    const port = this.#switches.persistent.portOf(name) ?? name;
    return monitor === undefined
      ? this.#ports.obtain(port, uid, wanted)
      : this.#ports.obtainMonitor(port, uid, wanted, monitor);
  }

  /** With all that driving the rings takes. */
  #whole(reply: Reply): Answer {
    const { open, host } = this.#must();
    const csbs = [open, host].flatMap((part) => (part ? this.#csbOf(part) : []));
    return { reply: { ...reply, binding: this.#binding() }, fds: [open.port.region.info.fd, ...csbs] };
  }

  /** None where it has no ring. */
  #csbOf(part: OpenPort): number[] {
    return part.csb !== undefined && part.ringsOf(this.id, 0).length > 0 ? [part.csb] : [];
  }

  #binding(): Binding {
    const { open, host, flags } = this.#must();
    const { memsize, id } = open.port.region.info;
    const rings = [...open.ringsOf(this.id, 0), ...(host?.ringsOf(this.id, this.#csbOf(open).length) ?? [])];
    const of = (wanted: 'tx' | 'rx') => rings.filter(({ dir }) => dir === wanted);
    return { memsize, memId: id, flags, rings: [...of('tx'), ...of('rx')] };
  }

  #portInfo({ name, body }: ControlRequest): Answer {
    const asked = checkedBody(PORT_INFO, body);
    if (name === '') return this.#regionInfo(body, asked.memId);
    const open = this.#ports.obtain(name, this.who.uid, { ...ANY, memId: asked.memId });
    const fields = ringFields(open.port);
    this.#ports.release(open);
    return { reply: { errno: 0, name, body: writeBody(PORT_INFO, body, fields) }, fds: [] };
  }

  /** Of the region that this is bound to: nobody else's is shown. */
  #regionInfo(body: Uint8Array, memId: number): Answer {
    const { memsize, id } = this.#must().open.port.region.info;
    if (memId !== 0 && memId !== id)
      throw new ProtocolError(EINVAL, `region ${memId}: this is bound to ${id}`);
    return { reply: { errno: 0, body: writeBody(PORT_INFO, body, { memsize, memId: id }) }, fds: [] };
  }

  #poolsInfo({ name, body }: ControlRequest): Answer {
    const asked = checkedBody(POOLS_INFO, body);
    if (name === '') throw new ProtocolError(EINVAL, 'pools of no port: its name would be right');
    const open = this.#ports.obtain(name, this.who.uid, { ...ANY, memId: asked.memId });
    const fields = poolFields(open.port.region.info);
    this.#ports.release(open);
    return { reply: { errno: 0, name, body: writeBody(POOLS_INFO, body, fields) }, fds: [] };
  }

  #portHdr({ name, body, reqtype }: ControlRequest): Answer {
    const { length } = checkedBody(PORT_HDR, body);
    const open = this.#ports.find(name, this.who.uid);
    if (reqtype === NETMAP_REQ.PORT_HDR_SET) {
      if (!VNET_HDR_LENGTHS.includes(length))
        throw new ProtocolError(EINVAL, `${name}: a header of ${length} bytes: 0, 10 or 12 would be right`);
      open.setVnetHdrLen(length);
    }
    return {
      reply: { errno: 0, name, body: writeBody(PORT_HDR, body, { length: open.vnetHdrLen }) },
      fds: [],
    };
  }
}

/** There may be fewer than were asked for: each is written to here, to be in a list. */
const extraBufsOf = ({ extraBufs }: RegisterBody): number => Math.min(extraBufs, EXTRA_BUFS_MAX);

function wantedBy(asked: RegisterBody): Wanted {
  const { txRings, rxRings, txSlots, rxSlots, memId } = asked;
  return {
    txRings,
    rxRings,
    txSlots,
    rxSlots,
    memId,
    extraBufs: extraBufsOf(asked),
    ...(wantsHost(asked.mode) && { host: { txRings: asked.hostTxRings, rxRings: asked.hostRxRings } }),
  };
}

/** They are met exactly or refused. @throws ProtocolError EINVAL. */
function checkHostRings(
  name: string,
  asked: RegisterBody,
  { hostTxRings, hostRxRings }: { hostTxRings: number; hostRxRings: number },
): void {
  const met = (want: number, have: number): boolean => want === 0 || want === have;
  if (!met(asked.hostTxRings, hostTxRings) || !met(asked.hostRxRings, hostRxRings))
    throw new ProtocolError(
      EINVAL,
      `${name}: ${asked.hostTxRings} and ${asked.hostRxRings} host rings asked for, it has ${hostTxRings} and ${hostRxRings}: 0 would be right`,
    );
}

function ringFields({ info, region }: Port, host?: Port) {
  const { memsize, id } = region.info;
  return {
    memsize,
    memId: id,
    txSlots: info.txSlots,
    rxSlots: info.rxSlots,
    txRings: info.txRings,
    rxRings: info.rxRings,
    hostTxRings: host?.info.txRings ?? HOST_RINGS,
    hostRxRings: host?.info.rxRings ?? HOST_RINGS,
  };
}

/** The error number that a program sees of whatever a request failed with. */
export function errnoOf(error: unknown): number {
  if (error instanceof ProtocolError) return error.errno;
  const cause = error instanceof Error && isSystemError(error.cause) ? error.cause : error;
  if (!isSystemError(cause)) return EIO;
  // Where Linux has no such interface, netmap has no such port.
  return cause.errno === -ENODEV ? ENXIO : -cause.errno;
}
