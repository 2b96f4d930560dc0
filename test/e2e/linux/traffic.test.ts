// The Linux driver in traffic: guest and host over taps, guest and guest over switches and pipes, with one queue and several.
import { release as kernelRelease } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { TestHost } from '../../harness/host.ts';
import { iperf } from '../../harness/iperf.ts';
import { type End, HOST, hostAddresses, ipv4, ipv6, macOf, setUp } from '../../harness/linux-network.ts';
import type { LinuxVm } from '../../harness/linux-vm.ts';
import type { Netns } from '../../harness/netns.ts';
import { inGuest, inNetns, type Place } from '../../harness/place.ts';
import { sendDatagrams, sendFile } from '../../harness/transfer.ts';
import { vmTest } from '../vm-test.ts';
import { expectWell, Guests, watchFor } from './guests.ts';
import { LONG, RELEASES } from './releases.ts';

interface Link {
  readonly name: string;
  readonly rings: number;
  readonly to: 'host' | 'guest';
  /** The port of vm1, and with `to: guest` that of vm2. */
  readonly ports: readonly string[];
}

const LINKS: readonly Link[] = [
  { name: 'tap', rings: 1, to: 'host', ports: ['tap:tap'] },
  { name: 'tap2', rings: 2, to: 'host', ports: ['tap:tap2'] },
  { name: 'tap4', rings: 4, to: 'host', ports: ['tap:tap4'] },
  { name: 'vale', rings: 1, to: 'guest', ports: ['vale1:a', 'vale1:b'] },
  { name: 'vale2', rings: 2, to: 'guest', ports: ['vale2:a', 'vale2:b'] },
  { name: 'vale4', rings: 4, to: 'guest', ports: ['vale4:a', 'vale4:b'] },
  { name: 'bare', rings: 1, to: 'guest', ports: ['vale0:a', 'vale0:b'] },
  { name: 'pipe', rings: 1, to: 'guest', ports: ['p{1', 'p}1'] },
  { name: 'pipe4', rings: 4, to: 'guest', ports: ['q{1', 'q}1'] },
];
const GUESTS = [11, 12] as const;

/** Since Linux 6.6. */
const [major, minor] = kernelRelease().split('.').map(Number) as [number, number];
const TAPS_TAKE_LONG_SEGMENTS = major > 6 || (major === 6 && minor >= 6);

const endOf = (link: Link, guest: number): End => ({
  name: link.name,
  link: LINKS.indexOf(link),
  station: GUESTS[guest]!,
});

const endsOf = (guest: number): End[] =>
  LINKS.filter(({ ports }) => ports[guest] !== undefined).map((link) => endOf(link, guest));

function devicesOf(guest: number): string {
  const links = LINKS.filter(({ ports }) => ports[guest] !== undefined);
  return links
    .map((link) => `      - { port: '${link.ports[guest]}', mac: '${macOf(endOf(link, guest))}' }\n`)
    .join('');
}

const config = (net: Netns): string => `
regions: { lan: { id: 5 } }
switches:
  vale0: { vnet-hdr: false, mtu: 1500 }
  vale1: {}
  vale2: { tx-rings: 2, rx-rings: 2 }
  vale4: { tx-rings: 4, rx-rings: 4 }
ports:
${LINKS.filter(({ to }) => to === 'host')
  .map(
    ({ rings, ports }) =>
      `  '${ports[0]}': { netns: ${net.path}, tx-rings: ${rings}, rx-rings: ${rings}, address: ${hostAddresses(LINKS.findIndex((link) => link.ports[0] === ports[0]))} }\n`,
  )
  .join('')}
  'p{1': { vnet-hdr: true }
  'p}1': { vnet-hdr: true }
  'q{1': { tx-rings: 4, rx-rings: 4 }
  'q}1': { tx-rings: 4, rx-rings: 4 }
vms:
  vm1:
    region: lan
    devices:
${devicesOf(0)}
  vm2:
    region: lan
    devices:
${devicesOf(1)}
`;

/** In the short form an older kernel has one link of each kind: what the numbers of rings change is the same code. */
const linksOf = (release: (typeof RELEASES)[number]): readonly Link[] =>
  LONG || release === RELEASES.at(-1)
    ? LINKS
    : LINKS.filter(({ name }) => ['tap4', 'vale', 'bare', 'pipe'].includes(name));

for (const release of RELEASES)
  describe(`Linux of ${release}`, () => {
    const guests = new Guests();
    const newest = release === RELEASES.at(-1);
    let host: TestHost | undefined;
    let vms: LinuxVm[] = [];
    let places: Record<'vm1' | 'vm2' | 'host', Place>;

    beforeAll(async () => {
      const net = await guests.netns();
      host = await TestHost.start(config(net));
      vms = await Promise.all(
        ['vm1', 'vm2'].map((name) =>
          guests.boot({ name: `${name}-${release}`, release, sockets: host!.sockets(name) }),
        ),
      );
      await Promise.all(vms.map((vm, guest) => setUp(vm, endsOf(guest))));
      places = { vm1: inGuest(vms[0]!), vm2: inGuest(vms[1]!), host: inNetns(net) };
    }, 600_000);
    afterEach((context) => {
      if (context.task.result?.state === 'fail') guests.keepLogs();
    });
    afterAll(async () => {
      await guests.close();
      await host?.close();
    });

    const peerOf = (link: Link): Place => (link.to === 'host' ? places.host : places.vm2);
    const stationOf = (link: Link): number => (link.to === 'host' ? HOST : GUESTS[1]);

    for (const link of linksOf(release)) {
      const number = LINKS.indexOf(link);
      const near = [ipv4(number, GUESTS[0]), ipv6(number, GUESTS[0])];
      const far = () => [ipv4, ipv6].map((of) => of(number, stationOf(link)));

      vmTest(`${link.name}: pings and files, IPv4 and IPv6, with ${link.rings} queues`, async () => {
        const { vm1 } = places;
        const peer = peerOf(link);
        const before = await ringCounters(vms[0]!, link.name);
        for (const address of far())
          await vm1.run(`ping -c 3 -i 0.05 -w 60 ${address}; ping -c 2 -i 0.05 -w 60 -s 5000 ${address}`);
        const [v4, v6] = far() as [string, string];
        const bytes = LONG ? 20_000_000 : 1_000_000;
        for (const [from, to, address] of [
          [vm1, peer, v4],
          [peer, vm1, near[1]!],
          ...(LONG
            ? ([
                [vm1, peer, v6],
                [peer, vm1, near[0]!],
              ] as const)
            : []),
        ] as const) {
          await expectWhole(sendFile({ from, to, address, bytes }));
          const cutBy = await whoCuts(from, link.name);
          await expectWhole(sendDatagrams({ from, to, address, bytes: 50_000 }, 1400, cutBy));
        }
        const flow = {
          protocol: 'tcp',
          address: v6,
          seconds: LONG ? 3 : 1,
          streams: 2 * link.rings,
        } as const;
        expect((await iperf(vm1, peer, flow)).bytes).toBeGreaterThan(0);
        await expectRings(vms[0]!, link, before);
        await expectWell(vms, Object.values(places));
      });
    }

    for (const link of LINKS.filter(({ name }) => LONG || (newest && (name === 'tap' || name === 'vale')))) {
      const number = LINKS.indexOf(link);

      vmTest(`${link.name}: TCP and UDP by iperf3 both ways, IPv4 and IPv6`, async () => {
        for (const address of [ipv4, ipv6].map((of) => of(number, stationOf(link))))
          for (const reverse of [false, true]) {
            const flow = { address, reverse, seconds: 1 } as const;
            expect(
              (await iperf(places.vm1, peerOf(link), { ...flow, protocol: 'tcp' })).bytes,
            ).toBeGreaterThan(0);
            const udp = { ...flow, protocol: 'udp', bitrate: '5M' } as const;
            const { packets, lost } = await iperf(places.vm1, peerOf(link), udp);
            expect(packets - lost).toBeGreaterThan(0);
          }
        await expectWell(vms, Object.values(places));
      });
    }

    // The kernel at the other end has to take them too, and know IPv6's of the same kind.
    if (newest && TAPS_TAKE_LONG_SEGMENTS)
      vmTest('tap: segments of more than 64 KiB to the kernel of the host, IPv4 and IPv6', async () => {
        const [vm] = vms;
        const [link] = JSON.parse(await vm!.run('ip -details -json link show dev tap'));
        const set = (bytes: number) =>
          vm!.run(`ip link set dev tap gso_max_size ${bytes} gso_ipv4_max_size ${bytes}`);
        await set(link.tso_max_size);
        const drops = host!.drops('tap:tap', 'tx');
        for (const of of [ipv4, ipv6]) {
          const address = of(
            LINKS.findIndex(({ name }) => name === 'tap'),
            HOST,
          );
          const seen = await watchFor(places.vm1, 'tap', 'greater 65600');
          const transfer = { from: places.vm1, to: places.host, address, bytes: 8_000_000 };
          await expectWhole(sendFile({ ...transfer, block: 1_000_000 }));
          await seen();
        }
        expect(host!.drops('tap:tap', 'tx')).toBe(drops);
        await set(link.gso_max_size);
        await expectWell(vms, Object.values(places));
      });

    for (const link of LINKS.filter(
      ({ name }) => LONG || name === 'tap4' || name === 'vale' || name === 'pipe',
    ))
      vmTest(`${link.name}: MTU 9000, and back`, async () => {
        const number = LINKS.indexOf(link);
        const address = ipv4(number, stationOf(link));
        const { vm1 } = places;
        const peer = peerOf(link);
        const set = (mtu: number) =>
          Promise.all([vm1, peer].map((place) => place.run(`ip link set dev ${link.name} mtu ${mtu}`)));
        await set(9000);
        await vm1.run(`ping -c 3 -i 0.05 -w 60 -M do -s 8972 ${address}`);
        await peer.run(`ping -c 3 -i 0.05 -w 60 -M do -s 8972 ${ipv4(number, GUESTS[0])}`);
        for (const [from, to, where] of [
          [vm1, peer, address],
          [peer, vm1, ipv4(number, GUESTS[0])],
        ] as const) {
          await expectWhole(sendFile({ from, to, address: where, bytes: 1_000_000 }));
        }
        await set(1500);
        await vm1.run(`ping -c 2 -i 0.05 -w 60 -M do -s 1472 ${address}`);
        await expectWell(vms, Object.values(places));
      });
  });

/** The kernel cuts datagrams for an interface that makes checksums, of whatever release it is. */
async function whoCuts(place: Place, device: string): Promise<'kernel' | 'sender'> {
  const on = await place.run(`ethtool -k ${device} | grep -c '^tx-checksumming: on' || :`);
  return on.trim() === '1' ? 'kernel' : 'sender';
}

async function expectWhole(outcome: ReturnType<typeof sendFile>): Promise<void> {
  const { sent, received } = await outcome;
  expect(received).toBe(sent);
}

/** Of several rings at least two have moved packets, in each direction. */
async function expectRings(
  vm: LinuxVm,
  { name, rings }: Link,
  before: Record<string, number>,
): Promise<void> {
  const counted = await ringCounters(vm, name);
  for (const dir of ['tx', 'rx'] as const) {
    const names = Array.from({ length: rings }, (_, ring) => `${dir}${ring}_packets`);
    const busy = names.filter((counter) => counted[counter]! > before[counter]!);
    expect(busy.length, `${dir} rings in use`).toBeGreaterThanOrEqual(Math.min(2, rings));
  }
}

/** What `ethtool -S` says. */
async function ringCounters(vm: LinuxVm, device: string): Promise<Record<string, number>> {
  const text = await vm.run(`ethtool -S ${device}`);
  return Object.fromEntries(
    [...text.matchAll(/^ *(\w+): (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]),
  );
}
