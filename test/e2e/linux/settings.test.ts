// What a Linux guest's administrator sees and sets: ethtool's queries and settings, MTU, addresses; and that the kernel's checks are on.
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { type End, macOf, setUp } from '../../harness/linux-network.ts';
import type { LinuxVm } from '../../harness/linux-vm.ts';
import { vmTest } from '../vm-test.ts';
import { Guests } from './guests.ts';
import { FEWER_RELEASES, type RELEASES } from './releases.ts';
import { END } from './scene.ts';

const guests = new Guests();
afterEach((context) => {
  if (context.task.result?.state === 'fail') guests.keepLogs();
});
afterAll(() => guests.close());

const BARE: End = { ...END, name: 'net1', link: 1 };

/** A guest with an interface of three tx rings of 256 slots and two rx rings of 512, and one without a header; both lead nowhere. */
async function boot(release: (typeof RELEASES)[number]): Promise<LinuxVm> {
  const host = await guests.host(`
ports:
  'null:a': { tx-rings: 3, rx-rings: 2, tx-slots: 256, rx-slots: 512 }
  'null:b': { vnet-hdr: false }
vms:
  vm1:
    devices: [{ port: 'null:a', mac: '${macOf(END)}' }, { port: 'null:b', mac: '${macOf(BARE)}' }]
`);
  const vm = await guests.boot({ name: `set-${release}`, release, sockets: host.sockets('vm1') });
  await setUp(vm, [END, BARE]);
  return vm;
}

/** What it says when it fails. */
async function refused(vm: LinuxVm, command: string): Promise<string> {
  const { code, stderr } = await vm.attempt(command);
  expect(code, command).not.toBe(0);
  return stderr;
}

for (const release of FEWER_RELEASES)
  describe(`Linux of ${release}`, () => {
    let vm: LinuxVm;

    beforeAll(async () => {
      vm = await boot(release);
    }, 600_000);

    vmTest('what ethtool and ip show and set', async () => {
      const info = await vm.run('ethtool -i net0');
      expect(info).toMatch(/^driver: ptnet$/m);
      expect(info).toMatch(/^bus-info: 0000:00:[0-9a-f]{2}\.0$/m);
      const link = await vm.run('ethtool net0');
      expect(link).toMatch(/Speed: Unknown/);
      expect(link).toMatch(/Link detected: yes/);
      const rings = await vm.run('ethtool -g net0');
      for (const section of ['Pre-set maximums', 'Current hardware settings'])
        expect(rings).toMatch(new RegExp(`${section}:\\nRX:\\s+512\\n(?:.*\\n)*?TX:\\s+256\\n`));
      await refused(vm, 'ethtool -G net0 rx 128');
      await refused(vm, 'ethtool -C net0 rx-usecs 10');

      // Fewer tx queues, and all of them again; rx queues are the host's to choose among.
      const used = async () => await vm.run(`ethtool -l net0 | sed -n '/Current/,$s/^[RT]X:[[:space:]]*//p'`);
      expect(await used()).toBe('2\n3');
      await vm.run('ethtool -L net0 tx 1');
      expect(await used()).toBe('2\n1');
      expect(await vm.run('ls -d /sys/class/net/net0/queues/tx-* | wc -l')).toBe('1');
      await refused(vm, 'ethtool -L net0 rx 1');
      await refused(vm, 'ethtool -L net0 tx 0');
      await refused(vm, 'ethtool -L net0 tx 4');
      await vm.run('ethtool -L net0 tx 3');
      expect(await used()).toBe('2\n3');

      const names = [...(await vm.run('ethtool -S net0')).matchAll(/^ *((?:tx|rx)\d)_packets:/gm)];
      expect(names.map(([, name]) => name)).toEqual(['tx0', 'tx1', 'tx2', 'rx0', 'rx1']);
      expect(await vm.run('grep -c net0- /proc/interrupts')).toBe('5');

      expect(await refused(vm, 'ip link set dev net0 address 02:00:00:00:00:99')).toMatch(/not supported/);
      for (const mtu of [68, 1500, 9000, 65535]) await vm.run(`ip link set dev net0 mtu ${mtu}`);
      for (const mtu of [67, 65536]) await refused(vm, `ip link set dev net0 mtu ${mtu}`);
      await vm.run('ip link set dev net0 promisc on; ip link set dev net0 allmulticast on');
      await vm.run('ip maddress add 01:00:5e:00:00:99 dev net0; ip link set dev net0 promisc off');

      // Each offload on its own; those that there is no header for cannot be had.
      for (const feature of ['tx', 'sg', 'tso', 'gso', 'gro', 'rx', 'tx-udp-segmentation'])
        await vm.run(`ethtool -K net0 ${feature} off && ethtool -K net0 ${feature} on`);
      expect(await vm.run('ethtool -k net0')).toMatch(/^tcp-segmentation-offload: on$/m);
      vm.expectWell();
    });

    vmTest('without a header there are no offloads, whatever is asked for', async () => {
      await vm.attempt('ethtool -K net1 tx on tso on tx-udp-segmentation on');
      const features = await vm.run('ethtool -k net1');
      for (const feature of ['tx-checksumming', 'tcp-segmentation-offload', 'tx-udp-segmentation'])
        expect(features).toMatch(new RegExp(`^${feature}: off`, 'm'));
      vm.expectWell();
    });

    vmTest("the kernel checks what Debian's kernels can check", async () => {
      const checks = ['sanity_checks', 'red_zone', 'poison', 'store_user'];
      const flags = checks.map((check) => `/sys/kernel/slab/kmalloc-1k/${check}`).join(' ');
      expect(await vm.run(`cat ${flags}`)).toBe('1\n1\n1\n1');
      expect(await vm.run('dmesg | grep -c "heap free:on"')).toBe('1');
      // Kernels before 6.12 are built without it.
      const kfence = await vm.attempt('cat /sys/module/kfence/parameters/sample_interval');
      expect(kfence.stdout.trim()).toBe(release === 'bookworm' ? '' : '10');
      vm.expectWell();
    });
  });
