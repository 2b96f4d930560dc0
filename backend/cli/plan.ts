// `ptnet plan`: what attaches VMs under a hypervisor, ready to paste; nothing is started.
import type { HostConfig } from '../config/host-config.ts';
import { loadConfig } from '../config/load.ts';
import { alternatives, nearest } from '../config/nearest.ts';
import { ConfigurationError } from '../errors.ts';
import { type AttachedVm, attachedVms } from '../hypervisor/attach.ts';
import { bhyvePlan } from '../hypervisor/bhyve.ts';
import {
  addUserDevice,
  PROGRAM as CLOUD_HYPERVISOR,
  cloudHypervisorArguments,
} from '../hypervisor/cloud-hypervisor.ts';
import { domainXml } from '../hypervisor/libvirt.ts';
import { formatCommand, QEMU, QEMU_VERSION_MIN, qemuArguments, shellQuote } from '../hypervisor/qemu.ts';
import type { Io } from './io.ts';

/** What `--json` prints of a VM: scripts read these keys. */
interface Plan {
  readonly name: string;
  readonly program?: string;
  readonly args?: readonly string[];
  readonly xml?: string;
  /** Bodies for an API, in the order of the calls. */
  readonly requests?: readonly unknown[];
  readonly devices: AttachedVm['devices'];
  readonly notes: readonly string[];
}

interface Planner {
  plan(vm: AttachedVm, config: HostConfig): Plan;
  /** Ready to paste, without the notes. */
  text(plan: Plan): string;
}

const socketNote = (config: HostConfig, user: string): readonly string[] =>
  config.sockets.group === undefined
    ? [`${user} runs as a user of its own: 'socket-group' in the file lets that one's group attach`]
    : [];

const qemu: Planner = {
  plan: (vm) => ({
    name: vm.name,
    program: QEMU,
    args: qemuArguments(vm),
    devices: vm.devices,
    notes: [`QEMU ${QEMU_VERSION_MIN} or newer; add the guest's disk`],
  }),
  text: ({ program, args }) => `${formatCommand(program!, args!)}\n`,
};

const libvirt: Planner = {
  plan: (vm, config) => ({
    name: vm.name,
    xml: domainXml(vm),
    devices: vm.devices,
    notes: [
      `for 'virsh define', with the guest's disk added; libvirt's QEMU has to be ${QEMU_VERSION_MIN} or newer`,
      `where AppArmor confines QEMU, in /etc/apparmor.d/local/abstractions/libvirt-qemu: "${config.runDir}/**" rw,`,
      ...socketNote(config, "libvirt's QEMU"),
    ],
  }),
  text: ({ xml }) => xml!,
};

const cloudHypervisor: Planner = {
  plan: (vm) => ({
    name: vm.name,
    program: CLOUD_HYPERVISOR,
    args: cloudHypervisorArguments(vm),
    requests: addUserDevice(vm),
    devices: vm.devices,
    notes: [
      "add kernel and disk; not with virtio-mem; this project's tests replay what it sends, and have not run it",
    ],
  }),
  text: ({ program, args, requests }) => {
    const calls = requests!.map(
      (body) =>
        `curl --unix-socket API_SOCKET -X PUT http://localhost/api/v1/vm.add-user-device -H 'Content-Type: application/json' -d ${shellQuote(JSON.stringify(body))}\n`,
    );
    return `${formatCommand(program!, args!)}\n\n# or, while it runs with such memory:\n${calls.join('')}`;
  },
};

const bhyve: Planner = {
  plan: (vm) => {
    const { args, left } = bhyvePlan(vm);
    return {
      name: vm.name,
      program: 'bhyve',
      args,
      devices: vm.devices,
      notes: [
        'bhyve has no vfio-user client, so this host cannot serve it',
        ...(args.length > 0
          ? [
              "its own virtio-net on a port of FreeBSD's netmap, which copies each packet and has no ring of the port in the guest",
            ]
          : []),
        ...left.map(({ name, port }) => `${name} is ${port}: bhyve has no such backend`),
      ],
    };
  },
  text: ({ args }) => (args!.length === 0 ? '' : `${formatCommand('bhyve', args!)}\n`),
};

const PLANNERS = { qemu, libvirt, 'cloud-hypervisor': cloudHypervisor, bhyve } as const;
export type Hypervisor = keyof typeof PLANNERS;
export const HYPERVISORS = Object.keys(PLANNERS) as Hypervisor[];

export interface PlanOptions {
  readonly for: Hypervisor;
  readonly json: boolean;
  readonly runDir?: string;
}

/** @param name of a VM; undefined: all of them. */
export function plan(file: string, name: string | undefined, options: PlanOptions, io: Io): void {
  const config = loadConfig(file, options.runDir === undefined ? {} : { runDir: options.runDir });
  const planner = PLANNERS[options.for];
  const plans = select(attachedVms(config), name, file).map((vm) => planner.plan(vm, config));
  if (options.json) io.out(`${JSON.stringify({ for: options.for, vms: plans })}\n`);
  else io.out(plans.map((one) => `${describe(one)}\n${planner.text(one)}`).join('\n'));
}

function select(vms: readonly AttachedVm[], name: string | undefined, file: string): readonly AttachedVm[] {
  const found = vms.filter((vm) => name === undefined || vm.name === name);
  if (found.length > 0 || name === undefined) return found;
  const names = vms.map((vm) => vm.name);
  const guess = nearest(name, names);
  throw new ConfigurationError(
    `${file}: there is no VM '${name}': ${alternatives(guess ? [guess] : names)} would be right`,
  );
}

/** A comment in a shell's command, or in XML. */
function describe({ name, devices, notes, xml }: Plan): string {
  const ports = devices.flatMap((device) =>
    device.port === undefined ? [] : [`${device.name} is ${device.port}`],
  );
  const lines = [`${name}: ${ports.join(', ')}`, ...notes];
  return xml === undefined
    ? lines.map((line) => `# ${line}`).join('\n')
    : `<!-- ${lines.map((line) => line.replaceAll('--', '- -')).join('\n     ')} -->`;
}
