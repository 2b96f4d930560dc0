// The checks of VMs and memory: each where it warns or fails, and where it passes.
import { type Case, NULL } from './case.ts';
import { VALE } from './findings.ts';
import { GIB, MIB } from './sizes.ts';

/** A command of vm1 in NULL; `mem` instead of what gives it memory, `more` beside it. */
const command = (more: readonly string[] = [], mem?: readonly string[], machine = 'pc'): string[] => [
  'qemu-system-x86_64',
  ...(mem ?? [
    '-machine',
    `${machine},memory-backend=mem`,
    '-object',
    'memory-backend-memfd,id=mem,size=512M,share=on',
    '-m',
    '512M',
  ]),
  ...['mem', 'net0'].flatMap((name) => [
    '-device',
    `{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/run/x/vm1/${name}.sock"},"x-msg-timeout":600000}`,
  ]),
  ...more,
];

export const VM_CASES: readonly Case[] = [
  { id: 'shared-memory', status: 'pass', says: /memory-backend-memfd 'mem', share=on/, yaml: NULL },
  {
    id: 'shared-memory',
    status: 'fail',
    says: /no memory backend/,
    yaml: NULL,
    command: command([], ['-m', '512M']),
  },
  {
    id: 'shared-memory',
    status: 'fail',
    says: /'mem' has share=off/,
    yaml: NULL,
    command: command(
      [],
      ['-machine', 'pc,memory-backend=mem', '-object', 'memory-backend-ram,id=mem,size=512M', '-m', '512M'],
    ),
  },
  {
    id: 'shared-memory',
    status: 'fail',
    says: /no machine and no NUMA node has the memory backend 'ram'/,
    yaml: NULL,
    command: command([], ['-object', 'memory-backend-memfd,id=ram,size=512M,share=on', '-m', '512M']),
  },
  {
    id: 'shared-memory',
    status: 'fail',
    says: /there is no memory backend 'mem'/,
    yaml: NULL,
    command: command([], ['-machine', 'pc,memory-backend=mem', '-m', '512M']),
  },
  {
    id: 'shared-memory',
    status: 'warn',
    says: /is \/var\/lib\/ram: a CSB on a file/,
    yaml: NULL,
    command: command(
      [],
      [
        '-object',
        'memory-backend-file,id=n0,size=512M,mem-path=/var/lib/ram,share=on',
        '-numa',
        'node,memdev=n0',
        '-m',
        '512M',
      ],
    ),
  },
  { id: 'vm-memory', status: 'pass', says: /512M in the file/, yaml: NULL },
  {
    id: 'vm-memory',
    status: 'fail',
    says: /-m is 1 GiB and its memory backends have 512 MiB/,
    yaml: NULL,
    command: command(
      [],
      ['-machine', 'pc,memory-backend=mem', '-object', 'memory-backend-memfd,id=mem,size=512M', '-m', '1G'],
    ),
  },
  {
    id: 'vm-memory',
    status: 'warn',
    says: /the command gives it 1 GiB, the file 512M/,
    yaml: NULL,
    command: command(
      [],
      ['-machine', 'pc,memory-backend=mem', '-object', 'memory-backend-memfd,id=mem,size=1G', '-m', '1G'],
    ),
  },
  { id: 'vm-devices', status: 'pass', says: /2 vfio-user-pci devices/, yaml: NULL, command: command() },
  {
    id: 'vm-devices',
    status: 'fail',
    says: /no vfio-user-pci has the socket \/run\/x\/vm1\/net0.sock$/,
    yaml: NULL,
    command: command().filter((word) => !word.includes('net0')),
  },
  {
    id: 'vm-devices',
    status: 'fail',
    says: /before the memory device/,
    yaml: NULL,
    command: command()
      .toSorted((a, b) => Number(b.includes('net0')) - Number(a.includes('net0')))
      .flatMap((word) => (word.startsWith('{') ? ['-device', word] : word === '-device' ? [] : [word])),
  },
  { id: 'msg-timeout', status: 'pass', says: /60 s/, yaml: NULL },
  {
    id: 'msg-timeout',
    status: 'warn',
    says: /net0.sock waits for 5000 ms/,
    yaml: NULL,
    command: command().map((word) =>
      word.includes('net0') ? word.replace(',"x-msg-timeout":600000', '') : word,
    ),
  },
  { id: 'pci-ids', status: 'pass', says: /machine pc/, yaml: NULL },
  {
    id: 'pci-ids',
    status: 'pass',
    says: /1b36:cccc/,
    yaml: NULL.replace('devices', "machine: q35, pci-ids: '1b36:cccc', devices"),
  },
  {
    id: 'pci-ids',
    status: 'warn',
    says: /machine q35/,
    yaml: NULL.replace('devices', 'machine: q35, devices'),
  },
  {
    id: 'pci-ids',
    status: 'warn',
    says: /qemu-xhci has 1b36:000d/,
    yaml: NULL,
    command: command(['-device', 'qemu-xhci,id=usb']),
  },
  { id: 'viommu', status: 'pass', says: /no virtual IOMMU/, yaml: NULL },
  {
    id: 'viommu',
    status: 'warn',
    says: /intel-iommu/,
    yaml: NULL,
    command: command(['-device', 'intel-iommu,caching-mode=on']),
  },
  {
    id: 'bar-window',
    status: 'pass',
    says: /^the region has 8.1 MiB, so BAR 1 16 MiB; the PCI hole of 'pc' with 512 MiB of RAM is 2.0 GiB from 0x80000000$/,
    yaml: NULL,
  },
  {
    id: 'bar-window',
    status: 'pass',
    says: /above 4 GiB/,
    yaml: "regions: { big: { buf-num: 1000000 } }\nvms: { vm1: { region: big, devices: [{ port: 'null:a' }] } }",
  },
  {
    id: 'bar-window',
    status: 'fail',
    says: /the CPU has 36 address bits/,
    yaml: "regions: { big: { buf-num: 1000000, buf-size: 65536 } }\nvms: { vm1: { region: big, devices: [{ port: 'null:a' }] } }",
    machine: { addressBits: 36, memory: 900 * GIB, memoryAvailable: 900 * GIB },
  },
  { id: 'host-memory', status: 'pass', says: /VMs 1 GiB \+ regions/, yaml: VALE },
  {
    id: 'host-memory',
    status: 'warn',
    says: /512 MiB can be had/,
    yaml: VALE,
    machine: { memoryAvailable: 512 * MIB },
  },
  {
    id: 'host-memory',
    status: 'fail',
    says: /this machine has 512 MiB/,
    yaml: VALE,
    machine: { memory: 512 * MIB, memoryAvailable: 0 },
  },
  ...(
    [
      [4096, 'pass', /: 256 huge pages of 2 MiB, 4096 are free/],
      [3, 'fail', /256 huge pages of 2 MiB, 3 are free/],
    ] as const
  ).map(
    ([free, status, says]): Case => ({
      id: 'hugepages',
      status,
      says,
      yaml: "regions: { lan: { hugepages: true } }\nvms: { vm1: { region: lan, devices: [{ port: 'null:a' }] } }",
      machine: { hugepages: { total: 4096, free } },
    }),
  ),
];
