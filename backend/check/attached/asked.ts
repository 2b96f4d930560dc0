// Asks a running host by its control API how its VMs fare: whether it is what the file says, and of each device that is attached its driver, its traffic and what went wrong.
import { setTimeout as sleep } from 'node:timers/promises';
import type { DropCause } from '../../../native/stats.ts';
import { difference, formatChange } from '../../changes/difference.ts';
import { formatPath } from '../../config/format-path.ts';
import type { HostConfig } from '../../config/host-config.ts';
import { parseConfig } from '../../config/load.ts';
import { DROPS, RING_COUNTERS } from '../../control/counters.ts';
import { ControlClient, type DeviceState, type PortState } from '../../control/index.ts';
import { ConfigurationError } from '../../errors.ts';
import { type Finding, pass, warn } from '../finding.ts';

/** What a host has said of itself. */
export interface Said {
  readonly pid: number;
  readonly version: string;
  /** As a configuration file. */
  readonly config: string;
  /** By the VM's name and the device's: `vm1/net0`. */
  readonly devices: ReadonlyMap<string, DeviceState>;
  /** Of each port, twice. */
  readonly before: ReadonlyMap<string, PortState>;
  readonly after: ReadonlyMap<string, PortState>;
  /** Between the two. */
  readonly seconds: number;
}

/** Long enough for a rate, and for a driver that drops all that it gets to show. */
const BETWEEN_MS = 1000;
const SHOWN = 5;

/** Only reads: the host answers from what it counts anyway, on no thread that moves packets. @throws ControlError */
export async function askHost(runDir: string, signal: AbortSignal, betweenMs = BETWEEN_MS): Promise<Said> {
  const client = await ControlClient.connect({ runDir });
  try {
    const read = async () => new Map((await client.ports()).map((port) => [port.name, port]));
    const { pid, version } = await client.host();
    const [config, vms, before] = [await client.config(), await client.vms(), await read()];
    const start = performance.now();
    await sleep(betweenMs, undefined, { signal });
    const after = await read();
    const seconds = (performance.now() - start) / 1000;
    const devices = vms.flatMap((vm) =>
      vm.devices.map((device) => [`${vm.name}/${device.name}`, device] as const),
    );
    return { pid, version, config, devices: new Map(devices), before, after, seconds };
  } finally {
    client.close();
  }
}

export function lookAtSaid(config: HostConfig, said: Said): Finding[] {
  const devices = [...config.vms].flatMap(([vm, { devices: all }]) =>
    all.flatMap(({ name }) => {
      const device = said.devices.get(`${vm}/${name}`);
      // One that the host does not have, or without a VM, is another check's.
      return device?.connected ? oneDevice(formatPath(['vms', vm, 'devices', name]), device, said) : [];
    }),
  );
  return [sameAsFile(config, said), ...devices];
}

function sameAsFile(config: HostConfig, { pid, version, config: text }: Said): Finding {
  const who = `process ${pid}, version ${version},`;
  let running: HostConfig;
  try {
    running = parseConfig(text, "the host's configuration", { runDir: config.runDir });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return warn('attached-file', 'host', `${who} has what is unknown here: ${error.message}`);
  }
  const changes = difference(running, config).map(formatChange);
  if (changes.length === 0) return pass('attached-file', 'host', `${who} is what the file says`);
  const more = changes.length > SHOWN ? `, and ${changes.length - SHOWN} more` : '';
  return warn(
    'attached-file',
    'host',
    `${who} is not what the file says: ${changes.slice(0, SHOWN).join('; ')}${more}`,
  );
}

function oneDevice(object: string, device: DeviceState, said: Said): Finding[] {
  const [before, after] = [said.before.get(device.port ?? ''), said.after.get(device.port ?? '')];
  return [
    driver(object, device),
    // Who has no driver takes nothing, which is said above.
    ...(device.started && before && after ? [drops(object, before, after, said.seconds)] : []),
    faults(object, device, after),
  ];
}

function driver(
  object: string,
  { started, worker, policy, features, doorbells, port }: DeviceState,
): Finding {
  if (!started)
    return warn(
      'attached-driver',
      object,
      `${port}: a hypervisor is connected, and no driver has started it`,
    );
  const header = features?.vnetHdrLen
    ? `virtio-net headers of ${features.vnetHdrLen} bytes`
    : 'no virtio-net headers';
  const by = worker === undefined ? '' : ` by worker ${worker}`;
  return pass(
    'attached-driver',
    object,
    `${port}: its driver has started it; served${by}, ${policy}, doorbells by ${doorbells}, ${header}`,
  );
}

type Counts = Readonly<Record<string, number>>;

function dropsOf({ rings }: PortState): Counts {
  const sum: Record<string, number> = {};
  for (const ring of rings)
    for (const [cause, count] of Object.entries(ring.drops)) sum[cause] = (sum[cause] ?? 0) + count;
  return sum;
}

const listed = (counts: Counts): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([cause, count]) => `${cause} ${count}`)
    .join(', ') || 'none';

function packets({ rings }: PortState, dir: 'tx' | 'rx'): number {
  return rings.filter((ring) => ring.dir === dir).reduce((sum, ring) => sum + ring.packets, 0);
}

/** What was dropped long ago may be a boot's; what is dropped now is looked at. */
function drops(object: string, before: PortState, after: PortState, seconds: number): Finding {
  const [then, now] = [dropsOf(before), dropsOf(after)];
  const lately = Object.fromEntries(
    Object.entries(now).map(([cause, count]) => [cause, count - (then[cause] ?? 0)]),
  );
  const rate = (dir: 'tx' | 'rx') => Math.round((packets(after, dir) - packets(before, dir)) / seconds);
  const evidence = `${after.name}: ${rate('tx')} packets/s sent, ${rate('rx')} received; dropped in ${seconds.toFixed(1)} s: ${listed(lately)}; since the start: ${listed(now)}`;
  const worst = Object.entries(lately).reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0] as const);
  if (worst[1] <= 0) return pass('attached-drops', object, evidence);
  return warn('attached-drops', object, evidence, DROPS[worst[0] as DropCause].action);
}

const FAULTS = ['badIndex', 'irqSlow', 'memSlow'] as const;

function faults(object: string, { complaints }: DeviceState, port: PortState | undefined): Finding {
  const rings = Object.fromEntries(
    FAULTS.map((key) => [key, (port?.rings ?? []).reduce((sum, ring) => sum + ring[key], 0)]),
  );
  const all: Counts = { ...complaints, ...rings };
  const first = Object.entries(rings).find(([, count]) => count > 0)?.[0];
  if (Object.values(all).every((count) => count === 0))
    return pass('attached-faults', object, 'the host has nothing to complain of');
  return warn(
    'attached-faults',
    object,
    `since the start: ${listed(all)}`,
    first && RING_COUNTERS[first]?.action,
  );
}
