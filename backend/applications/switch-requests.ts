// netmap's requests about switches: persistent ports made, attached, detached and removed, and the list of what is there.
import { constants } from 'node:os';
import { ProtocolError } from '../errors.ts';
import {
  checkedBody,
  VALE_ATTACH,
  VALE_DETACH,
  VALE_LIST,
  VALE_NEWIF,
  VALE_POLLING,
  writeBody,
} from './bodies.ts';
import type { SwitchMembers } from './members.ts';
import type { PersistentPorts } from './persistent.ts';
import { NETMAP_REQ, NR_REG } from './protocol.ts';
import type { ControlRequest, Reply } from './wire.ts';

const { EINVAL, ENOENT } = constants.errno;

/** What netmap's requests call the memory of interfaces that stand on switches: no region has this id. */
export const MEMBERS_MEM_ID = 65_535;

export interface SwitchRequests {
  readonly persistent: PersistentPorts;
  readonly members: SwitchMembers;
  /** What each switch's ports are called, in the order of their numbers. */
  switches(): readonly (readonly string[])[];
}

/** @returns undefined when it is no such request. @throws ProtocolError */
export function answerSwitchRequest(
  request: ControlRequest,
  uid: number,
  on: SwitchRequests,
): Reply | undefined {
  const { name, body, reqtype } = request;
  const done = (changed: Uint8Array = body): Reply => ({ errno: 0, name, body: changed });
  switch (reqtype) {
    case NETMAP_REQ.VALE_LIST:
      return list(request, on);
    case NETMAP_REQ.VALE_NEWIF: {
      const chosen = on.persistent.create(name, uid, { ...checkedBody(VALE_NEWIF, body), extraBufs: 0 });
      const { txRings, rxRings, txSlots, rxSlots } = chosen;
      return done(writeBody(VALE_NEWIF, body, { txRings, rxRings, txSlots, rxSlots }));
    }
    case NETMAP_REQ.VALE_DELIF:
      on.persistent.remove(name, uid);
      return done();
    case NETMAP_REQ.VALE_ATTACH:
      return attach(request, uid, on);
    case NETMAP_REQ.VALE_DETACH: {
      checkedBody(VALE_DETACH, body);
      const { port: portIndex } = numberOf(name, on);
      if (!on.members.detach(name, uid)) on.persistent.detach(name, uid);
      return done(writeBody(VALE_DETACH, body, { portIndex }));
    }
    case NETMAP_REQ.VALE_POLLING_ENABLE:
      on.members.poll(name, uid, checkedBody(VALE_POLLING, body));
      return done();
    case NETMAP_REQ.VALE_POLLING_DISABLE:
      checkedBody(VALE_POLLING, body);
      on.members.unpoll(name, uid);
      return done();
    default:
      return undefined;
  }
}

/** A persistent port of that name, or else the interface. */
function attach({ name, body }: ControlRequest, uid: number, on: SwitchRequests): Reply {
  const asked = checkedBody(VALE_ATTACH, body);
  const { mode } = asked;
  if (mode !== NR_REG.ALL_NIC && mode !== NR_REG.NIC_SW)
    throw new ProtocolError(
      EINVAL,
      `${name}: mode ${mode}: NR_REG_ALL_NIC, or NR_REG_NIC_SW with the host's side, would be right`,
    );
  let memId = MEMBERS_MEM_ID;
  if (!on.persistent.has(name)) {
    if (asked.memId !== 0 && asked.memId !== MEMBERS_MEM_ID)
      throw new ProtocolError(
        EINVAL,
        `${name}: region ${asked.memId}: an interface on a switch lies in none: 0 would be right`,
      );
    on.members.attach(name, uid, asked, mode === NR_REG.NIC_SW);
  } else if (mode === NR_REG.ALL_NIC) {
    memId = on.persistent.attach(name, uid).port.region.info.id;
  } else {
    throw new ProtocolError(EINVAL, `${name}: it has no host rings: NR_REG_ALL_NIC would be right`);
  }
  return {
    errno: 0,
    name,
    body: writeBody(VALE_ATTACH, body, { memId, portIndex: numberOf(name, on).port }),
  };
}

/** Of a name its numbers; without one the first port from these numbers on. */
function list({ name, body }: ControlRequest, on: SwitchRequests): Reply {
  const asked = checkedBody(VALE_LIST, body);
  const found = all(on).find(({ text, bridge, port }) =>
    name === '' ? bridge > asked.bridge || (bridge === asked.bridge && port >= asked.port) : text === name,
  );
  if (!found) throw new ProtocolError(ENOENT, name === '' ? 'no more ports' : `${name}: on no switch`);
  const { text, bridge, port } = found;
  return { errno: 0, name: text, body: writeBody(VALE_LIST, body, { bridge, port }) };
}

function all(on: SwitchRequests) {
  return on.switches().flatMap((ports, bridge) => ports.map((text, port) => ({ text, bridge, port })));
}

/** 0 of one that is not there: what is wrong with it is said elsewhere. */
function numberOf(name: string, on: SwitchRequests) {
  return all(on).find(({ text }) => text === name) ?? { bridge: 0, port: 0 };
}
