// The QEMU command line: every argument that vfio-user devices need, and quoting that a shell undoes.
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AttachedVm } from '../../../../backend/hypervisor/attach.ts';
import { formatCommand, qemuArguments, shellQuote } from '../../../../backend/hypervisor/qemu.ts';

const VM: AttachedVm = {
  name: 'vm1',
  memory: '512M',
  machine: 'pc',
  devices: [
    { name: 'mem', socketPath: '/run/x/vm1/mem.sock' },
    { name: '0net', socketPath: '/run/x/vm1/0net.sock', port: 'vale0:1', mac: '02:00:00:00:01:00' },
  ],
};

test('the arguments are exactly those that are known to work', () => {
  expect(qemuArguments(VM)).toEqual([
    '-name',
    'vm1',
    '-machine',
    'pc,memory-backend=mem',
    '-accel',
    'kvm',
    '-accel',
    'tcg',
    '-object',
    'memory-backend-memfd,id=mem,size=512M,share=on',
    '-m',
    '512M',
    '-nic',
    'none',
    '-device',
    '{"driver":"vfio-user-pci","id":"ptnet-mem","socket":{"path":"/run/x/vm1/mem.sock","type":"unix"},"rombar":0,"x-msg-timeout":600000}',
    '-device',
    '{"driver":"vfio-user-pci","id":"ptnet-0net","socket":{"path":"/run/x/vm1/0net.sock","type":"unix"},"rombar":0,"x-msg-timeout":600000}',
  ]);
});

test('the machine is the caller’s', () => {
  expect(qemuArguments({ ...VM, machine: 'q35' })).toContain('q35,memory-backend=mem');
});

test('the accelerator is the one that works, or the user’s own', () => {
  const accels = (args: string[]) => args.filter((_, i) => args[i - 1] === '-accel');
  expect(accels(qemuArguments(VM, ['tcg']))).toEqual(['tcg']);
  expect(accels(qemuArguments(VM, []))).toEqual([]);
});

test('a VM on a NUMA node has all its memory there, the CSB with it', () => {
  expect(qemuArguments({ ...VM, numaNode: 1 })).toContain(
    'memory-backend-memfd,id=mem,size=512M,share=on,host-nodes=1,policy=bind',
  );
});

test('a command is printed with an option and its value on a line', () => {
  expect(formatCommand('qemu-system-x86_64', ['-m', '512M', '-snapshot', '-device', '{"a":1}'])).toBe(
    `qemu-system-x86_64 \\\n  -m 512M \\\n  -snapshot \\\n  -device '{"a":1}'`,
  );
});

test('a shell gives back what was quoted', () => {
  const words = fc.array(
    fc.string({ unit: 'binary-ascii' }).map((s) => s.replaceAll('\0', '')),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(words, (list) => {
      const script = `printf '%s\\0' ${list.map(shellQuote).join(' ')}`;
      expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(`${list.join('\0')}\0`);
    }),
    { seed: 3, numRuns: 50 },
  );
});

test('a path with a comma and a quote comes through the printed command', () => {
  const args = qemuArguments({ ...VM, devices: [{ name: 'mem', socketPath: "/run/a,b'c/mem.sock" }] });
  const output = execFileSync('sh', ['-c', formatCommand("printf '%s\\n'", args)], { encoding: 'utf8' });
  expect(output.trimEnd().split('\n')).toEqual(args);
});
