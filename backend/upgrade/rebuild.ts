// A host from what another one has told: everything is there when it returns, and nobody is served yet; what both share is as it was.
import { closeFd } from '../../native/os.ts';
import type { HostConfig, LookupConfig } from '../config/host-config.ts';
import { parseConfig } from '../config/load.ts';
import { Host } from '../host.ts';
import type { Logger } from '../log.ts';
import type { Interrupt } from '../vfio-user/irqs.ts';
import type { Session } from '../vfio-user/session.ts';
import { countOn } from './counters.ts';
import { closeInterfaces, goOnWithInterfaces, resumeMembers, takeInterfaces } from './interfaces.ts';
import { HostStateSchema, type TakenState } from './state.ts';
import { HandoverError } from './wire.ts';

export interface Rebuilt {
  readonly host: Host;
  /** The one that its configuration is read from. */
  readonly file?: string;
  /** Sockets of the host's own that listen already, by name. */
  readonly own: ReadonlyMap<string, number>;
  /** Serves everybody. */
  go(): void;
}

/** Each descriptor is used once; what is left over is closed. */
class TakenFds {
  readonly #fds: (number | undefined)[];

  constructor(fds: readonly number[]) {
    this.#fds = [...fds];
  }

  take(index: number): number {
    const fd = this.#fds[index];
    if (fd === undefined)
      throw new HandoverError(`descriptor ${index}: there is none, or it was used before`);
    this.#fds[index] = undefined;
    return fd;
  }

  optional(index: number | undefined): number {
    return index === undefined ? -1 : this.take(index);
  }

  closeRest(): void {
    for (const fd of this.#fds.splice(0)) if (fd !== undefined) closeFd(fd);
  }
}

/** What can be known before anybody waits for it. */
export interface Draft {
  readonly text: string;
  readonly config: HostConfig;
}

/** Reads a draft as the state will be read: what is wrong with it is known then, and the second time takes a part of the first one's. @throws Error */
export function rehearse(text: string, runDir: string): Draft {
  const { config } = HostStateSchema.parse(JSON.parse(text));
  return { text: config, config: parseConfig(config, 'its configuration', { runDir }) };
}

export interface RebuildOptions {
  readonly draft: Draft;
  readonly runDir: string;
  readonly log: Logger;
}

/** @throws Error, and the process is to end then as if it were killed: what was built so far must not be taken back in order. */
export function rebuild(
  text: string,
  given: readonly number[],
  { draft, runDir, log }: RebuildOptions,
): Rebuilt {
  const state = HostStateSchema.parse(JSON.parse(text));
  const fds = new TakenFds(given);
  const config =
    state.config === draft.text ? draft.config : parseConfig(state.config, 'its configuration', { runDir });
  const stats = fds.take(state.stats);
  const regions = new Map(
    state.regions.map(({ key, shape: _, fd, ...rest }) => [key, { ...rest, fd: fds.take(fd) }]),
  );
  const interfaces = takeInterfaces(state.interfaces, config, (index) => fds.take(index));
  const opened = [...interfaces.values()];
  const applications = state.applications === undefined ? undefined : fds.take(state.applications);
  const memories = [...regions.values()].map(({ fd }) => fd);
  const host = Host.takeOver(
    config,
    {
      stats,
      shapes: new Map(
        state.regions.map(({ key, shape: { hugepages, numaNode, ...shape } }) => [
          key,
          {
            ...shape,
            ...(hugepages !== undefined && { hugepages }),
            ...(numaNode !== undefined && { numaNode }),
          },
        ]),
      ),
      regions,
      ports: new Map(state.ports.map(({ name, ...port }) => [name, defined(port)])),
      interfaces,
      switches: new Map(state.switches.map((vale) => [vale.name, settingsOf(vale)])),
      runDir: state.runDir,
      applications,
      sockets: new Map(state.devices.map(({ path, listener }) => [path, fds.take(listener)])),
    },
    log,
  );
  // What has taken them has duplicates.
  for (const fd of [stats, ...memories]) closeFd(fd);
  if (applications !== undefined) closeFd(applications);
  closeInterfaces(opened);
  if (regions.size > 0)
    throw new HandoverError(`region ${[...regions.keys()][0]}: its configuration has none`);
  for (const { name, stations } of state.switches) learn(host, name, stations);
  countOn(host, state.counters);
  for (const device of state.devices) restoreDevice(host, device, fds);
  const own = new Map(state.own.map(({ name, fd }) => [name, fds.take(fd)]));
  fds.closeRest();
  return {
    host,
    ...(state.file !== undefined && { file: state.file }),
    own,
    go: () => {
      host.runDir.keep();
      goOnWithInterfaces(host);
      host.insides.broker.resume();
      resumeMembers(host);
      host.insides.kick.resume();
      host.insides.applications?.resume();
    },
  };
}

type Ports = TakenState['ports'][number];
const defined = ({ places, otherPlaces, sent }: Omit<Ports, 'name'>) => ({
  places,
  ...(otherPlaces && { otherPlaces }),
  ...(sent && { sent }),
});

function settingsOf({ patienceUs, macAge, lookup }: TakenState['switches'][number]) {
  return { patienceUs, macAge, ...(lookup && { lookup: lookupOf(lookup) }) };
}

function lookupOf(given: NonNullable<TakenState['switches'][number]['lookup']>): LookupConfig {
  switch (given.kind) {
    case 'static':
      return { ...given, stations: new Map(given.stations) };
    case 'isolated':
      return { ...given, communities: new Map(given.communities) };
    default:
      return given;
  }
}

function learn(host: Host, name: string, stations: TakenState['switches'][number]['stations']): void {
  const vale = host.insides.ports.switches.get(name);
  if (vale === undefined && stations.length > 0) throw new HandoverError(`${name}: a switch without ports`);
  for (const { mac, port, idleS = 0, static: stays } of stations) {
    if (stays) vale!.putStation(mac, port);
    else vale!.learnStation(mac, port, idleS);
  }
}

function restoreDevice(host: Host, given: TakenState['devices'][number], fds: TakenFds): void {
  const { vm, name } = given;
  const placed = host.insides.devices.get(vm, name);
  if (placed === undefined) throw new HandoverError(`${vm}/${name}: its configuration has no such device`);
  const { exported, hosted } = placed;
  if ((hosted === undefined) !== (given.ptnet === undefined))
    throw new HandoverError(`${vm}/${name}: another kind of device`);
  exported.device.config.restore(given.config);
  const session = given.session && restoreSession(host, placed.exported, given.session, fds);
  if (!hosted || !given.ptnet) return;
  const { registers, msix, features, vnetHdrLen, policy, spinUs, worker, csb } = given.ptnet;
  const device = { registers, msix };
  const settings = { policy: { policy, spinUs }, worker, csb };
  hosted.restore(
    { device, features, vnetHdrLen, ...settings },
    session?.state === 'attached' ? session : undefined,
  );
}

type Exported = Parameters<Host['insides']['server']['adopt']>[0];
type GivenSession = NonNullable<TakenState['devices'][number]['session']>;

function restoreSession(host: Host, exported: Exported, given: GivenSession, fds: TakenFds): Session {
  const interrupt = ({ fd, maskFd, unmaskFd, masked, pending }: GivenSession['err']): Interrupt => ({
    fd: fds.optional(fd),
    maskFd: fds.optional(maskFd),
    unmaskFd: fds.optional(unmaskFd),
    masked,
    pending,
  });
  const msix = given.msix.map(interrupt);
  const [err, req] = [interrupt(given.err), interrupt(given.req)];
  const maps = given.dma.map((map) => ({ ...map, fd: fds.optional(map.fd) }));
  const piece = ({ bytes, fds: numbers }: Pick<GivenSession, 'bytes' | 'fds'>) => ({
    bytes,
    fds: numbers.map((fd) => fds.take(fd)),
  });
  const socket = { fd: fds.take(given.fd), ...piece(given), unsent: given.unsent.map(piece) };
  const theirs = [...msix, err, req].flatMap((each) => [each.fd, each.maskFd, each.unmaskFd]);
  const others = [...theirs, ...maps.map(({ fd }) => fd)].filter((fd) => fd >= 0);
  const session = host.insides.server.adopt(exported, socket, others, given.maxDmaMaps);
  for (const { address, size, offset, flags, fd } of maps)
    session.dma.map({ address, size, offset, flags }, fd < 0 ? undefined : fd);
  session.irqs.restore(msix, err, req);
  session.restore({ limits: { maxMsgFds: given.maxMsgFds }, attached: given.attached });
  return session;
}
