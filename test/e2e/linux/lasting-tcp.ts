// Two guests with the Linux driver whose TCP by a tap, a switch and a pipe lasts while one host follows another.
import { afterAll, afterEach, describe, expect } from 'vitest';
import type { LinuxName } from '../../../vm-images/linux.ts';
import { type End, HOST, hostAddresses, ipv4, macOf, setUp } from '../../harness/linux-network.ts';
import type { LinuxVm } from '../../harness/linux-vm.ts';
import type { Netns } from '../../harness/netns.ts';
import { inGuest, inNetns, type Place } from '../../harness/place.ts';
import { sendFile } from '../../harness/transfer.ts';
import type { Upgraded } from '../../model/upgraded.ts';
import { vmTest } from '../vm-test.ts';
import { expectWell, Guests } from './guests.ts';
import { FEWER_RELEASES, LONG } from './releases.ts';

const LINKS = ['tap', 'vale', 'pipe'] as const;
const STATION = 11;
const OTHER = 12;
/** Some seconds at the limits below: several takeovers. */
const BYTES = LONG ? 120_000_000 : 20_000_000;
const LIMIT = '32Mbit';

const endOf = (name: (typeof LINKS)[number], station: number): End => ({
  name,
  link: LINKS.indexOf(name),
  station,
});

const devices = (station: number, ports: Readonly<Record<string, string>>): string =>
  Object.entries(ports)
    .map(([name, port]) => `{ port: '${port}', mac: '${macOf(endOf(name as 'tap', station))}' }`)
    .join(', ');

const lastingConfig = (net: Netns): string => `
regions: { lan: {} }
ports:
  'tap:tap': { netns: ${net.path}, tx-rings: 2, rx-rings: 2, address: ${hostAddresses(0)}, rate: ${LIMIT} }
  'vale0:a': { rate: { tx: ${LIMIT} } }
  'p{1': { vnet-hdr: true, rate: { tx: ${LIMIT} } }
  'p}1': { vnet-hdr: true }
vms:
  vm1: { region: lan, devices: [${devices(STATION, { tap: 'tap:tap', vale: 'vale0:a', pipe: 'p{1' })}] }
  vm2: { region: lan, devices: [${devices(OTHER, { vale: 'vale0:b', pipe: 'p}1' })}] }
`;

interface Followed {
  /** It serves. */
  readonly host: Upgraded;
  /** Puts another one in its place. @param i so often it was done in this transfer */
  another(i: number): Promise<unknown>;
  /** What TCP is given between two of them. */
  readonly restMs?: number;
}

/** A test for each release: every byte arrives, and no guest's kernel notices anything. @param start a host of this file */
export function testLasting(name: string, start: (yaml: string) => Promise<Followed>): void {
  for (const release of FEWER_RELEASES)
    describe(`Linux of ${release}`, () => {
      const guests = new Guests();
      afterEach((context) => {
        if (context.task.result?.state === 'fail') guests.keepLogs();
      });
      afterAll(async () => await guests.close());

      vmTest(name, async () => {
        const net = await guests.netns();
        const followed = await start(lastingConfig(net));
        await expectLasting(guests, release, net, followed);
      });
    });
}

async function expectLasting(
  guests: Guests,
  release: LinuxName,
  net: Netns,
  { host, another, restMs = 0 }: Followed,
): Promise<void> {
  const boot = async (
    name: string,
    count: number,
    links: readonly (typeof LINKS)[number][],
    station: number,
  ) => {
    const vm = await guests.boot({
      name: `${name}-${release}`,
      release,
      sockets: host.sockets(name, count),
    });
    await setUp(
      vm,
      links.map((link) => endOf(link, station)),
    );
    return vm;
  };
  const vms: [LinuxVm, LinuxVm] = await Promise.all([
    boot('vm1', 3, LINKS, STATION),
    boot('vm2', 2, ['vale', 'pipe'], OTHER),
  ]);
  const [vm1, vm2, outside] = [inGuest(vms[0]), inGuest(vms[1]), inNetns(net)];
  const carriers = () => vms[0].run('cat /sys/class/net/*/carrier_changes');
  const before = await carriers();
  const across = async (from: Place, to: Place, address: string) => {
    let ended = false;
    const transfer = sendFile({ from, to, address, bytes: BYTES }).finally(() => {
      ended = true;
    });
    let within = 0;
    for (let i = 0; !ended; i++) {
      await another(i);
      if (!ended) within++;
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
    const { sent, received } = await transfer;
    expect(received).toBe(sent);
    expect(within).toBeGreaterThan(0);
  };
  await across(vm1, outside, ipv4(0, HOST));
  await across(outside, vm1, ipv4(0, STATION));
  await across(vm1, vm2, ipv4(1, OTHER));
  await across(vm1, vm2, ipv4(2, OTHER));
  expect(await carriers()).toEqual(before);
  await expectWell(vms, [vm1, vm2, outside]);
}
