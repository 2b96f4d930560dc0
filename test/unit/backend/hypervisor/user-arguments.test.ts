// What a user may add to a VM's command line, and what belongs in the file instead.
import { expect, test } from 'vitest';
import {
  checkUserArguments,
  consoleArguments,
  saysAccel,
} from '../../../../backend/hypervisor/user-arguments.ts';

const check = (...args: string[]) => checkUserArguments(args, 'vm1');

test.each([
  [['-m', '2G'], "-m: not for the command line: 'memory' of vm1 in the file would be right"],
  [['--m', '2G'], "--m: not for the command line: 'memory' of vm1 in the file would be right"],
  [['-hda', 'x', '-M', 'q35'], "-M: not for the command line: 'machine' of vm1 in the file would be right"],
  [['-machine', 'q35'], "-machine: not for the command line: 'machine' of vm1 in the file would be right"],
  [['-name', 'x'], "-name: not for the command line: the VM's name in the file, vm1, would be right"],
  [
    ['-daemonize'],
    "-daemonize: not for the command line: 'ptnet run' ends with QEMU: 'ptnet up' and 'ptnet plan' would be right",
  ],
  [
    ['-object', 'memory-backend-ram,id=mem,size=1G'],
    "-object memory-backend-ram,id=mem,size=1G: 'mem' is the VM's own memory: another id would be right",
  ],
])('%j is refused', (args, message) => {
  expect(() => check(...args)).toThrow(message);
});

test.each([
  [['disk.qcow2']],
  [['-object', 'memory-backend-ram,id=mem2,size=1G']],
  [['-object', 'rng-random,id=r,filename=/dev/urandom']],
  [['-append', 'constructor -x']],
  [['-monitor', 'none', '-smp', '2', '-cpu', 'host']],
])('%j is taken', (args) => {
  expect(() => check(...args)).not.toThrow();
});

test('the console is on the terminal unless the user says where it goes', () => {
  expect(consoleArguments(['disk.img', '-smp', '2'])).toEqual(['-nographic']);
  for (const args of [['-display', 'gtk'], ['-serial', 'null'], ['--nographic'], ['-qmp', 'stdio']])
    expect(consoleArguments(args)).toEqual([]);
});

test("the user's accelerator is the only one", () => {
  expect(saysAccel(['-accel', 'tcg'])).toBe(true);
  expect(saysAccel(['-enable-kvm'])).toBe(true);
  expect(saysAccel(['-hda', 'accel'])).toBe(false);
});
