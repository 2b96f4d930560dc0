// The host: regions, ports and switches from a configuration, exported to VMs as PCI devices over vfio-user. What it is can change while it runs.
import type { KeptArea } from '../native/kept.ts';
import type { Kick } from '../native/kick.ts';
import type { RegionShape } from '../native/memory.ts';
import type { Station, StationsWanted } from '../native/ports.ts';
import { StatsArea } from '../native/stats.ts';
import { ApplicationServer } from './applications/server.ts';
import { type Change, difference } from './changes/difference.ts';
import { emptied, placesOf } from './changes/places.ts';
import { type Refusal, refusals } from './changes/refusals.ts';
import { Steps } from './changes/steps.ts';
import { transition } from './changes/transition.ts';
import { Complaints } from './complaints.ts';
import { APPLICATIONS_SOCKET } from './config/applications.ts';
import type { HostConfig, LookupConfig, SourceConfig } from './config/host-config.ts';
import { Broker, type Policy } from './datapath/broker.ts';
import { WorkerPool } from './datapath/engine.ts';
import { DeviceTable } from './devices.ts';
import { ConfigurationError } from './errors.ts';
import { type HostParts, type HostState, hostState } from './host-state.ts';
import { type HostStats, hostStats } from './host-stats.ts';
import { type HostVm, hostVms } from './host-vms.ts';
import { leftBehind } from './left-behind.ts';
import { type Logger, silentLogger } from './log.ts';
import { InterfaceWatch } from './ports/interface-watch.ts';
import { planRegions } from './ports/plan.ts';
import { type PlacedMember, PortTable } from './ports/table.ts';
import { type HostPrograms, Programs } from './programs/programs.ts';
import { RunDir } from './sockets.ts';
import { COUNTER_BLOCKS, type HostKeeper, type TakenHost } from './taken-host.ts';
import { VfioUserServer } from './vfio-user/server.ts';
import { FaultWatch } from './watch.ts';

/** What a host that runs cannot become. */
export class RefusedError extends ConfigurationError {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'), { problems });
  }
}

export class Host {
  /** Captures, replayers and bridges on its ports. */
  readonly programs: HostPrograms;
  readonly #programs: Programs;
  readonly #complaints: Complaints;
  #config: HostConfig;
  readonly #pool: WorkerPool;
  readonly #stats: StatsArea;
  /** Those of another process, until they are here. */
  #shapes: ReadonlyMap<string, RegionShape> | undefined;
  readonly #kick: Kick;
  readonly #server: VfioUserServer;
  readonly #broker: Broker;
  readonly #ports: PortTable;
  readonly #devices: DeviceTable;
  readonly #runDir: RunDir;
  readonly #watch: FaultWatch;
  readonly #interfaces: InterfaceWatch;
  /** Of members, by name. */
  readonly #workers = new Map<string, number>();
  /** undefined: no application of the host may connect. */
  #applications: ApplicationServer | undefined;
  #keeper: HostKeeper | undefined;

  /** Starts everything; the sockets are there when it resolves. @throws ConfigurationError */
  static start(config: HostConfig, options: { log?: Logger } = {}): Promise<Host> {
    return Host.startKept(config, options.log ?? silentLogger);
  }

  /**
   * @param blocks where its sessions are kept.
   * @internal
   */
  static async startKept(config: HostConfig, log: Logger, blocks?: KeptArea): Promise<Host> {
    const host = new Host(config, log, undefined, blocks);
    try {
      host.#become(config);
      host.#admitApplications(log);
    } catch (error) {
      await host.close();
      throw error;
    }
    for (const { vm, pid, program } of leftBehind(host.vms)) {
      const dead = 'was attached to a host that ended, and has dead devices';
      const text = `${program} (pid ${pid}) ${dead}: end it, and start the VM again`;
      new Complaints(log, vm).add('left-behind', text, { details: { vm, pid } });
    }
    return host;
  }

  /**
   * Goes on with what another process has: nobody is served before go(). @throws Error, and the process is to end at once then
   * @internal
   */
  static takeOver(config: HostConfig, taken: TakenHost, log: Logger): Host {
    const host = new Host(config, log, taken);
    host.#kick.pause();
    // What fails is not taken back: it would be taken from the host that goes on.
    host.#become(config, () => {});
    host.#admitApplications(log, taken.applications);
    return host;
  }

  /**
   * What it is made of, for another process that goes on with it.
   * @internal
   */
  get insides() {
    const [kick, server, broker, ports] = [this.#kick, this.#server, this.#broker, this.#ports];
    return {
      kick,
      server,
      broker,
      ports,
      devices: this.#devices,
      stats: this.#stats,
      engine: this.#pool.engine,
      watch: this.#watch,
      programs: this.#programs,
      applications: this.#applications,
    };
  }

  private constructor(config: HostConfig, log: Logger, taken?: TakenHost, blocks = taken?.blocks) {
    this.#config = emptied(config);
    this.#shapes = taken?.shapes;
    this.#stats = new StatsArea(COUNTER_BLOCKS, taken?.stats);
    this.#pool = new WorkerPool(config.engine.workers, config.engine.workerCpus);
    this.#ports = new PortTable(this.#pool.engine, this.#stats, taken);
    this.programs = this.#programs = new Programs(this.#pool, this.#ports, () => this.#config.engine);
    this.#kick = VfioUserServer.createKick();
    this.#server = new VfioUserServer(this.#kick, log);
    if (blocks) this.#server.keepIn(blocks);
    this.#broker = new Broker(this.#pool, this.#kick);
    this.#runDir = new RunDir(config.runDir, config.sockets, taken?.runDir);
    this.#interfaces = new InterfaceWatch([], this.#pool.engine, log, () => this.#keeper?.hostChanged());
    this.#complaints = new Complaints(log, 'host');
    this.#watch = new FaultWatch(this.#pool.engine, [], this.#complaints, () => this.attached);
    this.#devices = new DeviceTable({
      log,
      server: this.#server,
      broker: this.#broker,
      ports: this.#ports,
      runDir: this.#runDir,
      watch: this.#watch,
      ...(taken && { sockets: taken.sockets }),
    });
  }

  /**
   * Who writes down what it is, now and whenever it has changed.
   * @internal
   */
  keepBy(keeper: HostKeeper): void {
    this.#keeper = keeper;
    this.#server.keepBy(keeper);
    keeper.hostChanged();
  }

  /** What it is now; a file that says the same is written by configText(). */
  get config(): HostConfig {
    return this.#config;
  }

  /** @internal */
  get runDir(): RunDir {
    return this.#runDir;
  }

  get vms(): readonly HostVm[] {
    return hostVms(this.#config);
  }

  /** What would change, and what stands against it, with `force` all the same: a line each. */
  preview(
    next: HostConfig,
    { force = false }: { force?: boolean } = {},
  ): { changes: Change[]; refused: Refusal[] } {
    const changes = difference(this.#config, next);
    const { before, after } = this.#places(next);
    const sides = { from: this.#config, to: next, before, after };
    const running = {
      devices: this.#devices,
      ports: this.#ports,
      usersOf: (name: string) => [
        ...this.#programs.usersOf(name),
        ...(this.#applications?.holdersOf(name) ?? []),
      ],
    };
    const all = refusals(changes, sides, running);
    return { changes, refused: all.filter(({ forcible }) => !(force && forcible)) };
  }

  /**
   * Brings it to what a configuration says, all of it or nothing. With `force` VMs lose devices that they are connected to.
   * @returns what has changed. @throws ConfigurationError with a line for each thing that cannot be; then nothing has changed.
   */
  apply(next: HostConfig, { force = false }: { force?: boolean } = {}): Change[] {
    const { changes, refused } = this.preview(next, { force });
    if (refused.length > 0) throw new RefusedError(refused.map(({ text }) => text));
    if (changes.length > 0) this.#become(next);
    return changes;
  }

  #places(next: HostConfig) {
    const shapes = planRegions(next, this.#shapes ?? this.#ports.shapes);
    this.#shapes = undefined;
    return { before: placesOf(this.#config, this.#ports.shapes), after: placesOf(next, shapes) };
  }

  #become(next: HostConfig, takeBack = (steps: Steps) => this.#takeBack(steps)): void {
    const { before, after } = this.#places(next);
    const steps = new Steps();
    try {
      const from = { config: this.#config, places: before };
      transition(this.#parts, from, { config: next, places: after }, steps);
    } catch (error) {
      takeBack(steps);
      throw error;
    } finally {
      this.#followInterfaces();
    }
    this.#set(next);
  }

  #set(config: HostConfig): void {
    this.#config = config;
    this.#keeper?.hostChanged();
  }

  #takeBack(steps: Steps): void {
    for (const err of steps.undo())
      this.#complaints.add('undo', `a change that failed could not be taken back: ${String(err)}`, {
        level: 'error',
        details: { err },
      });
  }

  /** What becomes of a change does not depend on it. */
  #followInterfaces(): void {
    try {
      this.#interfaces.follow(this.#ports.interfaces);
    } catch (err) {
      this.#complaints.add('interfaces', `not all of its interfaces are looked after: ${String(err)}`, {
        level: 'error',
        details: { err },
      });
    }
  }

  /**
   * Switch ports with names of their own; undefined: no applications are served.
   * @internal
   */
  get persistentPorts(): ApplicationServer['persistent'] | undefined {
    return this.#applications?.persistent;
  }

  get #parts() {
    return {
      ports: this.#ports,
      devices: this.#devices,
      startMember: (member: PlacedMember, config: HostConfig) => this.#startMember(member, config),
      memberLeft: (name: string) => this.#memberLeft(name),
    };
  }

  #memberLeft(name: string): void {
    const worker = this.#workers.get(name);
    if (worker !== undefined) this.#pool.release(worker);
    this.#workers.delete(name);
  }

  /** @param listener another process's, if it had one. */
  #admitApplications(log: Logger, listener?: number): void {
    const access = this.#config.applications?.socket;
    if (!access) return;
    const path = this.#runDir.claimOwn(APPLICATIONS_SOCKET);
    this.#applications = new ApplicationServer({
      path,
      mode: 0o600,
      config: () => this.#config,
      table: this.#ports,
      broker: this.#broker,
      interfacesChanged: () => this.#interfaces.follow(this.#ports.interfaces),
      startMember: (member, config) => this.#startMember(member, config),
      memberLeft: (name) => this.#memberLeft(name),
      log,
      listener,
    });
    this.#runDir.openOwn(path, access);
  }

  /** No kick comes for a member: where the host serves its devices inline, a worker serves these. */
  #startMember({ name, member }: PlacedMember, { engine }: HostConfig): void {
    const policy = engine.policy === 'inline' ? 'notify' : engine.policy;
    const running = this.#workers.get(name);
    const worker = running ?? this.#pool.place();
    this.#workers.set(name, worker);
    const options = { policy, spinUs: engine.spinUs, worker };
    if (running === undefined) member.start(options);
    else member.setPolicy(options);
  }

  /** The VMs that are attached now. */
  get attached(): string[] {
    const vms = [...this.#devices.all].filter(({ exported }) => exported.session).map(({ vm }) => vm);
    return [...new Set(vms)];
  }

  /** @internal */
  get portNames(): string[] {
    return [...this.#ports.ports.keys()];
  }

  /** @param names of the ports that are wanted; all of them when not given. */
  stats(names: Iterable<string> = this.#ports.ports.keys()): HostStats {
    const parts = { ports: this.#ports, devices: this.#devices, applications: this.#applications?.stats };
    return hostStats(parts, names, this.#kick.counters, this.#pool.engine.workers);
  }

  /**
   * What it is made of, and how each part is now.
   * @internal
   */
  state(stats: HostStats = this.stats()): HostState {
    const parts: HostParts = { config: this.#config, ports: this.#ports, devices: this.#devices };
    return hostState(parts, stats);
  }

  /** What a null port's rx rings bring from now on, from sequence number 0. @throws ConfigurationError */
  setSource(port: string, source: SourceConfig): void {
    try {
      this.#ports.setSource(port, source);
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      throw new ConfigurationError((error as Error).message, { cause: error });
    }
    const ports = new Map(this.#config.ports).set(port, { ...this.#config.ports.get(port)!, source });
    this.#set({ ...this.#config, ports });
  }

  /**
   * Where packets on a switch go from now on, also in traffic: none is lost, none sees a mixture of both. The function before is
   * gone when it returns. Names of ports may be of such as come later. @throws ConfigurationError; the function before stays.
   */
  setLookup(vale: string, lookup: LookupConfig): void {
    this.#ports.setLookup(vale, lookup);
    const now = this.#config.switches.get(vale);
    if (!now) return;
    const switches = new Map(this.#config.switches).set(vale, { ...now, lookup });
    this.#set({ ...this.#config, switches });
  }

  /** Where a switch takes stations to be. @throws ConfigurationError: no such switch */
  stations(vale: string): Station[] {
    return this.#ports.valeSwitch(vale).stations;
  }

  /** A station that stays there until it is removed or its port leaves. @throws ConfigurationError */
  putStation(vale: string, mac: Uint8Array, port: string): void {
    const on = this.#ports.valeSwitch(vale);
    try {
      on.putStation(mac, port);
    } catch (error) {
      throw new ConfigurationError((error as Error).message, { cause: error });
    }
    this.#keeper?.hostChanged();
  }

  /** Forgets stations that are so; how many. @throws ConfigurationError: no such switch */
  removeStations(vale: string, which: StationsWanted): number {
    const removed = this.#ports.valeSwitch(vale).removeStations(which);
    this.#keeper?.hostChanged();
    return removed;
  }

  /** Changes policy, spin time or worker of a device that is being served; false when it is not. */
  setPolicy(vm: string, device: string, policy: Policy & { worker: number }): boolean {
    return this.#broker.setPolicy(`${vm}/${device}`, policy);
  }

  /** Ends all sessions, stops serving and removes the sockets. */
  async close(): Promise<void> {
    await this.#server.close();
    this.#applications?.close();
    this.#devices.stop();
    this.#watch.close();
    this.#interfaces.close();
    this.#programs.close();
    this.#ports.close();
    this.#kick.close();
    this.#runDir.clear();
  }
}
