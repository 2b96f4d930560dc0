// Guests with Debian's kernels, without a driver of ours: they boot, see our devices, load modules and move packets by virtio-net.
import { afterEach, expect } from 'vitest';
import { iperf } from '../../harness/iperf.ts';
import { LinuxVm } from '../../harness/linux-vm.ts';
import { Netns } from '../../harness/netns.ts';
import { inGuest, inNetns } from '../../harness/place.ts';
import { checksumErrors, sendFile, sendSegments } from '../../harness/transfer.ts';
import { vmTest } from '../vm-test.ts';
import { startHost } from '../vms.ts';
import { RELEASES } from './releases.ts';

const vms: LinuxVm[] = [];
const namespaces: Netns[] = [];

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') for (const { vm } of vms) vm.keepLogs();
  await Promise.all(vms.splice(0).map((vm) => vm.stop()));
  await Promise.all(namespaces.splice(0).map((netns) => netns.close()));
});

async function boot(options: Parameters<typeof LinuxVm.start>[0]): Promise<LinuxVm> {
  const vm = await LinuxVm.start(options);
  vms.push(vm);
  await vm.ready();
  return vm;
}

for (const release of RELEASES)
  vmTest(`${release}: a guest sees our devices and takes modules, commands and files`, async () => {
    const h = await startHost('vms: { vm1: { devices: [{ port: "null:a" }, { port: "null:b" }] } }');
    const vm = await boot({ name: `linux-${release}`, release, sockets: h.sockets('vm1') });
    const ids = await vm.run(
      'cd /sys/bus/pci/devices; for d in *; do cat $d/vendor $d/device $d/class | tr "\\n" " "; echo; done',
    );
    const ours = ids.split('\n').filter((line) => line.startsWith('0x1b36'));
    expect(ours.map((line) => line.trim())).toEqual([
      '0x1b36 0x000c 0xff0000',
      '0x1b36 0x000d 0x020000',
      '0x1b36 0x000d 0x020000',
    ]);
    expect(await vm.run('uname -r')).toBe(vm.kernel.release);
    await vm.run('modprobe dummy; ip link add d0 type dummy; ip link show d0');
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) & 255));
    await vm.write('/tmp/file', bytes);
    expect((await vm.read('/tmp/file')).equals(bytes)).toBe(true);
    expect(await vm.attempt('echo out; echo err >&2; exit 3')).toEqual({
      code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    // Four at once, and a fifth that waits.
    const sleepers = Array.from({ length: 5 }, (_, i) => vm.run(`sleep 0.2; echo ${i}`));
    expect(await Promise.all(sleepers)).toEqual(['0', '1', '2', '3', '4']);
    await vm.restarts(() => vm.attempt('reboot -f').catch(() => {}));
    expect(await vm.attempt('cat /tmp/file')).toMatchObject({ code: 1 });
    vm.expectWell();
  });

vmTest(`${RELEASES.at(-1)}: what is wrong in a guest's kernel is noticed`, async () => {
  const vm = await boot({ name: 'linux-unwell', release: RELEASES.at(-1)! });
  vm.expectWell();
  await vm.run('echo "<4>WARNING: at nothing" > /dev/kmsg');
  await expect.poll(() => vm.trouble).toHaveLength(1);
  expect(() => vm.expectWell()).toThrow('WARNING: at nothing');
  // The machine restarts itself after a panic; whoever waits for a command is told.
  const doomed = vm.run('echo c > /proc/sysrq-trigger');
  await expect(doomed).rejects.toThrow(/panic/i);
});

vmTest(`${RELEASES.at(-1)}: virtio-net on a tap, as far as the machine and another guest`, async () => {
  const release = RELEASES.at(-1)!;
  const net = await Netns.open(
    'ip link add br0 type bridge\nip link set br0 up\nip address add 192.0.2.1/24 dev br0',
  );
  namespaces.push(net);
  const tap = (i: number) => [
    ...['-netdev', `tap,id=n,ifname=v${i},script=no,downscript=no`],
    ...['-device', `virtio-net-pci,netdev=n,romfile=,mac=02:00:00:00:00:0${i}`],
  ];
  const guests = await Promise.all(
    [1, 2].map((i) => boot({ name: `virtio${i}`, release, within: net.within, qemuArguments: tap(i) })),
  );
  for (const i of [1, 2]) await net.ip(`link set v${i} master br0 up`);
  await Promise.all(
    guests.map((vm, i) =>
      vm.run(`modprobe virtio_net; ip address add 192.0.2.${i + 11}/24 dev eth0; ip link set eth0 up`),
    ),
  );
  const [a, b] = guests.map(inGuest) as [ReturnType<typeof inGuest>, ReturnType<typeof inGuest>];
  const host = inNetns(net);
  await a.run('ping -c 3 -i 0.2 -w 20 192.0.2.1');
  const tcp = await iperf(a, host, { protocol: 'tcp', address: '192.0.2.1', seconds: 1 });
  expect(tcp.bytes).toBeGreaterThan(0);
  const udp = await iperf(a, b, { protocol: 'udp', address: '192.0.2.12', seconds: 1, bitrate: '1M' });
  expect(udp.packets).toBeGreaterThan(0);
  for (const [from, to, address] of [
    [a, host, '192.0.2.1'],
    [host, a, '192.0.2.11'],
    [a, b, '192.0.2.12'],
  ] as const) {
    const file = await sendFile({ from, to, address, bytes: 1_000_000 });
    expect(file.received).toBe(file.sent);
    const segments = await sendSegments({ from, to, address, bytes: 50_000 }, 1400);
    expect(segments.received).toBe(segments.sent);
    expect(await checksumErrors(to)).toBe(0);
  }
  for (const vm of guests) vm.expectWell();
});
