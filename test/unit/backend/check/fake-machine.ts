// A machine on which every check of a file passes, for tests that take one thing away.
import type { Machine, MachineInterface } from '../../../../backend/check/machine/machine.ts';
import { GIB } from './sizes.ts';

export const fakeMachine = (but: Partial<Machine> = {}): Machine => ({
  cpus: 8,
  nodes: new Map([[0, { cpus: [0, 1, 2, 3, 4, 5, 6, 7], memory: true }]]),
  memory: 64 * GIB,
  memoryAvailable: 60 * GIB,
  hugepages: { total: 0, free: 0 },
  addressBits: 46,
  capabilities: new Set([
    'CAP_NET_ADMIN',
    'CAP_NET_RAW',
    'CAP_IPC_LOCK',
    'CAP_SYS_ADMIN',
    'CAP_SYS_NICE',
    'CAP_BPF',
  ]),
  uid: 0,
  limits: { descriptors: 65_536, lockedBytes: Number.POSITIVE_INFINITY, maps: 65_530 },
  tun: { usable: true, why: '/dev/net/tun can be opened' },
  libxdp: true,
  kvm: { usable: true, why: 'QEMU has run a virtual CPU' },
  qemus: [{ from: 'path', binary: 'qemu-system-x86_64', argsPrefix: [], version: '10.1.0' }],
  interfaces: [],
  listening: new Set(),
  ...but,
});

export const link = (name: string, index: number, but: Partial<MachineInterface> = {}): MachineInterface => ({
  name,
  index,
  mtu: 1500,
  kind: '',
  master: 0,
  peer: 0,
  up: true,
  mac: `02:aa:00:00:00:${index.toString(16).padStart(2, '0')}`,
  addresses: [],
  ...but,
});
