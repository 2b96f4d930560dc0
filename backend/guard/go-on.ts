// Goes on in the place of a host that has died, with what it has left: everything is there when this returns, and nobody is served yet.
import { KeptArea } from '../../native/kept.ts';
import { StatsArea } from '../../native/stats.ts';
import type { HostConfig } from '../config/host-config.ts';
import { parseConfig } from '../config/load.ts';
import type { Host } from '../host.ts';
import type { Logger } from '../log.ts';
import { COUNTER_BLOCKS, KEPT_SESSIONS } from '../taken-host.ts';
import { countOn } from '../upgrade/counters.ts';
import { build, learn, ownOf, type Rebuilt, restoreDevice, serve, TakenFds } from '../upgrade/rebuild.ts';
import { recorded } from '../upgrade/recorded.ts';
import type { TakenState } from '../upgrade/state.ts';
import { type LeftDevice, type LeftHost, stateOf } from './left.ts';

type Places = TakenState['ports'][number]['places'];

export interface GoOnOptions {
  readonly log: Logger;
  /** Hears what a device is not gone on with for. */
  say(line: string): void;
}

/** @throws Error, and the process is to end then as if it were killed: what was built so far must not be taken back in order. */
export function goOn(left: LeftHost, { log, say }: GoOnOptions): Rebuilt {
  const fds = new TakenFds(numbered(left.fds), { shared: true });
  const told = stateOf(left);
  const config = parseConfig(told.config, 'its configuration');
  const blocks = new KeptArea(KEPT_SESSIONS, left.fds.get(left.host.blocks) ?? -1);
  // Those of programs have ended with them.
  const those = told.ports.filter(({ name }) => config.ports.has(name));
  const counters = new StatsArea(COUNTER_BLOCKS, left.fds.get(told.stats) ?? -1);
  const { ports, lost } = recorded(withHeaders(those, left.devices, config), counters, config.ports);
  for (const [port, slots] of lost)
    say(
      `${port}: packets in up to ${slots} slots were being dealt with, and may not have arrived everywhere`,
    );
  const state = { ...told, ports };
  const host = build(state, { config, fds }, { state, fds }, { log, blocks, died: true });
  const own = ownOf(state, fds);
  for (const { name, stations } of state.switches) learn(host, name, stations);
  countOn(host, state.counters);
  for (const device of left.devices) goOnWith(host, device, fds, say);
  fds.closeRest();
  for (const region of host.insides.ports.regions.values()) region.releaseLost();
  return { host, ...own, go: () => serve(host) };
}

/** With the virtio-net headers that packets in rings begin with, as devices have written them last. */
function withHeaders(
  ports: TakenState['ports'],
  devices: readonly LeftDevice[],
  config: HostConfig,
): TakenState['ports'] {
  const lengths = new Map<string, 0 | 10 | 12>();
  for (const { vm, name, written } of devices) {
    const port = config.vms.get(vm)?.devices.find((device) => device.name === name)?.port;
    if (port !== undefined && written?.vnetHdrLen !== undefined) lengths.set(port, written.vnetHdrLen);
  }
  const rings = (places: Places, port: string): Places => ({
    ...places,
    rings: places.rings.map((ring) => ({ ...ring, vnetHdrLen: lengths.get(port) ?? ring.vnetHdrLen })),
  });
  return ports.map(({ places, otherPlaces, ...port }) => ({
    ...port,
    places: rings(places, port.name),
    ...(otherPlaces && { otherPlaces: rings(otherPlaces, port.name.replace('{', '}')) }),
  }));
}

function numbered(fds: ReadonlyMap<number, number>): (number | undefined)[] {
  const all: (number | undefined)[] = [];
  for (const [number, fd] of fds) all[number] = fd;
  return all;
}

/** What cannot be gone on with is that device alone: it is as after a disconnect. */
function goOnWith(
  host: Host,
  { vm, name, written }: LeftDevice,
  fds: TakenFds,
  say: (line: string) => void,
): void {
  const placed = host.insides.devices.get(vm, name);
  if (placed === undefined) throw new Error(`${vm}/${name}: its configuration has no such device`);
  if (written === undefined) return;
  try {
    restoreDevice(host, written.device, fds, written.applied);
  } catch (error) {
    say(`${vm}/${name}: as after a disconnect: ${(error as Error).message}`);
    placed.exported.session?.close();
    placed.hosted?.device.stop();
  }
}
