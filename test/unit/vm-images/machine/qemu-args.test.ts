/** The QEMU command line of a test VM. */
import { expect, test } from 'vitest';
import { type QemuOptions, qemuArguments } from '../../../../vm-images/machine/qemu-args.ts';

const OPTIONS: QemuOptions = {
  machine: 'pc',
  memory: '256M',
  smp: 1,
  accel: 'tcg',
  kernel: '/k',
  initramfs: '/i',
  sockets: [],
  qmpSocket: '/q',
};

/** The values that follow each occurrence of an option. */
const valuesOf = (args: string[], option: string) => args.filter((_, i) => args[i - 1] === option);

test("the guest's memory is shared, and as large in the machine as in the backend", () => {
  const args = qemuArguments({ ...OPTIONS, memory: '512M' });
  expect(valuesOf(args, '-machine')).toEqual(['pc,accel=tcg,memory-backend=mem']);
  expect(valuesOf(args, '-object')).toEqual(['memory-backend-memfd,id=mem,size=512M,share=on']);
  expect(valuesOf(args, '-m')).toEqual(['512M']);
});

test.each([
  ['pc', 'pci.0'],
  ['q35', 'pcie.0'],
] as const)('on %s each socket becomes a device on the root bus, in order', (machine, bus) => {
  const args = qemuArguments({ ...OPTIONS, machine, sockets: ['/run/mem.sock', '/run/net0.sock'] });
  const device = (id: string, path: string) => ({
    driver: 'vfio-user-pci',
    id,
    bus,
    socket: { path, type: 'unix' },
    rombar: 0,
  });
  expect(valuesOf(args, '-device').map((value) => JSON.parse(value))).toEqual([
    device('vfio0', '/run/mem.sock'),
    device('vfio1', '/run/net0.sock'),
  ]);
});

test('the kernel has its console on the serial port, and what the caller adds comes last', () => {
  const [line] = valuesOf(qemuArguments({ ...OPTIONS, append: 'isolcpus=1' }), '-append');
  expect(line).toMatch(/(^| )console=ttyS0( |$)/);
  expect(line).toMatch(/ isolcpus=1$/);
});

test('arguments for other devices come last', () => {
  const args = qemuArguments({ ...OPTIONS, sockets: ['/run/mem.sock'], more: ['-device', 'virtio-net-pci'] });
  expect(args.slice(-2)).toEqual(['-device', 'virtio-net-pci']);
});
