// What ptnet doctor says: what is there, what is not, and nothing about whom it belongs to.
import { homedir, hostname, networkInterfaces, userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { readCgroup } from '../../../../../backend/check/doctor/cgroup.ts';
import { doctorFacts, examine, withoutHome } from '../../../../../backend/check/doctor/doctor.ts';
import { readMachine } from '../../../../../backend/check/machine/read.ts';
import { fakeMachine } from '../fake-machine.ts';
import { GIB } from '../sizes.ts';

const facts = { version: '1.2.3', cgroup: {}, home: '/home/alice', finds: () => true };
const itemOf = (items: ReturnType<typeof examine>, name: string) => items.find((item) => item.name === name);

test('a machine with everything lacks nothing', () => {
  const items = examine(fakeMachine({ hugepages: { total: 8, free: 8 } }), facts);
  expect(items.filter(({ has }) => has === false)).toEqual([]);
  expect(itemOf(items, 'ptnetmap')!.value).toBe('1.2.3');
  expect(itemOf(items, 'QEMU (path)')!.value).toBe('10.1.0, with vfio-user-pci');
});

test('what is lacking is said to be', () => {
  const machine = fakeMachine({
    uid: 1000,
    capabilities: new Set(),
    kvm: { usable: false, why: 'there is no /dev/kvm' },
    qemus: [],
    libxdp: false,
    tun: { usable: false, why: 'there is no /dev/net/tun' },
  });
  const items = examine(machine, { ...facts, cgroup: { memory: GIB, cpus: 1.5 }, finds: () => false });
  for (const name of [
    'root',
    'CAP_NET_ADMIN',
    'KVM',
    'QEMU',
    'libxdp',
    '/dev/net/tun',
    'huge pages',
    'program ip',
  ])
    expect(itemOf(items, name)!.has, name).toBe(false);
  expect(itemOf(items, 'cgroup memory')!.value).toBe('1 GiB');
  expect(itemOf(items, 'cgroup CPUs')!.value).toBe('1.5');
});

test('no paths of a home', () => {
  const why = "/home/alice/qemu: /home/bob/lib.so: cannot open '/home/carol'";
  const machine = fakeMachine({ qemus: [{ from: 'path', binary: '/home/alice/qemu', argsPrefix: [], why }] });
  expect(itemOf(examine(machine, facts), 'QEMU (path)')!.value).toBe("~/qemu: ~/lib.so: cannot open '~'");
  expect(withoutHome('/root/x /rooted', '/root')).toBe('~/x /rooted');
});

test('of this machine: no name, no user, no address', async () => {
  const text = JSON.stringify(examine(await readMachine(), doctorFacts('1.2.3')));
  expect(text).not.toContain(`${homedir()}/`);
  if (hostname().length > 4 && hostname() !== 'localhost') expect(text).not.toContain(hostname());
  if (userInfo().username !== 'root') expect(text).not.toContain(userInfo().username);
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address, mac } of addresses ?? []) {
      if (address === '::1' || address === '127.0.0.1') continue;
      expect(text).not.toContain(address);
      expect(text).not.toContain(mac);
    }
});

const reader = (files: Record<string, string>) => (path: string) => files[path] ?? '';

test('cgroups, version 2: the least limit on the way up', () => {
  const files = {
    '/proc/self/cgroup': '0::/a/b',
    '/sys/fs/cgroup/a/b/memory.max': 'max',
    '/sys/fs/cgroup/a/memory.max': '1073741824',
    '/sys/fs/cgroup/a/b/cpu.max': '150000 100000',
    '/sys/fs/cgroup/a/cpu.max': 'max 100000',
  };
  expect(readCgroup(reader(files))).toEqual({ memory: GIB, cpus: 1.5 });
});

test('cgroups, version 1, and none', () => {
  const files = {
    '/proc/self/cgroup': '4:memory:/x\n1:cpu:/',
    '/sys/fs/cgroup/memory/x/memory.limit_in_bytes': '1073741824',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712',
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
  };
  expect(readCgroup(reader(files))).toEqual({ memory: GIB });
  expect(readCgroup(() => '')).toEqual({});
});
