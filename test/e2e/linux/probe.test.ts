// Which devices the Linux driver takes, and that network devices find their memory: several of each, in any order, under both pairs of ids, beside QEMU's own devices with the same ids.
import { afterEach, expect } from 'vitest';
import { type End, macOf, setUp } from '../../harness/linux-network.ts';
import { vmTest } from '../vm-test.ts';
import { Guests } from './guests.ts';
import { FEWER_RELEASES } from './releases.ts';
import { END } from './scene.ts';

const SECOND: End = { ...END, name: 'net1', link: 1 };

const guests = new Guests();
afterEach(async (context) => {
  if (context.task.result?.state === 'fail') guests.keepLogs();
  await guests.close();
});

for (const release of FEWER_RELEASES)
  vmTest(`${release}: network devices before their memory devices, beside a root port and xHCI`, async () => {
    const h = await guests.host(`
vms:
  vm1: { devices: [{ port: 'null:a', mac: '${macOf(END)}' }] }
  vm2: { pci-ids: '1b36:cccc', devices: [{ port: 'null:b', mac: '${macOf(SECOND)}' }] }
`);
    const [[memory1, network1], [memory2, network2]] = [h.sockets('vm1'), h.sockets('vm2')] as [
      [string, string],
      [string, string],
    ];
    // One machine has what two would have.
    const vm = await guests.boot({
      name: `probe-${release}`,
      release,
      machine: 'q35',
      sockets: [network1, network2, memory2, memory1],
      qemuArguments: [
        ...['-device', 'pcie-root-port,bus=pcie.0,chassis=1'],
        ...['-device', 'qemu-xhci,bus=pcie.0'],
      ],
    });
    await setUp(vm, [END, SECOND]);
    const devices = await vm.run(`cd /sys/bus/pci/devices; for d in *; do
  driver=$(readlink $d/driver)
  echo $(cat $d/vendor $d/device $d/class) \${driver##*/}
done | grep ^0x1b36 | sed 's/^0x1b36 //' | sort`);
    const taken = devices.split('\n').filter((line) => line.endsWith(' ptnet'));
    expect(taken).toEqual([
      '0x000c 0xff0000 ptnet',
      '0x000d 0x020000 ptnet',
      '0xcccc 0xff0000 ptnet',
      '0xcccd 0x020000 ptnet',
    ]);
    // QEMU's are there, and are not the driver's.
    expect(devices).toMatch(/^0x000c 0x060400/m);
    expect(devices).toMatch(/^0x000d 0x0c0330/m);
    // Each has the memory that its host gave it: packets leave, and are seen in its ring.
    for (const [name, port] of [
      ['net0', 'null:a'],
      ['net1', 'null:b'],
    ] as const) {
      const before = h.packets(port, 'tx');
      await vm.run(`ping -c 3 -i 0.05 -W 1 -b 198.18.${name.slice(-1)}.255 || :`);
      await expect.poll(() => h.packets(port, 'tx')).toBeGreaterThanOrEqual(before + 3);
    }
    await vm.run('rmmod ptnet');
    expect(await vm.run('ls /sys/class/net')).toBe('lo');
    vm.expectWell();
  });
