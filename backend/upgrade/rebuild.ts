// A host from what another one has told: everything is there when it returns, and nobody is served yet; what both share is as it was.
import { KeptArea, type TakenKeptSession } from '../../native/kept.ts';
import { closeFd, dup } from '../../native/os.ts';
import { NullPort, PipeMaster } from '../../native/ports.ts';
import type { HostConfig, LookupConfig } from '../config/host-config.ts';
import { parseConfig } from '../config/load.ts';
import { Host } from '../host.ts';
import type { Logger } from '../log.ts';
import { KEPT_SESSIONS } from '../taken-host.ts';
import type { Interrupt } from '../vfio-user/irqs.ts';
import type { Session } from '../vfio-user/session.ts';
import { countOn } from './counters.ts';
import {
  closeInterfaces,
  goOnWithInterfaces,
  resumeMembers,
  takeInterfaces,
  wantedInterfaces,
} from './interfaces.ts';
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
  /** What it is to be kept with for the case that it dies, of a host that was. */
  readonly kept?: TakenKept;
}

export interface TakenKept {
  /** The memory that outlives it. */
  readonly state: number;
  readonly files: ReadonlyMap<number, string>;
  /** By device. */
  readonly sections: ReadonlyMap<string, number>;
}

/** Each descriptor is used once, unless they are shared; what is left over is closed. */
export class TakenFds {
  readonly #fds: (number | undefined)[];

  readonly #shared: boolean;

  /** @param fds may have holes. @param shared the same one may stand for several: each of these gets a duplicate. */
  constructor(fds: readonly (number | undefined)[], { shared = false } = {}) {
    this.#fds = [...fds];
    this.#shared = shared;
  }

  take(index: number): number {
    const fd = this.#fds[index];
    if (fd === undefined)
      throw new HandoverError(`descriptor ${index}: there is none, or it was used before`);
    if (this.#shared) return dup(fd);
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

export interface BuildOptions {
  readonly log: Logger;
  /** Where sessions are kept, of a host that is. */
  readonly blocks?: KeptArea;
  /** It has ended, and what went with it is made anew. */
  readonly died?: boolean;
}

export interface RebuildOptions extends BuildOptions {
  readonly runDir: string;
}

/** What is there before anybody waits for it. */
export interface Draft {
  readonly state: TakenState;
  readonly config: HostConfig;
  /** Those that have come along with it and are not used yet. */
  readonly fds: TakenFds;
  /** As far as it can be built; undefined: it has interfaces, which are told of when they stand still. */
  readonly built?: Built;
}

type Built = Omit<Rebuilt, 'go' | 'kept'>;

/** @throws Error, as rebuild() */
export function readDraft(text: string, given: readonly number[], options: RebuildOptions): Draft {
  const state = HostStateSchema.parse(JSON.parse(text));
  const config = parseConfig(state.config, 'its configuration', { runDir: options.runDir });
  const fds = new TakenFds(given);
  // Without descriptors it is only read.
  if (given.length === 0 || wantedInterfaces(config).size > 0) return { state, config, fds };
  const host = build(state, { config, fds }, { state, fds }, { ...options, ...blocksOf(state, fds) });
  return { state, config, fds, built: { host, ...ownOf(state, fds) } };
}

/** @throws Error, and the process is to end then as if it were killed: what was built so far must not be taken back in order. */
export function rebuild(
  text: string,
  given: readonly number[],
  draft: Draft,
  options: RebuildOptions,
): Rebuilt {
  const state = HostStateSchema.parse(JSON.parse(text));
  const fds = new TakenFds(given);
  if (draft.built) advance(draft.built.host, draft.state, state);
  const { host, ...own } = draft.built ?? buildNow(state, fds, draft, options);
  for (const { name, stations } of state.switches) learn(host, name, stations);
  countOn(host, state.counters);
  for (const device of state.devices) restoreDevice(host, device, fds);
  const { kept } = state;
  const known = kept && {
    state: fds.take(kept.state),
    files: new Map(kept.files),
    sections: new Map(kept.sections),
  };
  fds.closeRest();
  draft.fds.closeRest();
  return { host, ...own, go: () => serve(host), ...(known && { kept: known }) };
}

function blocksOf({ kept }: TakenState, fds: TakenFds): Pick<BuildOptions, 'blocks'> {
  if (kept === undefined) return {};
  const fd = fds.take(kept.blocks);
  const blocks = new KeptArea(KEPT_SESSIONS, fd);
  closeFd(fd);
  return { blocks };
}

/** What it has is its own from now on. */
export function serve(host: Host): void {
  const { broker, kick, applications } = host.insides;
  host.runDir.keep();
  goOnWithInterfaces(host);
  broker.resume();
  resumeMembers(host);
  kick.resume();
  applications?.resume();
}

function buildNow(state: TakenState, fds: TakenFds, draft: Draft, options: RebuildOptions): Built {
  const { runDir } = options;
  const known = state.config === draft.state.config;
  const config = known ? draft.config : parseConfig(state.config, 'its configuration', { runDir });
  const memory = state.regions === 'as drafted' ? draft : { state, fds };
  const host = build(state, { config, fds }, memory, { ...options, ...blocksOf(state, fds) });
  return { host, ...ownOf(state, fds) };
}

export const ownOf = (
  { file, own }: Pick<TakenState, 'file' | 'own'>,
  fds: TakenFds,
): Pick<Rebuilt, 'file' | 'own'> => ({
  ...(file !== undefined && { file }),
  own: new Map(own.map(({ name, fd }) => [name, fds.take(fd)])),
});

/** All of it but its clients. @param memory where its regions are told of. */
export function build(
  state: TakenState,
  { config, fds }: { readonly config: HostConfig; readonly fds: TakenFds },
  memory: { readonly state: TakenState; readonly fds: TakenFds },
  { log, blocks, died = false }: BuildOptions,
): Host {
  const told = memory.state.regions;
  if (told === 'as drafted') throw new HandoverError('a draft without regions');
  const stats = fds.take(state.stats);
  const regions = new Map(
    told.map(({ key, shape: _, fd, ...rest }) => [key, { ...rest, fd: memory.fds.take(fd) }]),
  );
  const interfaces = takeInterfaces(state.interfaces, config, (index) => fds.take(index), died);
  const opened = [...interfaces.values()];
  const applications = state.applications === undefined ? undefined : fds.take(state.applications);
  const memories = [...regions.values()].map(({ fd }) => fd);
  const host = Host.takeOver(
    config,
    {
      stats,
      shapes: new Map(
        told.map(({ key, shape: { hugepages, numaNode, ...shape } }) => [
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
      blocks,
      sockets: new Map(state.devices.map(({ path, listener }) => [path, fds.take(listener)])),
    },
    log,
  );
  // What has taken them has duplicates.
  for (const fd of [stats, ...memories]) closeFd(fd);
  if (applications !== undefined) closeFd(applications);
  closeInterfaces(opened);
  // Of a host that has died there are those of programs too, which have ended with it.
  if (regions.size > 0 && blocks === undefined)
    throw new HandoverError(`region ${[...regions.keys()][0]}: its configuration has none`);
  return host;
}

/** Everything that a draft has built is so still. */
const frameOf = (state: TakenState): string =>
  JSON.stringify([
    state.config,
    state.file,
    state.runDir,
    state.ports.map(({ name }) => name),
    state.switches.map(({ stations: _, ...settings }) => settings),
    state.devices.map(({ vm, name, path }) => [vm, name, path]),
    state.applications === undefined,
    state.interfaces.length,
    state.own.map(({ name }) => name),
  ]);

/** What was built of a draft is as far as the host is by now. @throws HandoverError when it is another one. */
function advance({ insides: { ports } }: Host, drafted: TakenState, state: TakenState): void {
  if (state.regions !== 'as drafted' || frameOf(state) !== frameOf(drafted))
    throw new HandoverError('it was changed meanwhile: the same again would be right');
  for (const { name, places, otherPlaces, sent } of state.ports) {
    const port = ports.port(name);
    port.advance(places);
    if (port instanceof PipeMaster && otherPlaces) port.slave.advance(otherPlaces);
    else if (port instanceof PipeMaster || otherPlaces)
      throw new HandoverError(`${name}: a pipe with one end, or another port with two`);
    if (port instanceof NullPort && sent) port.goOn(sent);
  }
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

export function learn(host: Host, name: string, stations: TakenState['switches'][number]['stations']): void {
  const vale = host.insides.ports.switches.get(name);
  if (vale === undefined && stations.length > 0) throw new HandoverError(`${name}: a switch without ports`);
  for (const { mac, port, idleS = 0, static: stays } of stations) {
    if (stays) vale!.putStation(mac, port);
    else vale!.learnStation(mac, port, idleS);
  }
}

/**
 * @param applied the last message of its session whose effects are known to be there.
 * @throws Error, and it may have a session then, and be served.
 */
export function restoreDevice(
  host: Host,
  given: TakenState['devices'][number],
  fds: TakenFds,
  applied?: TakenKeptSession['applied'],
): void {
  const { vm, name } = given;
  const placed = host.insides.devices.get(vm, name);
  if (placed === undefined) throw new HandoverError(`${vm}/${name}: its configuration has no such device`);
  const { exported, hosted } = placed;
  if ((hosted === undefined) !== (given.ptnet === undefined))
    throw new HandoverError(`${vm}/${name}: another kind of device`);
  exported.device.config.restore(given.config);
  const session = given.session && restoreSession(host, placed.exported, given.session, fds, applied);
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

/** Its socket becomes one of this process. */
function adopt(
  { insides: { server } }: Host,
  exported: Exported,
  given: GivenSession,
  fds: TakenFds,
  others: readonly number[],
  applied: TakenKeptSession['applied'],
): Session {
  const { kept, maxDmaMaps } = given;
  if ((kept === undefined) !== (server.blocks === undefined))
    throw new HandoverError(
      `${exported.path}: a session that is ${kept ? 'kept, of a host that is not' : 'not kept, of a host that is'}`,
    );
  if (kept) {
    const pipe = [fds.take(kept.pipe[0]), fds.take(kept.pipe[1])] as const;
    const socket = { socket: fds.take(given.fd), block: kept.block, pipe, applied };
    return server.adoptKept(exported, socket, others, maxDmaMaps);
  }
  const piece = ({ bytes, fds: numbers }: Pick<GivenSession, 'bytes' | 'fds'>) => ({
    bytes,
    fds: numbers.map((fd) => fds.take(fd)),
  });
  const socket = { fd: fds.take(given.fd), ...piece(given), unsent: given.unsent.map(piece) };
  return server.adopt(exported, socket, others, maxDmaMaps);
}

function restoreSession(
  host: Host,
  exported: Exported,
  given: GivenSession,
  fds: TakenFds,
  applied: TakenKeptSession['applied'],
): Session {
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
  const theirs = [...msix, err, req].flatMap((each) => [each.fd, each.maskFd, each.unmaskFd]);
  const others = [...theirs, ...maps.map(({ fd }) => fd)].filter((fd) => fd >= 0);
  const session = adopt(host, exported, given, fds, others, applied);
  for (const { address, size, offset, flags, fd } of maps)
    session.dma.map({ address, size, offset, flags }, fd < 0 ? undefined : fd);
  session.irqs.restore(msix, err, req);
  session.restore({ limits: { maxMsgFds: given.maxMsgFds }, attached: given.attached });
  return session;
}
