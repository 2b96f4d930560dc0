// What a host that was killed has left is scribbled over, of another layout, or nobody keeps it: the whole is refused, or that device alone, and somebody serves.
import { readSync, writeSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { HOST_SECTION } from '../../backend/guard/sections.ts';
import { StateFile } from '../../backend/guard/state-file.ts';
import { Kept, withState } from './kept.ts';
import { VALE } from './upgraded.ts';

vi.setConfig({ testTimeout: 120_000 });

const flip = (fd: number, at: number) => {
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, at);
  byte[0]! ^= 0xff;
  writeSync(fd, byte, 0, 1, at);
};

async function startWithGuests() {
  const host = new Kept(VALE);
  const { child } = await host.startOften();
  const guests = [await host.attach('vm1'), await host.attach('vm2')] as const;
  for (const guest of guests) await guest.create();
  return { host, guard: child.pid!, guests };
}

test.each([
  ['another layout', (fd: number) => flip(fd, 8), 'layout'],
  ['no state at all', (fd: number) => flip(fd, 0), 'does not begin as a state does'],
  [
    'a host section that is not as it was written',
    (fd: number) => {
      const file = StateFile.open(fd);
      file.write(HOST_SECTION, file.read(HOST_SECTION)!);
      for (const slot of [0, 1]) flip(fd, 4096 + slot * 8 * 2 ** 20 + 200);
    },
    'section 0: it is not as it was written',
  ],
  [
    'a host section of another form',
    (fd: number) => StateFile.open(fd).write(HOST_SECTION, '{"host":{}}'),
    'invalid',
  ],
])('%s: the next host begins anew, and new clients are served', async (_what, spoil, why) => {
  const { host, guard } = await startWithGuests();
  withState(guard, spoil);
  await host.kill();
  expect(host.said).toContain('is not gone on with');
  expect(host.said.toLowerCase()).toContain(why);
  const again = await host.attach('vm1');
  await again.create();
  // It is kept itself.
  await host.kill();
  expect(host.said).toContain('goes on in the place of a process that has died');
  await again.ports[0]!.ptnet.readRegister(0);
});

test('a device whose section is spoilt is as after a disconnect, and the others go on', async () => {
  const { host, guard, guests } = await startWithGuests();
  withState(guard, (fd) => {
    const file = StateFile.open(fd);
    const { devices } = JSON.parse(file.read(HOST_SECTION)!);
    const { section } = devices.find(({ vm, name }: never) => vm === 'vm1' && name === 'net0');
    for (const slot of [0, 1]) flip(fd, 4096 + (2 * section + slot) * 8 * 2 ** 20 + 200);
  });
  await host.kill();
  expect(host.said).toContain('vm1/net0: as after a disconnect: section');
  await expect(guests[0].ports[0]!.ptnet.readRegister(0)).rejects.toThrow();
  await guests[1].ports[0]!.ptnet.readRegister(0);
  await guests[0].crash();
  const again = await host.attach('vm1');
  await again.create();
});

test('a client that hung up meanwhile leaves its device free', async () => {
  const { host, guests } = await startWithGuests();
  const before = host.pid!;
  process.kill(before, 'SIGSTOP');
  await guests[0].crash();
  await host.kill();
  await guests[1].ports[0]!.ptnet.readRegister(0);
  const again = await host.attach('vm1');
  await again.create();
});

test('the guard killed: the host goes on, and says that nobody keeps it', async () => {
  const { host, guard, guests } = await startWithGuests();
  const { pid } = host;
  process.kill(guard, 'SIGKILL');
  await guests[1].ports[0]!.ptnet.readRegister(0);
  await guests[0].close();
  const again = await host.attach('vm1');
  await again.create();
  await expect.poll(() => host.said, { timeout: 20_000 }).toContain('not kept any more');
  for (const guest of [again, guests[1]]) await guest.close();
  process.kill(pid!, 'SIGTERM');
});

test('what cannot be kept is said, and the next host begins anew', async () => {
  const host = new Kept(
    "vms: { vm1: { devices: [{ port: 'null:a' }] } }\nports: { 'null:a': { sink: { verify: true } } }",
  );
  await host.startOften();
  expect(host.said).toContain('not kept: its death would be the end of its VMs');
  expect(host.said).toContain('null:a: a sink that verifies cannot be kept yet');
  await host.kill();
  expect(host.said).toContain('it says that nobody is to go on with it');
  await (await host.attach('vm1')).create();
});
