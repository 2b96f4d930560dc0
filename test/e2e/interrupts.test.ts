// MSI-X in real VMs: a guest that sleeps is woken by the interrupts that it asked for, and by no others.
import { expect } from 'vitest';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

/** Slow enough for the guest to fall asleep between two packets. */
const RATE = 500;
const PACKETS = 1500;

for (const policy of ['notify', 'adaptive', 'poll']) {
  vmTest(`a sleeping receiver is woken by interrupts (policy ${policy})`, async () => {
    const h = await startHost(`
ports: { 'null:a': { source: { packets: ${PACKETS}, rate: ${RATE}, payload: full } } }
vms:
  vm1: { devices: [{ port: 'null:a', policy: ${policy} }] }
`);
    const vm = await boot(h, 'vm1');
    const got = await vm.agent(`receive --count ${PACKETS} --payload full --interrupts --spin-us 0`);
    expect(got.received).toMatchObject({ packets: PACKETS, lost: 0, late: 0, corrupt: 0 });
    const raised = h.ring('null:a', 'rx').interrupts;
    // What is raised while the guest is still handling the last one comes as one with it.
    expect(Number(got.interrupts)).toBeGreaterThan(PACKETS / 10);
    expect(Number(got.interrupts)).toBeLessThanOrEqual(raised);
    expect(raised).toBeLessThanOrEqual(PACKETS);
  });
}

vmTest('a receiver that polls is left alone', async () => {
  const h = await startHost(`
ports: { 'null:a': { source: { packets: 200000, payload: full } } }
vms:
  vm1: { devices: [{ port: 'null:a' }] }
`);
  const vm = await boot(h, 'vm1');
  const got = await vm.agent('receive --count 200000 --payload full');
  expect(got.received).toMatchObject({ packets: 200_000, lost: 0, late: 0, corrupt: 0 });
  // One at most: the loop asks for the next packet's when it ends, as an idle driver does.
  expect(h.ring('null:a', 'rx').interrupts).toBeLessThanOrEqual(1);
});

vmTest('two VMs play ping-pong over a pipe, both asleep in between', async () => {
  const h = await startHost(`
regions: { lan: {} }
ports: { 'p{1': {}, 'p}1': {} }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1', policy: notify }] }
  vm2: { region: lan, devices: [{ port: 'p}1', policy: notify }] }
`);
  const [vm1, vm2] = await Promise.all([boot(h, 'vm1'), boot(h, 'vm2')]);
  const echo = vm2.agentStart('echo --count 600 --payload full --interrupts --spin-us 0');
  const sent = await vm1.agent('send --count 600 --rate 300 --payload full');
  expect(sent.sent).toMatchObject({ packets: 600 });
  const got = await vm1.agent('receive --count 600 --payload full --interrupts --spin-us 0');
  expect(got.received).toMatchObject({ packets: 600, lost: 0, late: 0, corrupt: 0 });
  const echoed = await echo.done;
  expect(echoed.received).toMatchObject({ packets: 600, lost: 0, late: 0, corrupt: 0 });
  expect(Number(echoed.interrupts)).toBeGreaterThan(60);
});
