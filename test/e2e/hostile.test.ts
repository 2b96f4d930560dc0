// A guest that breaks every rule of the device: it gets an errno or a counter, the host counts it and has a line in its
// log that names the VM, and the VM next to it never notices.
import { expect } from 'vitest';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const EBUSY = 16;
const EFAULT = 14;
const EINVAL = 22;
const ENXIO = 6;

/** What the guest does, what PTCTL answers where it asks, and what the log must say of it. */
const DEEDS: { what: string; answer?: number; log?: RegExp }[] = [
  { what: 'head-out-of-range', log: /vm1\/net0: tx 0 ring: head or cur outside/ },
  { what: 'cur-out-of-range', log: /vm1\/net0: tx 0 ring: head or cur outside/ },
  { what: 'bad-buf-idx', log: /vm1\/net0: tx 0 ring: buf_idx outside the region/ },
  { what: 'bad-len', log: /vm1\/net0: tx 0 ring: len beyond the buffer/ },
  { what: 'indirect-flag', log: /vm1\/net0: tx 0 ring: NS_INDIRECT/ },
  { what: 'overwrite-ring-header' },
  { what: 'bad-doorbell', log: /vm1\/net0: .*(KICK|doorbell)/i },
  { what: 'create-twice', answer: EBUSY, log: /vm1\/net0: .*CREATE/ },
  { what: 'delete-first', answer: ENXIO },
  { what: 'csb-unaligned', answer: EINVAL, log: /vm1\/net0: CREATE: guest-to-host CSB at .* not aligned/ },
  {
    what: 'csb-outside-ram',
    answer: EFAULT,
    log: /vm1\/net0: CREATE: guest-to-host CSB at .* nothing is mapped there/,
  },
  { what: 'frag-storm' },
];

vmTest('every deed of a hostile guest is answered, logged, and harms nobody', async () => {
  const host = await startHost(`
ports: { 'null:a': {}, 'null:b': { sink: { verify: true } } }
vms:
  vm1: { devices: [{ port: 'null:a' }] }
  vm2: { devices: [{ port: 'null:b' }] }
`);
  const [bad, good] = await Promise.all([boot(host, 'vm1'), boot(host, 'vm2')]);
  const complaints = () => {
    const { complaints } = host.host.stats().devices.find(({ name }) => name === 'vm1/net0')!;
    return Object.values(complaints).reduce((sum, count) => sum + count, 0);
  };
  const undisturbed = good.agent('send --seconds 20 --payload full', { timeoutMs: 60_000 });
  for (const { what, answer, log } of DEEDS) {
    const before = complaints();
    const result = await bad.agent(`abuse --what ${what}`);
    expect(result, what).toMatchObject({ what, recovered: { ok: true, sent: 10, pending: 0 } });
    if (answer !== undefined) expect(result.answer, what).toBe(answer);
    if (log === undefined) continue;
    // What has been said is not said again for a minute, but counted.
    await expect.poll(complaints, { timeout: 5000 }).toBeGreaterThan(before);
    const lines = () => host.log.map(({ message }) => message);
    await expect.poll(lines, { timeout: 5000 }).toContainEqual(expect.stringMatching(log));
  }
  const { sent } = await undisturbed;
  expect(host.port('null:b').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
  expect(host.packets('null:b', 'tx')).toBe((sent as { packets: number }).packets);
});
