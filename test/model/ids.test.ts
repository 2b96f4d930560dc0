// Drivers of some FreeBSD trees look for other PCI ids: a VM sees those that its configuration names.
import { expect, test } from 'vitest';
import { attach, open, startHost } from './scene.ts';

test('a driver finds its devices where the ids are its own, and only there', async () => {
  const host = await startHost(`
vms:
  usual: { devices: [{ port: 'null:a' }] }
  other: { pci-ids: 1b36:cccc, devices: [{ port: 'null:b' }] }
`);
  await expect(attach(host, 'usual', { otherIds: true })).rejects.toThrow(
    '1b36:000c, class ff0000: want a memory device, 1b36:cccc, class ff0000',
  );
  await expect(attach(host, 'other')).rejects.toThrow(
    '1b36:cccc, class ff0000: want a memory device, 1b36:000c, class ff0000',
  );
  for (const [vm, otherIds, port] of [
    ['usual', false, 'null:a'],
    ['other', true, 'null:b'],
  ] as const) {
    const guest = await attach(host, vm, { otherIds });
    expect(await guest.send(new Uint8Array(60).fill(2))).toBe(true);
    await expect.poll(() => host.packets(port, 'tx')).toBe(1);
  }
  expect(host.warnings()).toEqual([]);
});

test('DELETE of a port that never started is an unload like any other: not a word about it', async () => {
  const host = await startHost("vms: { vm1: { devices: [{ port: 'null:a' }] } }");
  const guest = await open(host, 'vm1');
  await expect(guest.delete()).rejects.toThrow();
  expect(host.warnings()).toEqual([]);
});
