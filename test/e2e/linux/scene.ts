// What tests of a guest's life share: a guest with one interface to the host, traffic both ways, and what must be so afterwards.
import { expect } from 'vitest';
import type { TestHost } from '../../harness/host.ts';
import { type End, HOST, hostAddresses, ipv4, ipv6, macOf, setUp } from '../../harness/linux-network.ts';
import type { LinuxVm, LinuxVmOptions } from '../../harness/linux-vm.ts';
import type { Netns } from '../../harness/netns.ts';
import { inGuest, inNetns, type Place } from '../../harness/place.ts';
import { sendFile } from '../../harness/transfer.ts';
import { expectWell, type Guests } from './guests.ts';
import type { RELEASES } from './releases.ts';

/** The guest's interface, and the host's address at its other end. */
export const END: End = { name: 'net0', link: 0, station: 11 };
export const HOST_ADDRESS = ipv4(0, HOST);
/** Port 9 discards: nobody listens, and most packets are not even answered. */
const DISCARD = 9;
const FLOOD_TIMEOUT_MS = 3_600_000;

export interface Scene {
  readonly h: TestHost;
  readonly net: Netns;
  readonly vm: LinuxVm;
  readonly guest: Place;
  readonly host: Place;
}

/** The host's configuration, without run-dir: vm1 has a memory device and `END`, a tap in that namespace. */
export const SCENE = (net: Netns): string => `
ports: { 'tap:net0': { netns: ${net.path}, address: ${hostAddresses(0)} } }
vms: { vm1: { devices: [{ port: 'tap:net0', mac: '${macOf(END)}' }] } }
`;

/** A guest with one interface to the host, set up. */
export async function scene(
  guests: Guests,
  release: (typeof RELEASES)[number],
  options: Partial<LinuxVmOptions> = {},
): Promise<Scene> {
  const net = await guests.netns();
  const h = await guests.host(SCENE(net));
  const vm = await guests.boot({ name: `life-${release}`, release, sockets: h.sockets('vm1'), ...options });
  await setUp(vm, [END]);
  // Packets are sent whether or not the guest answers.
  await net.ip(`neigh replace ${ipv4(0, END.station)} lladdr ${macOf(END)} dev net0 nud permanent`);
  return { h, net, vm, guest: inGuest(vm), host: inNetns(net) };
}

const FLOOD = (address: string): string =>
  `socat -u -b 1000 OPEN:/dev/zero UDP4-DATAGRAM:${address}:${DISCARD}`;

/** From the guest, again whenever its interface is back. */
export async function floodHost(vm: LinuxVm): Promise<void> {
  await vm.run(
    `while :; do ${FLOOD(HOST_ADDRESS)}; sleep 0.05; done > /dev/null 2>&1 & echo $! > /run/flood`,
  );
}

export const STOP_FLOOD =
  '[ ! -e /run/flood ] || { kill $(cat /run/flood); rm /run/flood; pkill -f UDP4-DATAGRAM || :; }';

/** Sends datagrams both ways as fast as they go until that is stopped. */
export async function flood({ vm, host }: Scene): Promise<() => Promise<void>> {
  await floodHost(vm);
  const abort = host.run(
    `${FLOOD(ipv4(0, END.station))} & pid=$!; until [ -e /tmp/ptnet-flood-${process.pid} ]; do sleep 0.1; done; kill $pid; rm /tmp/ptnet-flood-${process.pid}`,
    FLOOD_TIMEOUT_MS,
  );
  abort.catch(() => {});
  return async () => {
    await host.run(`touch /tmp/ptnet-flood-${process.pid}`);
    await abort.catch(() => {});
    // A guest that has restarted has none.
    await vm.run(STOP_FLOOD);
  };
}

/** Both ends hear each other, and a file comes whole. */
export async function expectTraffic({ vm, guest, host }: Scene): Promise<void> {
  await guest.run(`ping -c 2 -i 0.1 -w 60 ${HOST_ADDRESS}; ping -c 2 -i 0.1 -w 60 ${ipv6(0, HOST)}`);
  for (const [from, to, address] of [
    [guest, host, HOST_ADDRESS],
    [host, guest, ipv4(0, END.station)],
  ] as const) {
    const { sent, received } = await sendFile({ from, to, address, bytes: 300_000 });
    expect(received).toBe(sent);
  }
  await expectWell([vm], [guest, host]);
}
