// Offloads of the Linux driver switched on and off at both ends of a link: every packet arrives whole, whoever does the work.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TestHost } from '../../harness/host.ts';
import { type End, ipv4, ipv6, macOf, setUp } from '../../harness/linux-network.ts';
import type { LinuxVm } from '../../harness/linux-vm.ts';
import { inGuest, type Place } from '../../harness/place.ts';
import { sendDatagrams, sendFile } from '../../harness/transfer.ts';
import { vmTest } from '../vm-test.ts';
import { expectWell, Guests, watchFor } from './guests.ts';
import { FEWER_RELEASES, LONG } from './releases.ts';

/** ethtool's names; whatever needs one that is off is off too. */
const FEATURES = ['tx', 'sg', 'tso', 'tx-udp-segmentation', 'gso', 'gro', 'rx'] as const;
const ALL = 2 ** FEATURES.length;

/** Each a word whose bit i says whether feature i is on. */
const COMBINATIONS = LONG
  ? Array.from({ length: ALL }, (_, word) => word)
  : [0b1111111, 0b0000000, 0b1010100, 0b0000111, 0b1001001, 0b0101010, 0b0110000];

/** A pipe passes on what it gets: in the short form two combinations show that. */
const LINKS = [
  { name: 'vale', ports: ['vale1:a', 'vale1:b'], combinations: COMBINATIONS },
  { name: 'pipe', ports: ['p{1', 'p}1'], combinations: LONG ? COMBINATIONS : COMBINATIONS.slice(0, 2) },
] as const;
const STATIONS = [11, 12] as const;

const endOf = (link: number, guest: number): End => ({
  name: LINKS[link]!.name,
  link,
  station: STATIONS[guest]!,
});
const devices = (guest: number): string =>
  LINKS.map(({ ports }, link) => `{ port: '${ports[guest]}', mac: '${macOf(endOf(link, guest))}' }`).join(
    ', ',
  );

const CONFIG = `
regions: { lan: { id: 5 } }
ports: { 'p{1': { vnet-hdr: true }, 'p}1': { vnet-hdr: true } }
vms:
  vm1: { region: lan, devices: [${devices(0)}] }
  vm2: { region: lan, devices: [${devices(1)}] }
`;

test('any two offloads are tried in all four ways', () => {
  for (let i = 0; i < FEATURES.length; i++)
    for (let j = 0; j < i; j++) {
      const met = new Set(COMBINATIONS.map((word) => `${(word >> i) & 1}${(word >> j) & 1}`));
      expect(met.size, `${FEATURES[i]} and ${FEATURES[j]}`).toBe(4);
    }
});

for (const release of FEWER_RELEASES)
  describe(`Linux of ${release}`, () => {
    const guests = new Guests();
    let host: TestHost | undefined;
    let vms: LinuxVm[] = [];
    let places: [Place, Place];

    beforeAll(async () => {
      host = await TestHost.start(CONFIG);
      vms = await Promise.all(
        ['vm1', 'vm2'].map((name) =>
          guests.boot({ name: `${name}-${release}`, release, sockets: host!.sockets(name) }),
        ),
      );
      await Promise.all(
        vms.map((vm, guest) =>
          setUp(
            vm,
            LINKS.map((_, link) => endOf(link, guest)),
          ),
        ),
      );
      places = [inGuest(vms[0]!), inGuest(vms[1]!)];
    }, 600_000);
    afterEach((context) => {
      if (context.task.result?.state === 'fail') guests.keepLogs();
    });
    afterAll(async () => {
      await guests.close();
      await host?.close();
    });

    /** In one ethtool: what a feature needs may come after it. @returns those that are on then. */
    async function set(vm: LinuxVm, device: string, word: number): Promise<string> {
      const wanted = FEATURES.map((name, i) => `${name} ${(word >> i) & 1 ? 'on' : 'off'}`).join(' ');
      // It exits with 1 when what was wanted was changed by what it needs.
      await vm.attempt(`ethtool -K ${device} ${wanted}`);
      return await vm.run(`ethtool -k ${device} | grep ': on' | grep -v fixed || :`);
    }

    for (const [link, { name, combinations }] of LINKS.entries())
      vmTest(`${name}: files and datagrams in ${combinations.length} combinations of offloads`, async () => {
        const seen = new Map<string, number>();
        for (const word of combinations) {
          const on = await Promise.all(vms.map((vm) => set(vm, name, word)));
          if (on.every((text) => seen.has(text))) continue;
          for (const text of on) seen.set(text, word);
          const why = `${name} with ${word.toString(2)}: ${on[0]}`;
          for (const [from, to, address] of [
            [places[0], places[1], ipv4(link, STATIONS[1])],
            [places[1], places[0], ipv6(link, STATIONS[0])],
          ] as const) {
            const file = await sendFile({ from, to, address, bytes: 400_000 });
            expect(file.received, why).toBe(file.sent);
            // Where checksums are off, an older kernel refuses to cut.
            const cutBy = word & 1 ? 'kernel' : 'sender';
            const segments = await sendDatagrams({ from, to, address, bytes: 40_000 }, 1000, cutBy);
            expect(segments.received, why).toBe(segments.sent);
          }
          await expectWell(vms, places);
        }
        // All on and all off are different, or nothing was tried.
        expect(seen.size).toBeGreaterThanOrEqual(Math.min(4, combinations.length));
      });

    vmTest(
      'segments of more than 64 KiB, which an interface has to be told to take, arrive whole',
      async () => {
        for (const vm of vms) {
          await set(vm, 'vale', ALL - 1);
          const [{ tso_max_size: most }] = JSON.parse(await vm.run('ip -details -json link show dev vale'));
          expect(most).toBeGreaterThan(100_000);
          await vm.run(`ip link set dev vale gso_max_size ${most} gso_ipv4_max_size ${most}`);
        }
        // Kernels before 6.3 have such segments for IPv6 alone.
        const addresses = release === 'bookworm' ? [ipv6] : [ipv4, ipv6];
        for (const address of addresses) {
          const seen = await watchFor(places[1], 'vale', 'greater 65600');
          const transfer = { from: places[0], to: places[1], bytes: 8_000_000, block: 1_000_000 };
          const file = await sendFile({ ...transfer, address: address(0, STATIONS[1]) });
          expect(file.received).toBe(file.sent);
          await seen();
        }
        for (const vm of vms) await vm.run('ip link set dev vale gso_max_size 65536 gso_ipv4_max_size 65536');
        await expectWell(vms, places);
      },
    );

    vmTest('offloads are switched under way: what is in flight arrives', async () => {
      const file = sendFile({
        from: places[0],
        to: places[1],
        address: ipv4(0, STATIONS[1]),
        bytes: 20_000_000,
      });
      let over = false;
      const ended = file.finally(() => {
        over = true;
      });
      ended.catch(() => {});
      for (let i = 0; !over; i++) await set(vms[i % 2]!, 'vale', COMBINATIONS[i % COMBINATIONS.length]!);
      const { sent, received } = await ended;
      expect(received).toBe(sent);
      await expectWell(vms, places);
    });
  });
