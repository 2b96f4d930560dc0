// A host that lies to the Linux driver: each lie is an error in the guest's log, no interface or no carrier, and never more than that.
import { afterEach, expect } from 'vitest';
import { HostileHost, NIFP, RX_RING, SLOTS, TX_RING } from '../../harness/hostile-host.ts';
import { driverEntries } from '../../harness/linux-driver.ts';
import { CHECKS, LinuxVm } from '../../harness/linux-vm.ts';
import { vmTest } from '../vm-test.ts';
import { LONG, RELEASES } from './releases.ts';

const MOREFRAG = 0x20_0000;
const U32 = 0xffff_ffff;

/** What is said instead of the truth, and what the kernel's log says then. */
type Lie = readonly [what: string, tell: (h: HostileHost) => void, log: RegExp];

const mem = (offset: number, value: number) => (h: HostileHost) => h.memLies.set(offset, value);
const net = (offset: number, value: number) => (h: HostileHost) => h.netLies.set(offset, value);
const poke =
  (offset: number, ...words: number[]) =>
  (h: HostileHost) =>
    h.poke(offset, ...words);

/** By which there is no interface at all. */
const NO_INTERFACE: readonly Lie[] = [
  ['a region of 0 bytes', mem(0, 0), /region of 0 bytes does not fit BAR 1/],
  ['a region of 2^62 bytes', mem(4, 0x4000_0000), /does not fit BAR 1/],
  ['memory id 0', mem(8, 0), /memory id 0 is not one of/],
  ['4 billion buffers', mem(92, U32), /4294967295 buffers of 2048 bytes at 65536 are outside/],
  ['buffers of 0 bytes', mem(96, 0), /buffers of 0 bytes/],
  ['buffers of 4 GiB', mem(96, U32), /buffers of 4294967295 bytes/],
  ['buffers behind the region', mem(88, U32), /at 4294967295 are outside/],
  ['no tx rings', net(28, 0), /0 tx and 1 rx rings .* cannot be/],
  ['4 billion rx rings', net(32, U32), /4294967295 rx rings .* cannot be/],
  ['32 tx rings', net(28, 32), /32 tx and 1 rx rings .* cannot be/],
  ['rings of 1 slot', net(36, 1), /of 1 and 128 slots cannot be/],
  ['rings of 4 billion slots', net(40, U32), /4294967295 slots cannot be/],
  ['a header of 7 bytes', net(44, 7), /virtio-net header of 7 bytes/],
  ['8 tx rings with 2 vectors', net(28, 8), /9 MSI-X vectors/],
];

/** By which there is one, without a carrier. */
const NO_CARRIER: readonly Lie[] = [
  ['a netmap_if that is nowhere', net(24, U32 - 7), /netmap_if at 4294967288 is outside/],
  ['a netmap_if between words', net(24, 12), /netmap_if at 12 is outside/],
  ['another number of rings in netmap_if', poke(NIFP + 24, 2), /2 tx and 1 rx rings, not 1 and 1/],
  ['4 billion host rings', poke(NIFP + 36, U32), /table of rings ends outside/],
  ['a tx ring that is none', poke(NIFP + 56, 0, 0), /tx ring 0: the host serves none/],
  [
    'an rx ring before the region',
    poke(NIFP + 64, U32 - 4095, U32),
    /rx ring 0: \d+ bytes at \d+ are outside/,
  ],
  ['a ring that ends behind the region', poke(NIFP + 64, (4 << 20) - 256, 0), /rx ring 0: .* outside/],
  ['more slots than the register says', poke(TX_RING + 8, 4096), /tx ring 0: 4096 slots/],
  ['buffers elsewhere', poke(RX_RING, 0, 1), /rx ring 0: .* buffers of 2048 bytes at/],
  ['a refusal', (h) => (h.createResult = 12), /does not serve the rings \(-ENOMEM\)/],
  ['an errno that is none', (h) => (h.createResult = 70_000), /does not serve the rings \(-EIO\)/],
  [
    'head outside the ring',
    (h) => (h.onCreate = () => h.csb('guestToHost', 0, U32)),
    /starts at head 4294967295/,
  ],
  ['hwtail outside the ring', (h) => (h.onCreate = () => h.publish(1, 0, SLOTS)), /hwtail 128 of 128 slots/],
  ['hwcur outside the ring', (h) => (h.onCreate = () => h.publish(0, SLOTS, 5)), /hwcur 128/],
];

const hosts: HostileHost[] = [];
const vms: LinuxVm[] = [];

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') for (const { vm } of vms) vm.keepLogs();
  await Promise.all(vms.splice(0).map((vm) => vm.stop()));
  for (const host of hosts.splice(0)) host.close();
});

async function boot(release: (typeof RELEASES)[number]): Promise<{ h: HostileHost; vm: LinuxVm }> {
  const h = new HostileHost();
  hosts.push(h);
  const vm = await LinuxVm.start({
    name: `hostile-${release}`,
    release,
    sockets: h.sockets,
    files: await driverEntries(release),
    append: CHECKS,
    smp: 2,
  });
  vms.push(vm);
  await vm.ready();
  return { h, vm };
}

/** Loads the driver, sets up the interface if there is one; what is there, and the log since. */
const LOAD = `dmesg -c > /dev/null
insmod /root/ptnet.ko
sleep 0.2
for d in /sys/class/net/e*; do
  [ -e $d ] || { echo none; continue; }
  ip link set dev \${d##*/} up
  echo carrier $(cat $d/carrier)
done
`;
const UNLOAD = 'dmesg; rmmod ptnet';

/** The checks are the driver's own, and the same code in every kernel. */
for (const release of LONG ? RELEASES : RELEASES.slice(-1)) {
  vmTest(`${release}: a host whose registers or region make no sense`, async () => {
    const { h, vm } = await boot(release);
    for (const [lies, there] of [
      [NO_INTERFACE, 'none'],
      [NO_CARRIER, 'carrier 0'],
    ] as const)
      for (const [what, tell, log] of lies) {
        h.tellTheTruth();
        tell(h);
        expect(await vm.run(LOAD), what).toBe(there);
        expect(await vm.run(UNLOAD), what).toMatch(log);
      }
    // After all this an honest one is served.
    h.tellTheTruth();
    expect(await vm.run(LOAD)).toBe('carrier 1');
    await vm.run(UNLOAD);
    vm.expectWell();
  });

  vmTest(`${release}: a host that refuses is asked again, and the log says it once`, async () => {
    const { h, vm } = await boot(release);
    h.createResult = 16;
    expect(await vm.run(LOAD)).toBe('carrier 0');
    await expect.poll(() => h.creates, { timeout: 60_000 }).toBeGreaterThan(2);
    h.createResult = 0;
    await expect.poll(() => vm.run('cat /sys/class/net/e*/carrier'), { timeout: 60_000 }).toBe('1');
    const log = await vm.run(UNLOAD);
    expect(log.match(/does not serve the rings/g)).toHaveLength(1);
    expect(log.match(/serves the rings again/g)).toHaveLength(1);
    vm.expectWell();
  });

  vmTest(`${release}: a host that publishes what cannot be, while packets are sent`, async () => {
    const { h, vm } = await boot(release);
    expect(await vm.run(LOAD)).toBe('carrier 1');
    await vm.run('cd /sys/class/net; ip address add 198.18.9.2/24 dev $(ls -d e*)');
    const sending = vm.run(
      'while [ ! -e /tmp/enough ]; do ping -c 1 -W 1 198.18.9.255 -b; sleep 0.01; done; true',
    );
    // Whole packets of rubbish, chains without an end, buffers and lengths that are none.
    let seed = 1;
    const any = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed >>> 8;
    };
    for (let round = 0; round < 3000; round++) {
      const i = any() % SLOTS;
      const buffer = any() % 8 === 0 ? any() : 2 + (any() % 300);
      const len = any() % 16 === 0 ? any() % 65536 : any() % 2048;
      h.poke(h.slot(RX_RING, i), buffer, len + (any() % 3 === 0 ? MOREFRAG : 0));
      if (any() % 4 === 0) h.poke(h.slot(TX_RING, i), any() % 2 === 0 ? any() : 2 + i);
      for (let word = 0; word < 4; word++)
        h.poke(65536 + 2048 * (2 + (any() % 300)) + 4 * word, any() * 256 + any());
      h.publish(1, any(), any() % SLOTS);
      h.publish(0, any() % SLOTS, any() % SLOTS);
      h.interrupt(1);
      h.interrupt(0);
      if (round % 16 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const counters = await vm.run('ethtool -S $(cd /sys/class/net; ls -d e*)');
    expect(Number(/rx0_errors: (\d+)/.exec(counters)![1])).toBeGreaterThan(100);
    expect(await vm.run('cat /sys/class/net/e*/carrier')).toBe('1');
    // An index outside its ring ends the service, and it is begun again.
    const before = h.creates;
    h.publish(1, 0, U32);
    h.interrupt(1);
    await expect.poll(() => h.creates, { timeout: 60_000 }).toBeGreaterThan(before);
    await expect.poll(() => vm.run('cat /sys/class/net/e*/carrier'), { timeout: 60_000 }).toBe('1');
    await vm.run('touch /tmp/enough');
    await sending;
    const log = await vm.run(UNLOAD);
    expect(log).toMatch(/rx ring 0 of 128 slots: the host published hwtail 4294967295: no carrier/);
    vm.expectWell();
  });
}
