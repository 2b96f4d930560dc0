// A process that was started in advance, with everything loaded: it waits until its turn to be the host comes.
import { handover } from '../../native/handover.ts';
import { closeFd, pollReadable } from '../../native/os.ts';

/** What it was given then is a socket, under this name. */
const TURN = 'turn';
/** Nothing is waited for where something is. */
const AT_ONCE_MS = 1000;

/**
 * @returns `given`, of a process that was started when it was needed; else, when its turn comes, what it is sent: packets of
 * descriptors, with their names as LISTEN_FDNAMES has them, and one without any. undefined: nobody is there any more.
 * @throws Error when what comes is something else
 */
export function awaitTurn(given: ReadonlyMap<string, number>): ReadonlyMap<string, number> | undefined {
  const socket = given.get(TURN);
  if (socket === undefined || given.size > 1) return given;
  const sent = new Map<string, number>();
  for (;;) {
    // Blocked there, with an event loop that has not begun to turn: a signal ends it.
    pollReadable(socket, -1);
    const packet = handover.packetReceive(socket, AT_ONCE_MS);
    if (packet === undefined) return undefined;
    const { bytes, fds } = packet;
    if (fds.length === 0) break;
    const names = Buffer.from(bytes).toString('utf8').split(':');
    if (names.length !== fds.length) throw new Error(`${fds.length} descriptors with ${names.length} names`);
    for (const [i, fd] of fds.entries()) add(sent, names[i]!, fd);
  }
  closeFd(socket);
  return sent;
}

/** A name that comes twice has the first one. */
export function add(given: Map<string, number>, name: string, fd: number): void {
  if (given.has(name)) closeFd(fd);
  else given.set(name, fd);
}
