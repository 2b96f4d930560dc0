// Two Linux guests for the measurements of network drivers: each has interfaces of both drivers, so that both are measured in the same VMs.
import type { LinuxName } from '../../vm-images/linux.ts';
import { TestHost } from '../harness/host.ts';
import { iperf } from '../harness/iperf.ts';
import { driverEntries } from '../harness/linux-driver.ts';
import { type End, HOST, ipv4, macOf, setUp, setUpScript } from '../harness/linux-network.ts';
import { LinuxVm } from '../harness/linux-vm.ts';
import { Netns } from '../harness/netns.ts';
import { inGuest, inNetns, type Place } from '../harness/place.ts';
import type { NetDriver, NetKey, NetKind, NetPath } from './net-paths.ts';
import { VhostUser } from './net-vhost-user.ts';
import type { Sample } from './sample.ts';
import { median } from './statistics.ts';

/** The newest kernel. */
const RELEASE: LinuxName = 'trixie-backports';
const STATIONS = [11, 12] as const;
/** IPv4 and UDP headers and an Ethernet one make 60 bytes of it. */
const UDP_BYTES = 18;
const PINGS = 200;

const PREFIXES = { ptnet: 'pt', 'virtio-net': 'vi', 'virtio-net-vhost-user': 'vu' } as const;
type Prefix = (typeof PREFIXES)[NetDriver];
type LinkName = `${Prefix}${'host' | 'guest'}`;
const LINKS: readonly LinkName[] = ['pthost', 'ptguest', 'vihost', 'viguest', 'vuhost', 'vuguest'];

const endOf = (name: LinkName, guest: number): End => ({
  name,
  link: LINKS.indexOf(name) + 1,
  station: STATIONS[guest]!,
});
const linkOf = (driver: NetDriver, path: NetPath): LinkName =>
  `${PREFIXES[driver]}${path === 'guest-to-guest' ? 'guest' : 'host'}`;

/** Guest 0 has both links of a driver, guest 1 that between the guests. */
const hasLink = (name: LinkName, guest: number): boolean => guest === 0 || name.endsWith('guest');
const linksOf = (prefix: Prefix, guest: number): LinkName[] =>
  LINKS.filter((name) => name.startsWith(prefix) && hasLink(name, guest));

const hostAddress = (name: LinkName): string => `${ipv4(endOf(name, 0).link, HOST)}/24`;

/** As docs/guests.md wants it for Linux. */
const device = (port: string, name: LinkName, guest: number): string =>
  `{ port: '${port}', bar0: mem, mac: '${macOf(endOf(name, guest))}' }`;

/**
 * What docs/guests.md has for guests that are slow, and share CPUs: segments come that far apart, and a window of TCP waits for its receiver.
 * The worker is not pinned: virtual CPUs are not either, and one that the scheduler puts beside it would have half of a CPU while another is idle.
 */
const SPIN_US = 400;
const PATIENCE_US = 20_000;
const RX_SLOTS = 2048;

const config = (net: Netns): string => `
engine: { spin-us: ${SPIN_US} }
ports: { 'tap:pthost': { netns: ${net.path}, address: ${hostAddress('pthost')} } }
switches: { vale0: { patience-us: ${PATIENCE_US}, rx-slots: ${RX_SLOTS} } }
vms:
  vm1: { devices: [${device('tap:pthost', 'pthost', 0)}, ${device('vale0:1', 'ptguest', 0)}] }
  vm2: { devices: [${device('vale0:2', 'ptguest', 1)}] }
`;

/** QEMU's own taps, of which the kernel's bridge joins those of both guests. */
const tap = (name: LinkName, guest: number): string[] => [
  '-netdev',
  `tap,id=${name},ifname=${name}${guest},script=no,downscript=no`,
];
const virtio = (name: LinkName, guest: number): string[] => [
  '-device',
  `virtio-net-pci,netdev=${name},romfile=,mac=${macOf(endOf(name, guest))}`,
];

interface Running {
  readonly net: Netns;
  readonly host: TestHost;
  readonly vhost: VhostUser | undefined;
  readonly vms: readonly LinuxVm[];
  readonly host0: Place;
}

export class NetFleet {
  #running: Promise<Running> | undefined;
  #withoutVhost: Promise<string | undefined> | undefined;

  /** Starts the guests if they are not running. @throws what kept them from it, each time. */
  async start(): Promise<void> {
    this.#running ??= this.whyNoVhostUser().then((why) => startFleet(why === undefined));
    await this.#running;
  }

  /** Why nothing is measured over vhost-user here; undefined when it is. */
  whyNoVhostUser(): Promise<string | undefined> {
    this.#withoutVhost ??= VhostUser.whyNot();
    return this.#withoutVhost;
  }

  /** TCP: bits per second; UDP: packets per second; ping: µs. */
  async measure(net: NetKey, seconds: number): Promise<Sample> {
    await this.start();
    const running = await this.#running!;
    const measured = () => measureOn(running, net, seconds);
    if (net.driver === 'virtio-net-vhost-user') return await overVhostUser(running, net, measured);
    return net.kind === 'tcp-big' ? await withBigTcp(running, net, measured) : await measured();
  }

  async close(): Promise<void> {
    const running = await this.#running?.catch(() => undefined);
    if (running) await end(running);
  }
}

/** A link is up only while testpmd forwards: what waits longer in a queue makes virtio-net's watchdog bark. */
async function overVhostUser(
  { vhost, vms }: Running,
  { driver, path }: NetKey,
  run: () => Promise<Sample>,
): Promise<Sample> {
  const name = linkOf(driver, path);
  const guests = vms.map((vm, guest) => ({ vm, guest })).filter(({ guest }) => hasLink(name, guest));
  return await vhost!.forwarding(async () => {
    await Promise.all(guests.map(({ vm, guest }) => vm.run(setUpScript([endOf(name, guest)]))));
    try {
      return await run();
    } finally {
      await Promise.all(guests.map(({ vm }) => vm.run(`ip link set dev ${name} down`)));
    }
  });
}

/** TCP's segments that are still one packet may be as long as the driver takes them. */
async function withBigTcp(
  { vms }: Running,
  { driver, path }: NetKey,
  run: () => Promise<Sample>,
): Promise<Sample> {
  const name = linkOf(driver, path);
  const [link] = JSON.parse(await vms[0]!.run(`ip -details -json link show dev ${name}`));
  const set = (bytes: number) =>
    vms[0]!.run(`ip link set dev ${name} gso_max_size ${bytes} gso_ipv4_max_size ${bytes}`);
  await set(link.tso_max_size);
  try {
    return await run();
  } finally {
    await set(link.gso_max_size);
  }
}

async function measureOn({ vms, host0 }: Running, { driver, path, kind }: NetKey, seconds: number) {
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

type Parts = Partial<Pick<Running, 'host' | 'vhost'>> & Pick<Running, 'net' | 'vms'>;

async function end({ vms, host, vhost, net }: Parts): Promise<void> {
  await Promise.all(vms.map((vm) => vm.stop()));
  await vhost?.close();
  await host?.close();
  await net.close();
}

async function startFleet(withVhost: boolean): Promise<Running> {
  const net = await Netns.open('ip link add br0 type bridge mcast_snooping 0\nip link set dev br0 up');
  const vms: LinuxVm[] = [];
  let host: TestHost | undefined;
  let vhost: VhostUser | undefined;
  try {
    if (withVhost) vhost = await VhostUser.start(net, { host: 'vuhost', guests: 'vuguest' });
    host = await TestHost.start(config(net));
    const files = await driverEntries(RELEASE);
    for (const guest of [0, 1]) {
      const [taps, others] = [linksOf('vi', guest), vhost ? linksOf('vu', guest) : []];
      const qemuArguments = [
        ...taps.flatMap((name) => [...tap(name, guest), ...virtio(name, guest)]),
        ...others.flatMap((name) => [...vhost!.netdev(name, guest), ...virtio(name, guest)]),
      ];
      const sockets = host.sockets(`vm${guest + 1}`);
      const options = { name: `net${guest + 1}`, release: RELEASE, smp: 2, files, sockets };
      vms.push(await LinuxVm.start({ ...options, within: net.within, qemuArguments }));
      for (const name of taps) await net.ip(`link set dev ${name}${guest} up`);
    }
    await net.ip('link set dev viguest0 master br0');
    await net.ip('link set dev viguest1 master br0');
    await net.ip(`address add ${hostAddress('vihost')} dev vihost0`);
    if (vhost) await net.ip('link set dev vuhost up');
    if (vhost) await net.ip(`address add ${hostAddress('vuhost')} dev vuhost`);
    await Promise.all(vms.map((vm) => vm.ready()));
    await Promise.all(vms.map(setUpGuest));
    return { net, host, vhost, vms, host0: inNetns(net) };
  } catch (error) {
    await end({ vms, net, ...(host && { host }), ...(vhost && { vhost }) });
    throw error;
  }
}

/** All but the links over vhost-user, which are down. */
async function setUpGuest(vm: LinuxVm, guest: number): Promise<void> {
  await vm.run('modprobe virtio_net');
  const names = [...linksOf('pt', guest), ...linksOf('vi', guest)];
  await setUp(
    vm,
    names.map((name) => endOf(name, guest)),
  );
}

interface FlowPlan {
  readonly near: Place;
  readonly far: Place;
  readonly address: string;
  readonly kind: Exclude<NetKind, 'ping'>;
  readonly seconds: number;
  readonly reverse: boolean;
}

async function flow({ near, far, address, kind, seconds, reverse }: FlowPlan): Promise<number> {
  // iperf3 counts whole seconds.
  const plan = { address, reverse, seconds: Math.max(1, Math.round(seconds)) } as const;
  if (kind !== 'udp') return (await iperf(near, far, { ...plan, protocol: 'tcp' })).bitsPerSecond;
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
