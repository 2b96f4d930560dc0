// What attaches the VMs of a configuration under a hypervisor, as data and as text to paste; nothing is started.
import type { HostConfig } from '../config/host-config.ts';
import { type AttachedVm, attachedVms } from './attach.ts';
import { bhyvePlan } from './bhyve.ts';
import { addUserDevice, PROGRAM as CLOUD_HYPERVISOR, cloudHypervisorArguments } from './cloud-hypervisor.ts';
import { ANY_QEMU, type Launcher } from './launcher.ts';
import { domainXml } from './libvirt.ts';
import { formatCommand, qemuArguments, shellQuote } from './qemu.ts';
import { selectVms } from './select-vms.ts';

/** What attaches a VM. Scripts read these keys (`ptnet plan --json`). */
export interface Plan {
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
  plan(vm: AttachedVm, config: HostConfig, launcher: Launcher): Plan;
  /** Ready to paste, without the notes. */
  text(plan: Plan): string;
}

const socketNote = (config: HostConfig, user: string): readonly string[] =>
  config.sockets.group === undefined
    ? [`${user} runs as a user of its own: 'socket-group' in the file lets that one's group attach`]
    : [];

const qemu: Planner = {
  plan: (vm, _, { program, prefix, accels, notes }) => ({
    name: vm.name,
    program,
    args: [...prefix, ...qemuArguments(vm, accels)],
    devices: vm.devices,
    notes: [
      ...notes,
      "add the guest's disk; 'ptnet run' starts the same, with the arguments that it is given",
    ],
  }),
  text: ({ program, args }) => `${formatCommand(program!, args!)}\n`,
};

/** libvirt starts one program, with nothing before its arguments. */
const emulatorNote = ({ prefix }: Launcher): readonly string[] =>
  prefix.length === 0
    ? []
    : [
        `that QEMU is not libvirt's own: a script that runs it, as docs/attach.md has it, has to be the domain's <emulator>`,
      ];

const libvirt: Planner = {
  plan: (vm, config, launcher) => ({
    name: vm.name,
    xml: domainXml(vm, launcher.accels.includes('kvm') ? 'kvm' : 'qemu'),
    devices: vm.devices,
    notes: [
      ...launcher.notes,
      ...emulatorNote(launcher),
      "for 'virsh define', with the guest's disk added",
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

export type Hypervisor = 'qemu' | 'libvirt' | 'cloud-hypervisor' | 'bhyve';
const PLANNERS: Record<Hypervisor, Planner> = { qemu, libvirt, 'cloud-hypervisor': cloudHypervisor, bhyve };
export const HYPERVISORS = Object.keys(PLANNERS) as Hypervisor[];

export interface PlanRequest {
  readonly for: Hypervisor;
  /** One of them; undefined: all. */
  readonly vm?: string | undefined;
  /** The QEMU that is to run them; undefined: any that is new enough. */
  readonly launcher?: Launcher;
  /** What messages call the configuration. */
  readonly name?: string;
}

/** @throws ConfigurationError when there is no such VM. */
export function plan(config: HostConfig, request: PlanRequest): readonly Plan[] {
  const { launcher = ANY_QEMU, name = 'configuration' } = request;
  const vms = selectVms(attachedVms(config), request.vm, name);
  return vms.map((vm) => PLANNERS[request.for].plan(vm, config, launcher));
}

/** Ready to paste, with its notes as comments. */
export function planText(hypervisor: Hypervisor, one: Plan): string {
  return `${describe(one)}\n${PLANNERS[hypervisor].text(one)}`;
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
