// The application server: applications of the host connect to its socket and get ports by netmap's own requests.
import { constants } from 'node:os';
import { Door, type DoorCounters, type DoorEvents } from '../../native/door.ts';
import { type CauseState, Complaints } from '../complaints.ts';
import type { HostConfig } from '../config/host-config.ts';
import type { Broker } from '../datapath/broker.ts';
import { errnoName, ProtocolError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { PortTable } from '../ports/table.ts';
import { Application, errnoOf } from './application.ts';
import { nameOnSwitch, SwitchMembers, type SwitchMembersOptions } from './members.ts';
import { RefusedOptions } from './options.ts';
import { PersistentPorts } from './persistent.ts';
import { ApplicationPorts } from './ports.ts';
import { decodeRequest, encodeReply, type Reply } from './wire.ts';

const { EIO } = constants.errno;

/** An application that is connected now. */
export interface ApplicationStats {
  readonly pid: number;
  readonly uid: number;
  /** The port that it has open. */
  readonly port?: string;
}

export interface ApplicationServerStats extends DoorCounters {
  readonly applications: readonly ApplicationStats[];
  /** What applications did wrong, by cause. */
  readonly complaints: Readonly<Record<string, number>>;
}

export interface ApplicationServerOptions {
  /** Where to listen. */
  readonly path: string;
  readonly mode: number;
  /** As it is now. */
  readonly config: () => HostConfig;
  readonly table: PortTable;
  readonly broker: Broker;
  /** Interfaces of the host may have come or gone. */
  interfacesChanged(): void;
  /** For members of switches. */
  readonly startMember: SwitchMembersOptions['start'];
  readonly memberLeft: SwitchMembersOptions['left'];
  readonly log: Logger;
  /** Another process's socket, which is duplicated: nobody is let in before resume(). */
  readonly listener?: number | undefined;
}

export class ApplicationServer implements DoorEvents {
  readonly #door: Door;
  readonly #ports: ApplicationPorts;
  readonly #persistent: PersistentPorts;
  readonly #members: SwitchMembers;
  readonly #interfacesChanged: () => void;
  readonly #table: PortTable;
  readonly #complaints: Complaints;
  /** By the door's number for the connection. */
  readonly #applications = new Map<number, Application>();

  /** @throws SystemError when the socket cannot be made. */
  constructor(options: ApplicationServerOptions) {
    const { path, mode, config, table, broker, log } = options;
    this.#table = table;
    this.#interfacesChanged = () => options.interfacesChanged();
    this.#complaints = new Complaints(log, 'applications');
    this.#door = new Door(path, mode, this, options.listener);
    this.#ports = new ApplicationPorts({ config, table, broker, door: this.#door });
    this.#persistent = new PersistentPorts(this.#ports);
    this.#members = new SwitchMembers({
      config,
      table,
      start: (member, as) => options.startMember(member, as),
      left: (name) => options.memberLeft(name),
      checkSwitch: (vale) => this.#ports.checkSwitch(vale),
    });
  }

  get stats(): ApplicationServerStats {
    const applications = [...this.#applications.values()].map(({ who: { pid, uid }, port }) => ({
      pid,
      uid,
      ...(port !== undefined && { port }),
    }));
    return { ...this.#door.counters, applications, complaints: this.#complaints.counters };
  }

  /** For who changes the host by other ways than netmap's requests. */
  get persistent(): PersistentPorts {
    this.#dropThoseThatHungUp();
    return this.#persistent;
  }

  /** The applications that have a port open, as a message names them. */
  holdersOf(port: string): string[] {
    this.#dropThoseThatHungUp();
    return [...this.#applications.values()].flatMap((application) =>
      application.port === port ? [`an application (pid ${application.who.pid})`] : [],
    );
  }

  /** Its socket, which stays its own. */
  get listener(): number {
    return this.#door.listener;
  }

  /** Who comes waits. */
  pause(): void {
    this.#door.pause();
  }

  resume(): void {
    this.#door.resume();
  }

  /** What programs have here that another process could not go on with, a line each. */
  get holdings(): string[] {
    this.#dropThoseThatHungUp();
    const known = [...this.#applications.values()].map(
      ({ who: { pid }, port }) =>
        `application (pid ${pid}): its connection${port === undefined ? '' : ` with ${port}`}`,
    );
    const unknown = Array.from(
      { length: this.#door.size - known.length },
      () => 'an application that has just come',
    );
    const persistent = this.#persistent.states.map(({ name }) => `${name}: a port that a program has made`);
    const members = this.#members.attached.map(
      (name) => `${name}: an interface that a program has put there`,
    );
    return [...known, ...unknown, ...persistent, ...members];
  }

  /** For another process that goes on with it, and counts on from there. */
  get counted(): { door: DoorCounters; complaints: CauseState[] } {
    return { door: this.#door.counters, complaints: this.#complaints.state };
  }

  countOn({ door, complaints }: { door: DoorCounters; complaints: readonly CauseState[] }): void {
    this.#door.countOn(door);
    this.#complaints.countOn(complaints);
  }

  connect(connection: number, who: Application['who']): void {
    const switches = {
      persistent: this.#persistent,
      members: this.#members,
      switches: () => this.#switches(),
    };
    this.#applications.set(connection, new Application(connection, who, this.#ports, switches));
  }

  message(connection: number, message: Uint8Array, replyTo: number): void {
    this.#dropThoseThatHungUp();
    const application = this.#applications.get(connection);
    const { reply, fds } = application
      ? this.#answer(application, message)
      : { reply: { errno: EIO }, fds: [] };
    this.#door.reply(replyTo, encodeReply(reply), fds);
    this.#door.delivered(connection);
    this.#interfacesChanged();
  }

  disconnect(connection: number, errno: number): void {
    const application = this.#applications.get(connection);
    if (!application) return;
    if (errno !== 0) this.#complain(application, `connection ${errnoName(errno)}`, explain(errno));
    this.#applications.delete(connection);
    this.#guard(application, () => application.close());
    this.#door.release(connection);
    this.#interfacesChanged();
    this.#complaints.sumUp();
  }

  close(): void {
    for (const application of this.#applications.values())
      this.#guard(application, () => application.close());
    this.#applications.clear();
    this.#door.close();
    this.#complaints.sumUp({ all: true });
  }

  #answer(application: Application, message: Uint8Array): { reply: Reply; fds: readonly number[] } {
    try {
      return application.answer(decodeRequest(message));
    } catch (error) {
      const errno = errnoOf(error);
      const text = error instanceof Error ? error.message : String(error);
      // What a program asks for in vain it is told; that it did not ask as the protocol has it is for the log.
      const fault = error instanceof ProtocolError && error.fatal;
      const ours = !(error instanceof ProtocolError) && errno === EIO;
      this.#complaints.add(`${errnoName(errno)}`, `${describe(application)}: ${text}`, {
        level: ours ? 'error' : fault ? 'warn' : 'info',
        ...(ours && { details: { err: error } }),
      });
      const statuses = error instanceof RefusedOptions ? error.statuses : [];
      return { reply: { errno, statuses }, fds: [] };
    }
  }

  /** A program that closes and opens again must not meet itself: the news of the one may come behind the other. */
  #dropThoseThatHungUp(): void {
    for (const [id, { port }] of this.#applications)
      if (port !== undefined && this.#door.hungUp(id)) this.disconnect(id, 0);
  }

  /** Who stands on each switch, by the numbers there. */
  #switches(): string[][] {
    const { switches, ports, members } = this.#table;
    const names = [...ports.keys(), ...members.map(nameOnSwitch)];
    return [...switches.keys()].map((vale) => names.filter((name) => name.startsWith(`${vale}:`)));
  }

  #complain(application: Application, cause: string, text: string): void {
    this.#complaints.add(cause, `${describe(application)}: ${text}`);
  }

  #guard(application: Application, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#complaints.add('close', `${describe(application)}: ${String(error)}`, {
        level: 'error',
        details: { err: error },
      });
    }
  }
}

const describe = ({ who: { pid, uid } }: Application): string => `pid ${pid} (uid ${uid})`;

function explain(errno: number): string {
  const name = errnoName(errno);
  return name === 'EPROTO' ? 'sent what is no message: hung up on' : `connection lost: ${name}`;
}
