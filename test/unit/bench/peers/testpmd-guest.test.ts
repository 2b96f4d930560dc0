/** What goes into the VM that runs testpmd, as far as it can be told without one. */
import { expect, test } from 'vitest';
import { NETDEV, parseLdd, virtioArguments } from '../../../bench/peers/testpmd-guest.ts';

const LDD = `/usr/bin/dpdk-testpmd:
	linux-vdso.so.1 (0x00007fb785bed000)
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007fb785975000)
	librte_bus_vdev.so.23 => /usr/lib/dpdk/pmds-23.0/librte_bus_vdev.so.23 (0x00007fb7856b6000)
	/lib64/ld-linux-x86-64.so.2 (0x00007fb785bef000)
/usr/lib/dpdk/pmds-23.0/librte_net_virtio.so.23:
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007fb785975001)
`;

test('libraries are taken once, with the loader and without what the kernel brings', () => {
  expect(parseLdd(LDD)).toEqual([
    '/lib/x86_64-linux-gnu/libm.so.6',
    '/usr/lib/dpdk/pmds-23.0/librte_bus_vdev.so.23',
    '/lib64/ld-linux-x86-64.so.2',
  ]);
});

test('a library that is missing is named', () => {
  expect(() => parseLdd('\tlibnuma.so.1 => not found\n')).toThrow('libnuma.so.1: not found');
});

test('the device is where the guest looks for it, with the transmit queue that was asked for', () => {
  const args = virtioArguments(256);
  const device = JSON.parse(args[args.indexOf('-device') + 1]!);
  expect(device).toMatchObject({ driver: 'virtio-net-pci', netdev: NETDEV, addr: '4', tx_queue_size: 256 });
});
