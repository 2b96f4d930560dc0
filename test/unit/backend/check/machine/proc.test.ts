// What is read from the kernel's files: with texts as kernels write them, and on this machine.
import { expect, test } from 'vitest';
import {
  readAddressBits,
  readCapabilities,
  readLimit,
  readListening,
  readMemory,
  readNumber,
  readText,
} from '../../../../../backend/check/machine/proc.ts';
import { readMachine } from '../../../../../backend/check/machine/read.ts';

test('memory in bytes', () => {
  const text = 'MemTotal:       24684084 kB\nMemFree:        1 kB\nMemAvailable:   24067748 kB\n';
  expect(readMemory(text)).toEqual({ total: 24_684_084 * 1024, available: 24_067_748 * 1024 });
});

test('physical address bits, where the CPU says them', () => {
  expect(readAddressBits('processor\t: 0\naddress sizes\t: 46 bits physical, 48 bits virtual\n')).toBe(46);
  expect(readAddressBits('processor\t: 0\n')).toBeUndefined();
});

test('capabilities in force', () => {
  expect([...readCapabilities('CapPrm:\tffffffffffffffff\nCapEff:\t0000000000003000\n')]).toEqual([
    'CAP_NET_ADMIN',
    'CAP_NET_RAW',
  ]);
  expect(readCapabilities('CapEff:\t0000008000000000').has('CAP_BPF')).toBe(true);
  expect(readCapabilities('').size).toBe(0);
});

test('limits: the soft one, or none', () => {
  const text = `Limit                     Soft Limit           Hard Limit           Units
Max open files            1024                 1048576              files
Max locked memory         unlimited            unlimited            bytes`;
  expect(readLimit('Max open files', text)).toBe(1024);
  expect(readLimit('Max locked memory', text)).toBe(Number.POSITIVE_INFINITY);
  expect(readLimit('Max nothing', text)).toBe(Number.POSITIVE_INFINITY);
});

test('sockets that somebody listens on', () => {
  const text = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/ptnetmap/vm1/net0.sock
0000000000000000: 00000003 00000000 00000000 0001 03 12346 /run/ptnetmap/vm1/net1.sock
0000000000000000: 00000002 00000000 00010000 0001 01   346 @abstract
0000000000000000: 00000002 00000000 00010000 0005 01   347 /run/with space.sock`;
  expect([...readListening(text)]).toEqual(['/run/ptnetmap/vm1/net0.sock', '/run/with space.sock']);
});

test('files that are not there, or hold no number, are none', () => {
  expect(readText('/proc/nowhere')).toBe('');
  expect(readNumber('/proc/version')).toBeUndefined();
  expect(readNumber('/proc/sys/vm/max_map_count')).toBeGreaterThan(1000);
});

test('this machine has a CPU, memory and a loopback', async () => {
  const machine = await readMachine();
  expect(machine.cpus).toBeGreaterThan(0);
  expect(machine.memory).toBeGreaterThan(machine.memoryAvailable);
  expect(machine.interfaces).toContainEqual(expect.objectContaining({ name: 'lo', index: 1, peer: 0 }));
});
