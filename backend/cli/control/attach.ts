// `ptnet attach` and `ptnet detach`: devices that come and go while the host and its VMs run.

import { formatPath } from '../../config/schema.ts';
import type { JsonObject } from '../../control/edits.ts';
import type { ChangesState, ControlClient, DeviceState } from '../../control/index.ts';
import { vfioUserDevice } from '../../hypervisor/qemu.ts';
import { Qmp } from '../../hypervisor/qmp.ts';
import type { Io } from '../io.ts';
import { asked, type ChangeFlags, tell } from './change.ts';

export interface AttachFlags extends ChangeFlags {
  readonly name?: string;
  readonly mac?: string;
  readonly policy?: string;
  readonly bar0?: string;
  /** Of a VM that is not there yet. */
  readonly memory?: string;
  readonly machine?: string;
  readonly region?: string;
  /** The socket of a QEMU's monitor. */
  readonly qmp?: string;
}

const encode = encodeURIComponent;

export async function attach(
  client: ControlClient,
  vm: string,
  port: string,
  flags: AttachFlags,
  io: Io,
): Promise<void> {
  const { name, mac, policy, bar0, memory, machine, region, qmp } = flags;
  const given = (keys: Readonly<Record<string, string | undefined>>): JsonObject =>
    Object.fromEntries(
      Object.entries(keys).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
  const device = { port, ...given({ name, mac, policy, bar0 }) };
  const before = (await client.vms()).find((each) => each.name === vm);
  const done = before
    ? await client.change('POST', `/v1/vms/${encode(vm)}/devices`, device, asked(flags))
    : await client.change(
        'POST',
        '/v1/vms',
        { name: vm, ...given({ memory, machine, region }), devices: [device] },
        asked(flags),
      );
  tell(done, flags, io);
  if (flags.dryRun) return;
  const fresh = (await client.vm(vm)).devices.filter((each) => isAdded(done, vm, each.name));
  if (qmp === undefined) {
    if (!flags.json) for (const each of fresh) io.out(`-device '${deviceFor(each)}'\n`);
    return;
  }
  const left = [...fresh];
  try {
    await plug(qmp, left);
  } catch (error) {
    await giveUp(client, vm, { fresh, left }, io);
    throw error;
  }
}

/** As QEMU takes it. */
const deviceFor = ({ name, socketPath }: Pick<DeviceState, 'name' | 'socketPath'>): string =>
  vfioUserDevice({ name, socketPath });

/** Whether this change has added it, by itself or with its VM: others may come at the same time. */
const isAdded = ({ changes }: ChangesState, vm: string, device: string): boolean =>
  changes.some(
    ({ op, path }) =>
      op === 'add' && [formatPath(['vms', vm]), formatPath(['vms', vm, 'devices', device])].includes(path),
  );

/** @param left those that QEMU has not got yet. */
async function plug(path: string, left: DeviceState[]): Promise<void> {
  const qmp = await Qmp.connect(path);
  try {
    for (; left.length > 0; left.shift())
      await qmp.execute('device_add', JSON.parse(deviceFor(left[0]!)) as Record<string, unknown>);
  } finally {
    qmp.close();
  }
}

/**
 * What the VM has not got the host does not keep either, unless it has got its memory device: that would be dead, and QEMU 11.1 ends
 * when such a device is taken from it.
 */
async function giveUp(
  client: ControlClient,
  vm: string,
  { fresh, left }: { fresh: readonly DeviceState[]; left: readonly DeviceState[] },
  io: Io,
): Promise<void> {
  if (left.length < fresh.length) {
    const lacks = left.map((device) => `-device '${deviceFor(device)}'`).join(' ');
    io.err(`warning: ${vm}: QEMU has a device of it, so it stays in the host; what it lacks: ${lacks}\n`);
    return;
  }
  const whole = left.some(({ kind }) => kind === 'memdev');
  const place = whole ? '' : `/devices/${encode(left[0]!.name)}`;
  try {
    await client.change('DELETE', `/v1/vms/${encode(vm)}${place}`, undefined, { force: true });
  } catch (error) {
    io.err(`warning: ${vm}: it stays in the host as it is: ${(error as Error).message}\n`);
  }
}

export async function detach(
  client: ControlClient,
  vm: string,
  device: string | undefined,
  flags: ChangeFlags,
  io: Io,
): Promise<void> {
  const path = `/v1/vms/${encode(vm)}${device === undefined ? '' : `/devices/${encode(device)}`}`;
  const done: ChangesState = await client.change('DELETE', path, undefined, asked(flags));
  tell(done, flags, io);
}
