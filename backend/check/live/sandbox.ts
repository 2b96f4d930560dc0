// Stand-ins for the interfaces of a file, in a network namespace of their own that is gone with this process: nothing of the machine is touched.
import { once } from 'node:events';
import { execa, type ResultPromise } from 'execa';
import type { HostConfig, PortConfig, VmConfig } from '../../config/host-config.ts';
import { parsePortName } from '../../config/port-name.ts';
import { kindOf } from '../../ports/kinds/index.ts';

/** A network for benchmarks (RFC 2544), a part of it for each interface. */
const NETWORK = '198.18';

/** With IPv6 the kernel would send packets of its own; what keeps the namespace ends with its input. */
const KEEPER = `set -e
for all in /proc/sys/net/ipv6/conf/default/disable_ipv6 /proc/sys/net/ipv6/conf/all/disable_ipv6; do
  [ ! -e $all ] || echo 1 > $all
done
ip link set lo up
SETUP
echo up
exec cat > /dev/null
`;

const OPTIONS = { stdin: 'pipe', reject: false, cleanup: true } as const;

/** How the kernel behind a port is reached. */
export interface KernelSide {
  readonly port: string;
  /** The kernel's address, and one for whoever asks it. */
  readonly address: string;
  readonly own: string;
}

export interface Sandbox {
  /** With every interface in the namespace. */
  readonly config: HostConfig;
  readonly kernels: readonly KernelSide[];
  close(): Promise<void>;
}

const isInterface = (name: string): boolean => ['tap', 'netmap'].includes(parsePortName(name).kind);

/** Ports whose other side is an interface of the host, and that somebody uses. */
export function interfacesOf(config: HostConfig): string[] {
  const used = [
    ...[...config.vms.values()].flatMap(({ devices }) => devices.map(({ port }) => port)),
    ...[...config.switches.values()].flatMap(({ members }) => members),
  ];
  return used.filter(isInterface);
}

/** @throws Error with what the system said when there can be no namespace. */
export async function openSandbox(config: HostConfig): Promise<Sandbox> {
  const names = interfacesOf(config);
  const kernels = names.map((port, index): KernelSide => {
    const network = `${NETWORK}.${index}`;
    return { port, address: `${network}.1`, own: `${network}.2` };
  });
  const links = new Map(names.map((port, index) => [port, linkOf(port, index, config.ports.get(port)!)]));
  const { keeper } = await start(KEEPER.replace('SETUP', [...links.values()].join('\n')));
  const netns = `/proc/${keeper.pid}/ns/net`;
  const ports = [...config.ports].map(([name, port]): [string, PortConfig] => {
    const kernel = kernels.find((one) => one.port === name);
    if (kernel === undefined) return [name, port];
    const takes = kindOf(parsePortName(name)).interfaceKeys(parsePortName(name)).includes('address');
    const addresses = takes ? [`${kernel.address}/24`] : [];
    return [name, { ...port, netns, addresses }];
  });
  return {
    config: { ...config, ports: new Map(ports) },
    kernels,
    close: async () => {
      keeper.stdin.end();
      await keeper;
    },
  };
}

/** What makes the interface that a port is, and gives its other end an address; empty: the host makes it. */
function linkOf(port: string, index: number, { txRings, mtu }: PortConfig): string {
  const name = parsePortName(port);
  if (name.kind !== 'netmap') return '';
  const peer = `pt${index}peer`;
  const long = mtu === undefined ? '' : ` mtu ${mtu}`;
  const queues = `numtxqueues ${txRings} numrxqueues ${txRings}`;
  const make = `ip link show ${name.interface} > /dev/null 2>&1 || ip link add ${name.interface}${long} ${queues} type veth peer name ${peer} ${queues}
ip link set ${name.interface} up`;
  if (name.host) return make;
  return `${make}
ip link set ${peer}${long} up
ip address add ${NETWORK}.${index}.1/24 dev ${peer}`;
}

/** In an object: a promise of a process would be one of its end. */
async function start(script: string): Promise<{ keeper: ResultPromise<typeof OPTIONS> }> {
  const keeper = execa('unshare', ['--net', '--', 'sh', '-c', script], OPTIONS);
  const ended = await Promise.race([keeper, once(keeper.stdout, 'data').then(() => undefined)]);
  if (ended === undefined) return { keeper };
  throw new Error(
    `no network namespace: ${(ended.stderr || ended.shortMessage || '').trim().split('\n')[0]}`,
  );
}

/** A pipe or a monitor goes with its port. */
function isOfInterface(name: string): boolean {
  const parsed = parsePortName(name);
  const parent = kindOf(parsed).parentOf(parsed);
  return isInterface(name) || (parent !== undefined && isInterface(parent));
}

/** The file without its interfaces, and without VMs that have nothing else. */
export function withoutInterfaces(config: HostConfig): HostConfig {
  const vms = [...config.vms].flatMap(([name, vm]): [string, VmConfig][] => {
    const devices = vm.devices.filter(({ port }) => !isOfInterface(port));
    return devices.length === 0 ? [] : [[name, { ...vm, devices }]];
  });
  const switches = [...config.switches].map(
    ([name, vale]) =>
      [name, { ...vale, members: vale.members.filter((member) => !isInterface(member)) }] as const,
  );
  return { ...config, vms: new Map(vms), switches: new Map(switches) };
}
