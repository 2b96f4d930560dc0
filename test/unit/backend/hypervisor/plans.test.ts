// What attaches VMs, as a program asks for it: of a configuration that no file has, for any QEMU.
import { expect, test } from 'vitest';
import { configFrom } from '../../../../backend/config/load.ts';
import { HYPERVISORS, plan, planText } from '../../../../backend/hypervisor/plans.ts';

const config = configFrom({
  'run-dir': '/run/x',
  vms: { a: { devices: [{ port: 'vale0:1' }] }, b: { devices: [{ port: 'vale0:2' }] } },
});

test.each(HYPERVISORS)('%s: each VM with its sockets, and as text', (hypervisor) => {
  const plans = plan(config, { for: hypervisor });
  expect(plans.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(plans[1]?.devices.map(({ socketPath }) => socketPath)).toEqual([
    '/run/x/b/mem.sock',
    '/run/x/b/net0.sock',
  ]);
  expect(planText(hypervisor, plans[0]!)).toContain('a: net0 is vale0:1');
});

test('one VM, and one that is not there', () => {
  expect(plan(config, { for: 'qemu', vm: 'b' })).toHaveLength(1);
  expect(() => plan(config, { for: 'qemu', vm: 'c' })).toThrow(
    "configuration: there is no VM 'c': 'a' would be right",
  );
});
