// Devices that come and go in real VMs: drivers reload, guests reboot, QEMU dies, and nobody else notices.
import { readdirSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import type { Vm } from '../../vm-images/machine/vm.ts';
import type { TestHost } from '../harness/host.ts';
import { hugepages } from '../harness/hugepages.ts';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const ONE = `
ports: { 'null:a': { sink: { verify: true } } }
vms:
  vm1: { devices: [{ port: 'null:a' }] }
`;

const descriptors = () => readdirSync('/proc/self/fd').length;

vmTest('DELETE and CREATE a thousand times, then traffic', async () => {
  const h = await startHost(ONE);
  const vm = await boot(h, 'vm1');
  await vm.agent('cycle --count 10');
  const before = descriptors();
  await vm.agent('cycle --count 1000 --timeout 240', { timeoutMs: 250_000 });
  expect(descriptors()).toBe(before);
  await vm.agent('send --count 100000 --payload full');
  expect(h.packets('null:a', 'tx')).toBe(100_000);
  expect(h.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
});

vmTest('driver reload and guest reboot keep the port', async () => {
  const h = await startHost(ONE);
  const vm = await boot(h, 'vm1');
  await vm.agent('send --count 1000 --payload full');
  await vm.agent('send --count 1000 --payload full --first-seq 1000');
  await vm.reboot();
  await vm.ready();
  await vm.agent('send --count 1000 --payload full --first-seq 2000');
  expect(h.packets('null:a', 'tx')).toBe(3000);
  expect(h.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
});

vmTest('QEMU killed in full traffic: the host and a second VM go on, another VM takes the port', async () => {
  const h = await startHost(`
ports: { 'null:a': {}, 'null:b': { sink: { verify: true } } }
vms:
  vm1: { devices: [{ port: 'null:a' }] }
  vm2: { devices: [{ port: 'null:b' }] }
`);
  const [a, b] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  const undisturbed = b.agent('send --count 2000000 --payload full --timeout 120', { timeoutMs: 130_000 });
  const doomed = a.agentStart('send --seconds 60');
  doomed.done.catch(() => {});
  while (h.packets('null:a', 'tx') < 100_000) await new Promise((resolve) => setTimeout(resolve, 20));
  a.kill('SIGKILL');
  await a.exited;
  const next = await boot(h, 'vm1');
  const before = h.packets('null:a', 'tx');
  await next.agent('send --count 50000');
  expect(h.packets('null:a', 'tx')).toBe(before + 50_000);
  expect((await undisturbed).sent).toMatchObject({ packets: 2_000_000 });
  expect(h.port('null:b').rings[0]).toMatchObject({ packets: 2_000_000 });
  expect(h.port('null:b').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
});

vmTest('machine q35', async () => {
  const h = await startHost(ONE);
  const vm = await boot(h, 'vm1', { machine: 'q35' });
  await vm.agent('send --count 100000 --payload full');
  expect(h.packets('null:a', 'tx')).toBe(100_000);
  expect(h.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
});

vmTest('BAR 0 in memory space: doorbells are posted', async () => {
  const h = await startHost(`
ports: { 'null:a': { sink: { verify: true } } }
vms:
  vm1: { devices: [{ port: 'null:a', bar0: mem, policy: notify }] }
`);
  const vm = await boot(h, 'vm1');
  await vm.agent('send --count 100000 --payload full');
  expect(h.packets('null:a', 'tx')).toBe(100_000);
  expect(h.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
});

/** Port null:a checks what it gets, and has 100,000 packets to send. */
async function expectBothWays(h: TestHost, vm: Vm): Promise<void> {
  await vm.agent('send --count 100000 --payload full');
  expect(h.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
  const got = await vm.agent('receive --count 100000 --payload full');
  expect(got.received).toMatchObject({ packets: 100_000, lost: 0, late: 0, corrupt: 0 });
}

vmTest('a region over 1 GiB behind a 64-bit BAR 1', async () => {
  const h = await startHost(`
regions: { big: { id: 3, buf-num: 600000 } }
ports: { 'null:a': { sink: { verify: true }, source: { packets: 100000, payload: full } } }
vms:
  vm1: { region: big, devices: [{ port: 'null:a' }] }
`);
  const vm = await boot(h, 'vm1');
  await expectBothWays(h, vm);
});

const noHugepages = hugepages.lend(8);
afterAll(() => hugepages.giveBack());

/** Root can have hugepages on any machine: then their absence is a failure. */
const hugepagesTest =
  noHugepages === undefined || process.getuid?.() === 0
    ? vmTest
    : (name: string) => test.skipIf(true)(`${name} (not run: ${noHugepages})`, () => {});

hugepagesTest('a region of hugepages', async () => {
  expect(noHugepages).toBeUndefined();
  const h = await startHost(`
regions: { lan: { hugepages: true, buf-num: 2500, ring-num: 8 } }
ports: { 'null:a': { sink: { verify: true }, source: { packets: 100000, payload: full } } }
vms:
  vm1: { region: lan, devices: [{ port: 'null:a' }] }
`);
  const vm = await boot(h, 'vm1');
  await expectBothWays(h, vm);
});

vmTest('a blocked event loop does not slow a VM down', async () => {
  const h = await startHost(`
ports: { 'null:a': {} }
vms:
  vm1: { devices: [{ port: 'null:a', policy: notify }] }
`);
  const vm = await boot(h, 'vm1');
  const job = vm.agentStart('send --seconds 8 --burst 64');
  while (h.packets('null:a', 'tx') === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const before = h.ring('null:a', 'tx');
  // Nothing of ours runs in JavaScript now, and the CPU is left to those who move packets.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
  const after = h.ring('null:a', 'tx');
  // Policy notify: every batch needs a kick, and each was answered while the event loop stood still.
  expect(after.kicks).toBeGreaterThan(before.kicks);
  expect(after.packets - before.packets).toBeGreaterThan(100_000);
  await job.done;
});
