// Writes down what a host is, with the descriptors that it needs, whenever it has changed: so that another process can go on when this one has died.
import type { Complaints } from '../complaints.ts';
import type { PlacedDevice } from '../devices.ts';
import type { Host } from '../host.ts';
import { describeDevice, describeHost, type KeptWith } from '../upgrade/describe.ts';
import { lossesOf } from '../upgrade/obstacles.ts';
import type { AppliedMessage, ExportedDevice, ServerKeeper } from '../vfio-user/server.ts';
import type { KeptFds } from './kept-fds.ts';
import { type GivenDeviceSection, type GivenHostSection, HOST_SECTION } from './sections.ts';
import type { StateFile } from './state-file.ts';

/** A host that has served so long has begun well. */
const SETTLED_MS = 100;

export interface KeeperOptions {
  readonly host: Host;
  readonly fds: KeptFds;
  readonly state: StateFile;
  /** The file that it is read from. */
  readonly file?: string | undefined;
  /** Sockets of the host's own, by name. */
  own(): ReadonlyMap<string, number>;
  readonly complaints: Complaints;
  /** Stores the state no more. */
  forget(): void;
}

export class Keeper implements ServerKeeper {
  readonly #options: KeeperOptions;
  /** By device. */
  readonly #sections = new Map<string, number>();
  readonly #settled: NodeJS.Timeout;
  #failed = false;
  #said = '';

  /** @param sections of devices that have some already. */
  constructor(options: KeeperOptions, sections: ReadonlyMap<string, number> = new Map()) {
    this.#options = options;
    for (const [device, section] of sections) this.#sections.set(device, section);
    const settled = () => {
      options.state.starts = 0;
    };
    this.#settled = setTimeout(settled, SETTLED_MS).unref();
  }

  /** Of the host beside its devices, or which it has. */
  hostChanged(): void {
    this.#write(() => {
      const { host, state, fds } = this.#options;
      const losses = lossesOf(host);
      this.#say(losses);
      if (losses.length > 0) {
        state.void = true;
        // A tap that is made again has the numbers of its descriptors again.
        fds.for(HOST_SECTION).settle();
        return;
      }
      const all = [...host.insides.devices.all];
      this.#number(all);
      for (const device of all) if (!device.exported.session?.busy) this.#writeDevice(device);
      this.#writeHost(all);
      state.void = false;
    });
  }

  /** @param applied what its client is to be answered when all of it is written. */
  deviceChanged(exported: ExportedDevice, applied?: AppliedMessage): void {
    this.#write(() => {
      const { devices, ports } = this.#options.host.insides;
      const all = [...devices.all];
      const device = all.find((candidate) => candidate.exported === exported);
      // One that is being made, or has gone: the host's section says which there are.
      if (device === undefined || !this.#sections.has(`${device.vm}/${device.name}`)) return;
      // Whether a tap has a carrier, and with what headers, is its port's client's. First: if only this is written the client's message
      // is dealt with once more.
      if (ports.interfaces.length > 0 && !this.#options.state.void) this.#writeHost(all);
      this.#writeDevice(device, applied);
    });
  }

  /** For another process that goes on in this one's place, and is kept with the same. */
  get told(): KeptWith | undefined {
    const { state, fds } = this.#options;
    return this.#failed ? undefined : { state: state.fd, files: fds.files, sections: this.#sections };
  }

  /** The host ends as it is meant to: nobody is to go on with it. */
  close(): void {
    clearTimeout(this.#settled);
    this.#write(() => {
      this.#options.state.void = true;
      this.#options.fds.clear();
      this.#options.forget();
    });
    this.#failed = true;
  }

  #writeHost(devices: readonly PlacedDevice[]): void {
    const { host, state, fds, file, own } = this.#options;
    const { server } = host.insides;
    const collected = fds.for(HOST_SECTION);
    const section: GivenHostSection = {
      host: describeHost(host, own(), collected, { as: 'kept', file }),
      blocks: collected.add(server.blocks!.fd),
      devices: devices.map(({ vm, name, exported }) => ({
        vm,
        name,
        path: exported.path,
        listener: collected.add(server.sockets(exported).listener),
        section: this.#sectionOf(vm, name),
      })),
    };
    state.write(HOST_SECTION, JSON.stringify(section));
    collected.settle();
  }

  #writeDevice(device: PlacedDevice, applied?: AppliedMessage): void {
    const { host, state, fds } = this.#options;
    const section = this.#sectionOf(device.vm, device.name);
    const collected = fds.for(section);
    state.write(section, JSON.stringify(describeKept(host, device, collected, applied)));
    collected.settle();
  }

  #number(all: readonly PlacedDevice[]): void {
    const names = new Set(all.map(({ vm, name }) => `${vm}/${name}`));
    for (const [name, section] of this.#sections)
      if (!names.has(name)) {
        this.#sections.delete(name);
        this.#options.fds.for(section).settle();
      }
    const used = new Set(this.#sections.values());
    let next = HOST_SECTION + 1;
    for (const name of names) {
      if (this.#sections.has(name)) continue;
      while (used.has(next)) next++;
      used.add(next);
      this.#sections.set(name, next);
    }
  }

  #sectionOf(vm: string, name: string): number {
    return this.#sections.get(`${vm}/${name}`)!;
  }

  /** What cannot be written is the end of it: what is there is not what the host is any more. */
  #write(write: () => void): void {
    if (this.#failed) return;
    try {
      write();
    } catch (error) {
      this.#failed = true;
      this.#options.state.void = true;
      this.#options.complaints.add(
        'not kept',
        `not kept any more: its death would be the end of its VMs' devices: ${(error as Error).message}`,
        { level: 'error', details: { err: error } },
      );
    }
  }

  #say(losses: readonly string[]): void {
    const said = losses.join('; ');
    if (said === this.#said) return;
    this.#said = said;
    this.#options.complaints.add(
      'not kept',
      losses.length === 0
        ? 'kept: another process goes on when this one has died'
        : `not kept: its death would be the end of its VMs' devices: ${said}`,
      { level: losses.length === 0 ? 'info' : 'warn' },
    );
  }
}

function describeKept(
  host: Host,
  device: PlacedDevice,
  fds: { add(fd: number): number },
  applied: AppliedMessage | undefined,
): GivenDeviceSection {
  const { server } = host.insides;
  // What cannot be told of a device goes with its session.
  const told =
    server.keptSession(device.exported) !== undefined &&
    device.hosted?.doorbells !== 'eventfd' &&
    device.hosted?.policy.policy !== 'inline';
  const described = describeDevice(host, device, fds, told);
  const rings = device.hosted?.options.port.places.rings;
  return {
    device:
      applied?.attached && described.session
        ? { ...described, session: { ...described.session, attached: true } }
        : described,
    ...(told &&
      applied && {
        applied: { ordinal: applied.ordinal, answer: Buffer.from(applied.answer).toString('base64') },
      }),
    ...(rings?.[0] && { vnetHdrLen: rings[0].vnetHdrLen as 0 }),
  };
}
