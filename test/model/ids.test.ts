// Drivers of some FreeBSD trees look for other PCI ids: a VM sees those that its configuration names.
import { afterEach, expect, test } from 'vitest';
import { type Guest, openGuest } from '../../guest-driver/model/index.ts';
import { TestHost } from '../harness/host.ts';

let host: TestHost;
const guests: Guest[] = [];

async function attach(vm: string, otherIds: boolean): Promise<Guest> {
  const [memdev, ...ptnet] = host.sockets(vm);
  const guest = await openGuest({ memdev: memdev!, ptnet, otherIds });
  guests.push(guest);
  await guest.create();
  return guest;
}

afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.close();
  await host.close();
});

test('a driver finds its devices where the ids are its own, and only there', async () => {
  host = await TestHost.start(`
vms:
  usual: { devices: [{ port: 'null:a' }] }
  other: { pci-ids: 1b36:cccc, devices: [{ port: 'null:b' }] }
`);
  await expect(attach('usual', true)).rejects.toThrow(
    '1b36:000c, class ff0000: want a memory device, 1b36:cccc, class ff0000',
  );
  await expect(attach('other', false)).rejects.toThrow(
    '1b36:cccc, class ff0000: want a memory device, 1b36:000c, class ff0000',
  );
  for (const [vm, otherIds, port] of [
    ['usual', false, 'null:a'],
    ['other', true, 'null:b'],
  ] as const) {
    const guest = await attach(vm, otherIds);
    expect(await guest.send(new Uint8Array(60).fill(2))).toBe(true);
    await expect.poll(() => host.packets(port, 'tx')).toBe(1);
  }
  expect(host.warnings()).toEqual([]);
});

test('DELETE of a port that never started is an unload like any other: not a word about it', async () => {
  host = await TestHost.start("vms: { vm1: { devices: [{ port: 'null:a' }] } }");
  const [memdev, ...ptnet] = host.sockets('vm1');
  const guest = await openGuest({ memdev: memdev!, ptnet });
  guests.push(guest);
  await expect(guest.delete()).rejects.toThrow();
  expect(host.warnings()).toEqual([]);
});
