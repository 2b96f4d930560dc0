// Plans in which programs of the host take the places of VMs: the same ports, driven behind /dev/netmap.
import { parse, stringify } from 'yaml';
import type { GuestPlan, Plan } from './plans.ts';

interface Device {
  readonly port: string;
  readonly mac: string;
}

interface Vm {
  readonly region?: string;
  readonly devices: readonly Device[];
}

interface Config {
  readonly vms: Readonly<Record<string, Vm>>;
}

/** What was one of these VMs, with one device, is an application at that device's port, in the same region. */
export function withApplications(plan: Plan, names: readonly string[]): Plan {
  const { vms, ...config } = parse(plan.config) as Config;
  const replaced = names.map((name) => vms[name]!);
  const region = replaced.find((vm) => vm.region !== undefined)?.region;
  const ports = replaced.map(({ devices }) => devices[0]!.port);
  const others = Object.entries(vms).filter(([name]) => !names.includes(name));
  const all = (guests: readonly GuestPlan[]) =>
    guests.map((guest) =>
      names.includes(guest.vm) ? { ...guest, application: vms[guest.vm]!.devices[0]! } : guest,
    );
  return {
    ...plan,
    config: stringify({
      ...config,
      applications: { ...(region && { region }), ports },
      ...(others.length > 0 && { vms: Object.fromEntries(others) }),
    }),
    first: all(plan.first),
    receivers: all(plan.receivers),
    senders: all(plan.senders),
  };
}
