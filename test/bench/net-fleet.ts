// Two Linux guests for the measurements of network drivers: each has interfaces of both drivers, so that both are measured in the same VMs.
import type { LinuxName } from '../../vm-images/linux.ts';
import { TestHost } from '../harness/host.ts';
import { iperf } from '../harness/iperf.ts';
import { driverEntries } from '../harness/linux-driver.ts';
import { type End, HOST, ipv4, macOf, setUp } from '../harness/linux-network.ts';
import { LinuxVm } from '../harness/linux-vm.ts';
import { Netns } from '../harness/netns.ts';
import { inGuest, inNetns, type Place } from '../harness/place.ts';
import type { NetDriver, NetKey, NetPath } from './net-paths.ts';
import { PLACED_ENGINE } from './placement.ts';
import { PATIENCE_US } from './plans.ts';
import type { Sample } from './sample.ts';
import { median } from './statistics.ts';

/** The newest kernel. */
const RELEASE: LinuxName = 'trixie-backports';
const STATIONS = [11, 12] as const;
/** IPv4 and UDP headers and an Ethernet one make 60 bytes of it. */
const UDP_BYTES = 18;
const PINGS = 200;

type LinkName = `${'pt' | 'vi'}${'host' | 'guest'}`;
const LINKS: readonly LinkName[] = ['pthost', 'ptguest', 'vihost', 'viguest'];

const endOf = (name: LinkName, guest: number): End => ({
  name,
  link: LINKS.indexOf(name) + 1,
  station: STATIONS[guest]!,
});
const linkOf = (driver: NetDriver, path: NetPath): LinkName =>
  `${driver === 'ptnet' ? 'pt' : 'vi'}${path === 'guest-to-guest' ? 'guest' : 'host'}`;

/** Of guest 0 both links, of guest 1 that between the guests. */
const endsOf = (guest: number): End[] =>
  LINKS.filter((name) => guest === 0 || name.endsWith('guest')).map((name) => endOf(name, guest));

const hostAddress = (name: LinkName): string => `${ipv4(endOf(name, 0).link, HOST)}/24`;

/** As docs/guests.md wants it for Linux. */
const device = (port: string, name: LinkName, guest: number): string =>
  `{ port: '${port}', bar0: mem, mac: '${macOf(endOf(name, guest))}' }`;

const config = (net: Netns): string => `
ports: { 'tap:pthost': { netns: ${net.path}, address: ${hostAddress('pthost')} } }
switches: { vale0: { patience-us: ${PATIENCE_US} } }
vms:
  vm1: { devices: [${device('tap:pthost', 'pthost', 0)}, ${device('vale0:1', 'ptguest', 0)}] }
  vm2: { devices: [${device('vale0:2', 'ptguest', 1)}] }
`;

/** QEMU's own taps, of which the kernel's bridge joins those of both guests. */
const virtio = (name: LinkName, guest: number): string[] => [
  ...['-netdev', `tap,id=${name},ifname=${name}${guest},script=no,downscript=no`],
  ...['-device', `virtio-net-pci,netdev=${name},romfile=,mac=${macOf(endOf(name, guest))}`],
];

interface Running {
  readonly net: Netns;
  readonly host: TestHost;
  readonly vms: readonly LinuxVm[];
  readonly host0: Place;
}

export class NetFleet {
  #running: Promise<Running> | undefined;

  /** Starts the guests if they are not running. @throws what kept them from it, each time. */
  async start(): Promise<void> {
    this.#running ??= startFleet();
    await this.#running;
  }

  /** TCP: bits per second; UDP: packets per second; ping: µs. */
  async measure({ driver, path, kind }: NetKey, seconds: number): Promise<Sample> {
    await this.start();
    const { vms, host0 } = await this.#running!;
    const name = linkOf(driver, path);
    const { link } = endOf(name, 0);
    const near = inGuest(vms[0]!);
    const far = path === 'guest-to-guest' ? inGuest(vms[1]!) : host0;
    const address = ipv4(link, path === 'guest-to-guest' ? STATIONS[1] : HOST);
    const before = await signalsOf(vms[0]!, name);
    const value =
      kind === 'ping'
        ? await ping(near, address)
        : await flow({ near, far, address, kind, seconds, reverse: path === 'host-to-guest' });
    const after = await signalsOf(vms[0]!, name);
    const packets = Math.max(1, after.packets - before.packets) / 1000;
    const signals = {
      kicks: (after.kicks - before.kicks) / packets,
      interrupts: (after.interrupts - before.interrupts) / packets,
    };
    for (const vm of vms) vm.expectWell();
    return { value, signals };
  }

  async close(): Promise<void> {
    const running = await this.#running?.catch(() => undefined);
    if (!running) return;
    await end(running.vms, running.host, running.net);
  }
}

async function end(vms: readonly LinuxVm[], host: TestHost | undefined, net: Netns): Promise<void> {
  await Promise.all(vms.map((vm) => vm.stop()));
  await host?.close();
  await net.close();
}

async function startFleet(): Promise<Running> {
  const net = await Netns.open('ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 up');
  const vms: LinuxVm[] = [];
  let host: TestHost | undefined;
  try {
    host = await TestHost.start(PLACED_ENGINE + config(net));
    const files = await driverEntries(RELEASE);
    for (const guest of [0, 1]) {
      const virtios = endsOf(guest)
        .map(({ name }) => name as LinkName)
        .filter((name) => name.startsWith('vi'));
      const qemuArguments = virtios.flatMap((name) => virtio(name, guest));
      const sockets = host.sockets(`vm${guest + 1}`);
      const options = { name: `net${guest + 1}`, release: RELEASE, smp: 2, files, sockets };
      vms.push(await LinuxVm.start({ ...options, within: net.within, qemuArguments }));
      for (const name of virtios) await net.ip(`link set dev ${name}${guest} up`);
    }
    await net.ip('link set dev viguest0 master br0');
    await net.ip('link set dev viguest1 master br0');
    await net.ip(`address add ${hostAddress('vihost')} dev vihost0`);
    await Promise.all(vms.map((vm) => vm.ready()));
    await Promise.all(
      vms.map((vm, guest) => vm.run('modprobe virtio_net').then(() => setUp(vm, endsOf(guest)))),
    );
    return { net, host, vms, host0: inNetns(net) };
  } catch (error) {
    await end(vms, host, net);
    throw error;
  }
}

interface FlowPlan {
  readonly near: Place;
  readonly far: Place;
  readonly address: string;
  readonly kind: 'tcp' | 'udp';
  readonly seconds: number;
  readonly reverse: boolean;
}

async function flow({ near, far, address, kind, seconds, reverse }: FlowPlan): Promise<number> {
  // iperf3 counts whole seconds.
  const plan = { address, reverse, seconds: Math.max(1, Math.round(seconds)) } as const;
  if (kind === 'tcp') return (await iperf(near, far, { ...plan, protocol: 'tcp' })).bitsPerSecond;
  const got = await iperf(near, far, { ...plan, protocol: 'udp', length: UDP_BYTES });
  return (got.packets - got.lost) / got.seconds;
}

/** The median of the round trips, µs. */
async function ping(near: Place, address: string): Promise<number> {
  const text = await near.run(`ping -c ${PINGS} -i 0.005 -w 60 ${address}`);
  return median([...text.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1000));
}

interface Signals {
  readonly kicks: number;
  readonly interrupts: number;
  /** Both directions. */
  readonly packets: number;
}

/** Interrupts of a device are named by its interface or by virtio's number. */
const SIGNALS = (name: string): string => `
ethtool -S ${name} | awk '/kicks:/ { sum += $2 } END { print sum + 0 }'
device=$(readlink -f /sys/class/net/${name}/device)
awk -v numbers="$(cd "$device/msi_irqs" 2> /dev/null || cd "$device/../msi_irqs"; echo *)" '
  BEGIN { n = split(numbers, list, " "); for (i = 1; i <= n; i++) ours[list[i] ":"] = 1 }
  ours[$1] { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i }
  END { print sum + 0 }' /proc/interrupts
cat /sys/class/net/${name}/statistics/rx_packets /sys/class/net/${name}/statistics/tx_packets`;

async function signalsOf(vm: LinuxVm, name: string): Promise<Signals> {
  const numbers = (await vm.run(SIGNALS(name))).split('\n').map(Number);
  const [kicks = 0, interrupts = 0, rx = 0, tx = 0] = numbers;
  return { kicks, interrupts, packets: rx + tx };
}
