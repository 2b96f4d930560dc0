// A host of a file, in a run-dir of its own, with a driver model on each of its devices.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Guest, openGuest } from '../../../guest-driver/model/index.ts';
import type { HostConfig, PortConfig } from '../../config/host-config.ts';
import { type Placed, placeDevices } from '../../config/placed.ts';
import { Host } from '../../host.ts';
import { nameOf } from './reach.ts';
import { ModelStation } from './station.ts';

/** For guests of ours: sinks look at every byte, and nothing is held back by a rate, which would take long. */
export function forTrial(config: HostConfig, runDir: string): HostConfig {
  const ports = [...config.ports].map(([name, port]): [string, PortConfig] => {
    const { source: _, limits: __, ...rest } = port;
    return [
      name,
      { ...rest, sink: name.startsWith('null:') ? { verify: true, payload: 'full' } : rest.sink },
    ];
  });
  return { ...config, runDir, sockets: {}, ports: new Map(ports) };
}

/** A VM with its driver model: ports in the order of its devices. */
export interface TrialGuest {
  readonly vm: string;
  readonly guest: Guest;
  readonly places: readonly Placed[];
}

export class Trial {
  readonly host: Host;
  readonly config: HostConfig;
  readonly guests: TrialGuest[] = [];
  readonly #runDir: string;

  private constructor(host: Host, config: HostConfig, runDir: string) {
    this.host = host;
    this.config = config;
    this.#runDir = runDir;
  }

  /** @throws what the host says. */
  static async start(config: HostConfig): Promise<Trial> {
    const runDir = mkdtempSync(join(tmpdir(), 'ptnet-check-'));
    try {
      const used = forTrial(config, runDir);
      return new Trial(await Host.start(used), used, runDir);
    } catch (error) {
      rmSync(runDir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Connects a driver model to every device of a VM, before CREATE. */
  async open(vm: string): Promise<TrialGuest> {
    const [memdev, ...ptnet] = this.host.vms
      .find(({ name }) => name === vm)!
      .devices.map(({ socketPath }) => socketPath);
    const otherIds = this.config.vms.get(vm)!.pciIds === '1b36:cccc';
    const guest = await openGuest({ memdev: memdev!, ptnet, otherIds });
    const places = placeDevices(this.config).filter((place) => place.vmName === vm);
    const opened = { vm, guest, places };
    this.guests.push(opened);
    return opened;
  }

  get stations(): ModelStation[] {
    return this.guests.flatMap(({ guest, places }) =>
      places.map((place, index) => new ModelStation(place, guest.ports[index]!)),
    );
  }

  station(name: string): ModelStation {
    return this.stations.find(({ place }) => nameOf(place) === name)!;
  }

  async close(): Promise<void> {
    for (const { guest } of this.guests) await guest.crash();
    await this.host.close();
    rmSync(this.#runDir, { recursive: true, force: true });
  }
}
