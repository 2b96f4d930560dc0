// What a host that has died has left: read, and checked as far as it can be before anything is built of it.
import { closeFd } from '../../native/os.ts';
import type { TakenState } from '../upgrade/state.ts';
import { numberOf } from './kept-fds.ts';
import {
  DeviceSectionSchema,
  HOST_SECTION,
  HostSectionSchema,
  type TakenDeviceSection,
  type TakenHostSection,
} from './sections.ts';
import { StateFile } from './state-file.ts';

/** The name under which the state is stored. */
export const STATE_NAME = 'state';
/** So often processes may begin with it and not last: then it may be what ends them. */
const STARTS_MAX = 10;

export interface LeftDevice {
  readonly vm: string;
  readonly name: string;
  readonly section: number;
  /** What was written of it; none: it is as after a disconnect. */
  readonly written?: TakenDeviceSection;
}

export interface LeftHost {
  readonly state: StateFile;
  readonly host: TakenHostSection;
  readonly devices: readonly LeftDevice[];
  /** By number. */
  readonly fds: ReadonlyMap<number, number>;
}

/**
 * @param given taken, all of it, also in an error.
 * @param say hears what a device is not gone on with for.
 * @returns undefined: there is nothing. @throws Error with why nobody can go on with it
 */
export function readLeft(
  given: ReadonlyMap<string, number>,
  say: (line: string) => void,
): LeftHost | undefined {
  const file = given.get(STATE_NAME);
  if (file === undefined) {
    for (const fd of given.values()) closeFd(fd);
    return undefined;
  }
  const fds = new Map<number, number>();
  for (const [name, fd] of given) {
    const number = numberOf(name);
    if (number !== undefined) fds.set(number, fd);
    else if (name !== STATE_NAME) closeFd(fd);
  }
  try {
    return read(StateFile.open(file), fds, say);
  } catch (error) {
    for (const fd of [file, ...fds.values()]) closeFd(fd);
    throw error;
  }
}

function read(state: StateFile, fds: ReadonlyMap<number, number>, say: (line: string) => void): LeftHost {
  if (state.void) throw new Error('it says that nobody is to go on with it');
  if (state.starts >= STARTS_MAX)
    throw new Error(`${state.starts} processes have gone on with it, and none has lasted`);
  state.starts++;
  const text = state.read(HOST_SECTION);
  if (text === undefined) throw new Error('it had not begun to serve');
  const host = HostSectionSchema.parse(JSON.parse(text));
  const sections = new Set(host.devices.map(({ section }) => section));
  if (sections.size !== host.devices.length) throw new Error('two devices have the same section');
  const devices = host.devices.map(({ vm, name, path, listener, section }) => {
    try {
      const written = DeviceSectionSchema.parse(JSON.parse(state.read(section) ?? ''));
      const { device } = written;
      if (device.vm !== vm || device.name !== name || device.path !== path || device.listener !== listener)
        throw new Error("its section is another device's");
      return { vm, name, section, written };
    } catch (error) {
      say(`${vm}/${name}: as after a disconnect: ${(error as Error).message}`);
      return { vm, name, section };
    }
  });
  return { state, host, devices, fds };
}

/** As another process would tell it; of sessions nothing. */
export const stateOf = ({ host: { host, devices } }: LeftHost): TakenState => ({
  ...host,
  devices: devices.map(({ vm, name, path, listener }) => ({
    vm,
    name,
    path,
    listener,
    config: new Uint8Array(),
  })),
});
