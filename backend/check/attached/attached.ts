// Looks at VMs that run and are attached to a host of the file, by what the kernel says of both: nothing is sent to either.
import type { HostConfig } from '../../config/host-config.ts';
import { attachedVms } from '../../hypervisor/attach.ts';
import { planRegions, regionKey } from '../../ports/plan.ts';
import { type Finding, failed, pass, warn } from '../finding.ts';
import { mappedRegions, type RunningVm, readConnected } from './running.ts';

export interface Seen {
  readonly listening: ReadonlySet<string>;
  readonly connected: ReadonlyMap<string, number>;
  readonly running: ReadonlyMap<string, RunningVm>;
  readonly mapped: (pid: number) => ReadonlySet<number> | undefined;
}

export const seenNow = (listening: ReadonlySet<string>, running: ReadonlyMap<string, RunningVm>): Seen => ({
  listening,
  connected: readConnected(),
  running,
  mapped: mappedRegions,
});

export function lookAtAttached(config: HostConfig, seen: Seen): Finding[] {
  const vms = attachedVms(config);
  const sockets = vms.flatMap(({ devices }) => devices.map(({ socketPath }) => socketPath));
  const missing = sockets.filter((path) => !seen.listening.has(path));
  if (missing.length === sockets.length)
    return [failed('attached-host', 'host', `nobody listens below '${config.runDir}'`)];
  const host =
    missing.length > 0
      ? failed(
          'attached-host',
          'host',
          `nobody listens on ${missing.join(', ')}`,
          'a host of this file: ptnet up, or ptnet apply',
        )
      : pass('attached-host', 'host', `it listens on ${sockets.length} sockets below '${config.runDir}'`);
  return [host, ...vms.flatMap((vm) => oneVm(vm, config, seen))];
}

function oneVm(
  { name, devices }: ReturnType<typeof attachedVms>[number],
  config: HostConfig,
  seen: Seen,
): Finding[] {
  const object = `vms.${name}`;
  const without = devices
    .filter(({ socketPath }) => !seen.connected.has(socketPath))
    .map((device) => device.name);
  if (without.length === devices.length)
    return [warn('attached-vm', object, 'it is not attached', `'ptnet plan' prints what attaches ${name}`)];
  if (without.length > 0)
    return [failed('attached-vm', object, `it is attached without ${without.join(', ')}`)];
  const running = seen.running.get(name);
  if (running === undefined)
    return [
      warn(
        'attached-vm',
        object,
        `${devices.length} sockets are connected, and no process of a hypervisor is seen that names them`,
        'the check as root, outside of a container',
      ),
    ];
  const attached = pass(
    'attached-vm',
    object,
    `${running.program}, process ${running.pid}, is connected to ${devices.length} sockets`,
  );
  return [attached, mapped(object, name, config, running, seen)];
}

function mapped(object: string, name: string, config: HostConfig, { pid }: RunningVm, seen: Seen): Finding {
  const { id } = planRegions(config).get(regionKey(name, config.vms.get(name)!.region))!;
  const regions = seen.mapped(pid);
  if (regions === undefined)
    return warn(
      'attached-memory',
      object,
      `this user may not look at the mappings of process ${pid}`,
      'the check as the user of the VM, or as root',
    );
  return regions.has(id)
    ? pass(
        'attached-memory',
        object,
        `process ${pid} has region ${id} mapped: the guest reaches rings and buffers without an exit`,
      )
    : failed('attached-memory', object, `process ${pid} has not mapped region ${id}`);
}
