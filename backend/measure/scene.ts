// Where paths are measured: a host of one's own with the ports of a configuration, or the one that serves it already.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_PCI_IDS } from '../../pci/index.ts';
import { APPLICATIONS_SOCKET } from '../config/applications.ts';
import type { HostConfig, PortConfig, VmConfig } from '../config/host-config.ts';
import { parseConfig } from '../config/load.ts';
import { ConfigurationError } from '../errors.ts';
import { Host } from '../host.ts';
import { silentLogger } from '../log.ts';
import { isServed, socketPath } from '../sockets.ts';
import type { Part } from './guests.ts';
import { ModelGuests, type Place, type Sockets } from './model-guests.ts';
import { type InterfaceEnd, nameOf, type Path } from './path.ts';
import { guestCpu, placedEngine } from './placement.ts';

export type Payload = 'none' | 'stamp' | 'full';

/** What the source of a null port sends; the rest of it is the file's, or a default. */
export interface SourceOrder {
  readonly size: number;
  readonly payload: Payload;
  readonly rate: number;
  readonly dst: string;
  /** Default: as many as go. */
  readonly packets?: number;
}

const SOURCE_MAC = '02:00:00:00:00:01';
const HELPER = 'helper';

export class Scene {
  readonly config: HostConfig;
  /** Undefined: it is another process's. */
  readonly host: Host | undefined;
  readonly #runDir: string | undefined;
  readonly #helpers: readonly Helper[];

  private constructor(
    config: HostConfig,
    host: Host | undefined,
    runDir: string | undefined,
    helpers: readonly Helper[],
  ) {
    this.config = config;
    this.host = host;
    this.#runDir = runDir;
    this.#helpers = helpers;
  }

  /**
   * The host that serves `config`, if one does; else one of our own, in a folder of its own.
   * @param payload how closely null ports of our own look at what comes; undefined: as the file says
   * @throws ConfigurationError when a port cannot be had
   */
  static async open(config: HostConfig, paths: readonly Path[], payload?: Payload): Promise<Scene> {
    const served = isReachable(firstSocket(config));
    const runDir = served ? undefined : mkdtempSync(join(tmpdir(), 'ptnet-measure-'));
    const used = runDir === undefined ? config : forGuests({ ...config, runDir, sockets: {} }, payload);
    let host: Host | undefined;
    const helpers: Helper[] = [];
    try {
      host = runDir === undefined ? undefined : await Host.start(used, { log: silentLogger });
      for (const end of interfaceEnds(paths)) helpers.push(await Helper.start(end));
      return new Scene(used, host, runDir, helpers);
    } catch (error) {
      for (const helper of helpers) await helper.close();
      await host?.close();
      if (runDir !== undefined) rmSync(runDir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Where an end is driven. */
  placeOf(end: Part['end']): Place {
    if (end.kind === 'application') return { applications: applicationsSocket(this.config) };
    if (end.kind === 'interface') return this.#helpers.find(({ port }) => port === end.port)!.sockets;
    const socket = (device: string): string => socketPath(this.config.runDir, end.vm, device);
    return { memdev: socket('mem'), ptnet: socket(end.device) };
  }

  /** Ends on a kernel's side are driven by models, whoever drives the others. */
  models(): ModelGuests {
    const hint = this.host ? '' : ': a VM that is attached has its devices for itself';
    const cpuOf = (i: number): number | undefined =>
      this.host ? guestCpu(this.config.engine, i) : undefined;
    return new ModelGuests((end) => this.placeOf(end), { hint, cpuOf });
  }

  /** What the packets of a source have in them where it is not ours to tell; undefined: what it was told. */
  sourceLevel(port: string): Payload | undefined {
    return this.host ? undefined : this.config.ports.get(port)?.source?.payload;
  }

  /** What a null port sends from now on. @throws ConfigurationError when its host is not ours to tell. */
  setSource(port: string, order: SourceOrder): void {
    if (this.host) {
      this.host.setSource(port, { packets: 'unlimited', stream: 0, src: SOURCE_MAC, ...order });
      return;
    }
    if (!this.config.ports.get(port)?.source)
      throw new ConfigurationError(
        `${port}: the host that runs in ${this.config.runDir} sends nothing there: a 'source' in its file would be right`,
      );
  }

  async close(): Promise<void> {
    for (const helper of this.#helpers) await helper.close();
    await this.host?.close();
    if (this.#runDir !== undefined) rmSync(this.#runDir, { recursive: true, force: true });
  }
}

const applicationsSocket = ({ runDir }: HostConfig): string => join(runDir, APPLICATIONS_SOCKET);

/** One that is served whenever the host of the file runs. */
function firstSocket(config: HostConfig): string {
  const [vm] = config.vms.keys();
  return vm === undefined ? applicationsSocket(config) : socketPath(config.runDir, vm, 'mem');
}

const sinkAt = (payload: Payload): PortConfig['sink'] =>
  payload === 'none' ? { verify: false } : { verify: true, payload };

/** A host whose folder this user may not look into is not for this user. */
function isReachable(path: string): boolean {
  try {
    return isServed(path);
  } catch {
    return false;
  }
}

/** For guests of ours: with the ids that they look for, and sinks that look at everything that they write. */
function forGuests(config: HostConfig, payload: Payload | undefined): HostConfig {
  const ports = [...config.ports].map(([name, port]): [string, PortConfig] => {
    if (!name.startsWith('null:')) return [name, port];
    const { source: _, ...rest } = port;
    return [name, { ...rest, sink: payload === undefined ? port.sink : sinkAt(payload) }];
  });
  const vms = [...config.vms].map(([name, vm]): [string, VmConfig] => [
    name,
    { ...vm, pciIds: DEFAULT_PCI_IDS },
  ]);
  return { ...config, engine: placedEngine(config.engine), ports: new Map(ports), vms: new Map(vms) };
}

function interfaceEnds(paths: readonly Path[]): InterfaceEnd[] {
  const ends = paths.flatMap(({ from, to }) => [from, to]).filter((end) => end.kind === 'interface');
  return [...new Map(ends.map((end) => [nameOf(end), end])).values()];
}

/** A host with one port, on the kernel's side of a tap: what its guest sends goes to the tap as the kernel's own packets do. */
class Helper {
  readonly port: string;
  readonly sockets: Sockets;
  readonly #host: Host;
  readonly #runDir: string;

  private constructor(port: string, host: Host, runDir: string) {
    this.port = port;
    this.#host = host;
    this.#runDir = runDir;
    this.sockets = {
      memdev: socketPath(runDir, HELPER, 'mem'),
      ptnet: socketPath(runDir, HELPER, 'net0'),
    };
  }

  static async start({ port, interface: name, netns }: InterfaceEnd): Promise<Helper> {
    const runDir = mkdtempSync(join(tmpdir(), 'ptnet-helper-'));
    try {
      const where = netns === undefined ? '' : `, netns: ${JSON.stringify(netns)}`;
      const text = `
ports: { 'netmap:${name}': { access: af-packet, vnet-hdr: false${where} } }
vms: { ${HELPER}: { devices: [{ port: 'netmap:${name}', mac: '02:00:00:00:fe:01' }] } }
`;
      const host = await Host.start(parseConfig(text, port, { runDir }), { log: silentLogger });
      return new Helper(port, host, runDir);
    } catch (error) {
      rmSync(runDir, { recursive: true, force: true });
      throw new ConfigurationError(
        `${port}: the kernel's side of it cannot be used: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }

  async close(): Promise<void> {
    await this.#host.close();
    rmSync(this.#runDir, { recursive: true, force: true });
  }
}
